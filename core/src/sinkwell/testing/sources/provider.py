"""What the author of a source gives to the kit: somebody who plays the provider."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sinkwell.testing.sources.requests import Body, Field, Header, NotOffered, Request


@dataclass(frozen=True, slots=True)
class ExpectedPart:
    """A file that came as a part of a form, as the source must name it."""

    field: str
    media_type: str
    """The provider's claim, as is ``extension``: the core looks at the content itself."""
    extension: str


@dataclass(frozen=True, slots=True)
class ExpectedBody:
    """The file that is the whole body."""

    media_type: str
    extension: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedContent:
    """A file whose bytes stood in the message."""

    content: bytes
    media_type: str
    extension: str


@dataclass(frozen=True, slots=True)
class ExpectedLink:
    """A file that the message points to."""

    url: str
    media_type: str = ""
    extension: str = ""
    expires_at: float | None = None


ExpectedFile = ExpectedPart | ExpectedBody | ExpectedContent | ExpectedLink
"""A file that a callback brings, as the source must name it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a callback must be understood as."""

    provider_id: str
    succeeded: bool = True
    provider_status: str = ""
    files: tuple[ExpectedFile, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    notice: bool = False
    finished_batch: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A callback that the provider really sends. It need not be signed: the kit has that done."""

    name: str
    request: Request
    expected: Expected


class Provider(ABC):
    """Plays the provider: sends samples, signs what it is given, and says what its proof is worth.

    What the provider's scheme does not offer is a :class:`NotOffered` with the reason.
    """

    proof: Field | Header | NotOffered
    """Where the proof stands: the secret itself, or a signature."""
    covers: Sequence[Field | Header | Body] | NotOffered
    """What cannot be altered, added or taken out without the proof becoming false."""
    tolerance: float | NotOffered
    """By how many seconds the time in a proof may be off, in either direction."""
    early: NotOffered | None = None
    """Why a false proof is found out only after the file was read. Not needed where ``covers``
    has the body."""
    foreign_secret: str = "somebody-elses-secret"  # noqa: S105 - it opens nothing
    """A secret of the right form that the section does not have."""

    @property
    @abstractmethod
    def secrets(self) -> Sequence[str]:
        """The secrets of the section, all of which must be taken.

        Make them long and unlike any word: they are looked for in what is said and logged.
        """

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """Return different messages: at least two that succeed, with ids of their own.

        A provider that reports failures sends one of these, too.
        """

    @abstractmethod
    def sign(self, request: Request, *, secret: str, at: float) -> Request:
        """Return the request with the proof that stands for this secret at this time.

        It takes the place of one that is there. ``at`` is in seconds since 1970. The request may
        lack fields, or hold in them what the provider would never send; ``secret`` may be empty.
        """
