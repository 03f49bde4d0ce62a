"""Sinks: where files go."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, runtime_checkable

from sinkwell.contract.blob import Blob
from sinkwell.contract.settings import IfPresent, SinkSettings

P = ParamSpec("P")
T = TypeVar("T")
SettingsT = TypeVar("SettingsT", bound=SinkSettings)


class Capability(Enum):
    """What a sink can do beyond ``put``, ``stat``, ``check`` and ``close``."""

    READ = "read"
    """It is a :class:`ReadableSink`."""
    DELETE = "delete"
    """It is a :class:`DeletableSink`."""
    PRESIGN = "presign"
    """It is a :class:`PresigningSink`."""


_LONGEST_SHOWN = 200
"""Characters of a key in a message."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A sink's word that a file is stored, complete and durable."""

    key: str
    size: int
    sha256: str
    """Digest of the bytes that are stored, in lower-case hexadecimal: of those that the sink
    wrote or compared, or one that the far side verified. Never copied from the blob unseen."""
    location: str
    """Where to find it, as a URI without credentials: ``file:///…``, ``s3://bucket/key``."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What a sink knows of a stored object; ``sha256`` is None where it would have to read it."""

    size: int
    sha256: str | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check or an examination: what was looked at, how it stands, what to do."""

    level: Literal["ok", "warning", "failed", "not permitted", "not offered"]
    """The last two are for examinations: the credentials may not look at it, or the far side has
    no such thing. Neither is a failure."""
    what: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The least rights that a sink's settings need, in the words of its far side."""

    document: str
    """What a user hands to the far side as it is: a policy in JSON, a ``GRANT`` …"""
    notes: Sequence[str] = ()
    """One line each: what a right in it is for, and what cannot be said in it."""


class Sink(ABC):
    """One open destination. All methods may be called at the same time by many tasks."""

    @abstractmethod
    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        """Store ``blob`` under ``key`` and return a receipt once it is durable.

        It promises four things: the object is complete or invisible at every moment; putting
        the same blob again does no harm; a failed or cancelled put leaves nothing behind; only
        :class:`SinkError` is raised.
        """

    @abstractmethod
    async def stat(self, key: str) -> Stat | None:
        """Describe the object, or return None when there is none."""

    @abstractmethod
    async def check(self) -> Sequence[Finding]:
        """Prove that a put would work, by a real one under a key of the sink's own choice.

        Everything tried gives a finding; the first failure also ends the check. It is called by
        ``sinkwell check`` and, while the sink is paused, to learn whether it works again.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything. Called once or more; no other call follows."""


@runtime_checkable
class ReadableSink(Protocol):
    """A sink with :attr:`Capability.READ`."""

    def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield the object in pieces. Raises ``RejectedError`` when there is none."""
        ...


@runtime_checkable
class DeletableSink(Protocol):
    """A sink with :attr:`Capability.DELETE`."""

    async def delete(self, key: str) -> None:
        """Remove the object; when there is none, do nothing."""
        ...


@runtime_checkable
class PresigningSink(Protocol):
    """A sink with :attr:`Capability.PRESIGN`."""

    async def presign(self, key: str, *, expires_in: float) -> str:
        """Return a URL that lets anyone read the object for ``expires_in`` seconds."""
        ...


class RunBlocking(Protocol):
    """Runs blocking code in the sink's own threads, as many as its ``concurrency``."""

    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What the core hands to a sink when it opens it."""

    name: str
    """The ``NAME`` of its section ``[sinks.NAME]``, for messages."""
    run_blocking: RunBlocking
    directory: Path
    """A directory of this sink's own on the disk of the data directory, for what it must remember
    after a crash. Private, durable, kept between starts, made by the core; ``sinkwell check`` may
    open the same sink in another process meanwhile."""

    def label(self, doing: str, key: str) -> str:
        """Begin a message: which sink did what with which key, on one line of sane length."""
        return f"sink {self.name!r}: {doing} {_shown(key)}"


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """How long the keys of a sink may be, in bytes; a longer one is a ``RejectedError``.

    Sinkwell makes keys of 900 bytes at most, of at most 32 segments of 120 bytes each: every sink
    must take these. What is left to a limit is room for a prefix.
    """

    key: int = 900
    segment: int | None = None
    """Of one part between two slashes; None where only the whole key has a limit."""


@dataclass(frozen=True)
class SinkType(Generic[SettingsT]):
    """A kind of sink, as a plugin registers it."""

    name: str
    """The ``type`` that users write: lower-case letters, digits and dashes."""
    summary: str
    """One line for ``sinkwell plugins``."""
    settings: type[SettingsT]
    open: Callable[[SettingsT, SinkContext], Awaitable[Sink]]
    """Open a sink. Raises ``UnusableError`` when that cannot work now; it is tried again."""
    capabilities: frozenset[Capability] = frozenset()
    key_limits: KeyLimits = KeyLimits()
    examine: Callable[[SettingsT, SinkContext], Awaitable[Sequence[Finding]]] | None = None
    """Look at how the far side is set up, for ``sinkwell doctor``, and change nothing. Every
    question gets a finding, also where the answer is not permitted. Raises ``SinkError``."""
    policy: Callable[[SettingsT], Policy] | None = None
    """Return the least rights that these settings need, for ``sinkwell iam-policy``. Pure."""


AnySinkType = SinkType[Any]


def _shown(key: str) -> str:
    if len(key) <= _LONGEST_SHOWN:
        return repr(key)
    return f"{key[:_LONGEST_SHOWN]!r}… ({len(key)} characters)"
