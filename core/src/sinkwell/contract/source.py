"""Sources: who calls back, how that is proven, and what it says."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from sinkwell.contract.settings import SourceSettings

SettingsT = TypeVar("SettingsT", bound=SourceSettings)


class Transport(Enum):
    """How a provider sends a callback. The core reads the body accordingly, whatever its shape."""

    MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Part:
    """A file part of a multipart body: its name, the sender's claims, and how much has come."""

    field: str
    filename: str | None
    content_type: str | None
    size: int


@dataclass(slots=True)
class Message:
    """A callback as far as it has arrived.

    Header names are lower-case; a repeated text field or header keeps its first value.
    """

    headers: Mapping[str, str]
    fields: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    received_at: float = 0.0
    """When it began to arrive, in seconds since 1970: what the age of a proof is measured by."""
    complete: bool = False
    """True once all of it is here."""


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file that came as a part of the message."""

    part: Part
    media_type: str
    """The provider's claim; content that is recognised overrides it."""
    extension: str
    """The provider's claim, without the dot; likewise."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What an authentic message says."""

    provider_id: str
    """The provider's id of the capture, as it is used in keys (``{id}``); may be empty for a
    failure that names none."""
    deduplication_key: str | None
    """Equal for repeats of one message, different for everything else of this source."""
    succeeded: bool
    """False when the provider reports that it has no file: recorded, announced, answered 200."""
    provider_status: str
    """The provider's own word for it."""
    files: tuple[PartFile, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Whatever else is worth keeping with the file: at most 32 texts of at most 2,048 characters,
    their names of at most 64."""


class Source(ABC):
    """One configured origin of callbacks.

    Both methods are quick and pure: no I/O, no clock but ``Message.received_at``, no memory of
    other messages, and the message stays as it is. Texts of a message may hold anything, bytes
    that are no UTF-8 as lone surrogates; those of a callback must be valid Unicode.
    """

    @abstractmethod
    def authenticate(self, message: Message) -> bool:
        """Tell whether the provider sent this.

        Called when the headers are in, again after each text field and at the end, so that a
        false message is refused before its file is read. Return False while it cannot be told
        yet; what is still False at the end is refused. After True it is not called again for this
        message, so say True only when nothing that may still come could change that: where the
        proof covers everything, that is once the message is ``complete``.

        Raises ``AuthenticationError`` when the proof is false.
        """

    @abstractmethod
    def parse(self, message: Message) -> Callback:
        """Say what the complete, authentic message means.

        Raises ``MalformedCallbackError`` when something is missing or makes no sense.
        """


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What the core hands to a source when it opens it."""

    name: str
    """The ``NAME`` of its section ``[sources.NAME]``, for messages."""


@dataclass(frozen=True)
class SourceType(Generic[SettingsT]):
    """A kind of source, as a plugin registers it."""

    name: str
    """The ``type`` that users write: lower-case letters, digits and dashes."""
    summary: str
    """One line for ``sinkwell plugins``."""
    settings: type[SettingsT]
    open: Callable[[SettingsT, SourceContext], Source]
    default_key: str
    """The key template where neither route nor sink has one."""
    transport: Transport = Transport.MULTIPART


AnySourceType = SourceType[Any]
