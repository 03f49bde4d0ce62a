"""Sources: who calls back, how that is proven, and what it says."""

import codecs
import hmac
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec

from sinkwell.contract.errors import MalformedCallbackError
from sinkwell.contract.settings import SourceSettings

SettingsT = TypeVar("SettingsT", bound=SourceSettings)


class Transport(Enum):
    """How a provider sends a callback. The core reads the body accordingly, whatever its shape."""

    MULTIPART = "multipart"
    """``multipart/form-data``: text fields, and files as parts."""
    RAW = "raw"
    """The body is the file, whatever its content type."""
    JSON = "json"
    """JSON that says where the file is."""
    BASE64 = "base64"
    """JSON that holds the file itself, hence longer than ``JSON`` may be."""
    FORM_JSON = "form-json"
    """A form, URL-encoded or multipart, with JSON in one of its fields."""


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
    body: bytes = b""
    """The whole body, of ``JSON`` and ``BASE64`` alone, once the message is complete."""
    macs: Sequence[hmac.HMAC] = field(default=(), compare=False)
    """What ``Source.macs`` returned, fed with the body as far as it has come."""

    def json(self) -> Any:
        """Return the body as JSON. Raises ``MalformedCallbackError`` when it is none."""
        return decode_json(self.body)


def decode_json(text: bytes | str) -> Any:
    """Read JSON of a sender's. Raises ``MalformedCallbackError`` when it is none.

    A byte order mark may stand before it, as some write one (RFC 8259, 8.1). The texts in it are
    valid Unicode: what is no UTF-8, or half a surrogate pair, is no JSON.
    """
    if isinstance(text, bytes):
        text = text.removeprefix(codecs.BOM_UTF8)
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:  # msgspec's own errors are ValueErrors
        raise MalformedCallbackError("the callback is no JSON that can be read") from error


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file that came as a part of the message."""

    part: Part
    media_type: str
    """The provider's claim; content that is recognised overrides it."""
    extension: str
    """The provider's claim, without the dot; likewise."""


@dataclass(frozen=True, slots=True)
class BodyFile:
    """The file that is the whole body, of ``Transport.RAW``. The claims are as in ``PartFile``."""

    media_type: str
    extension: str
    name: str | None = None
    """Its original name, as the sender gave it: for metadata only."""


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file whose bytes stood in the message. The claims are as in ``PartFile``."""

    content: bytes
    media_type: str
    extension: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file that the message points to: the core fetches it, once it has answered.

    It goes to no host but those that the source's settings, or else ``Source.fetch_hosts``, name.
    The claims are as in ``PartFile``; without one it is the answer's ``Content-Type``.
    """

    url: str
    """As the provider gave it, ``http`` or ``https``, of at most 8,192 characters."""
    media_type: str = ""
    extension: str = ""
    name: str | None = None
    expires_at: float | None = None
    """When the link stops working, in seconds since 1970, where the provider says it."""


FileReference = PartFile | BodyFile | InlineFile | LinkedFile
"""Where the bytes of a file are."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What an authentic message says."""

    provider_id: str
    """The provider's id of the capture, as it is used in keys (``{id}``); may be empty for what
    brings no file."""
    deduplication_key: str | None
    """Equal for repeats of one message, different for everything else of this source."""
    succeeded: bool
    """False when the provider reports that it has no file: recorded, announced, answered 200."""
    provider_status: str
    """The provider's own word for it."""
    files: tuple[FileReference, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    """Whatever else is worth keeping with the file: at most 32 texts of at most 2,048 characters,
    their names of at most 64."""
    notice: bool = False
    """True for news without a file that is no failure, such as the end of a batch: recorded and
    announced with its labels."""
    finished_batch: str | None = None
    """The provider's id of the batch whose end a notice tells; None for all else."""


class Source(ABC):
    """One configured origin of callbacks.

    All methods are quick and pure: no I/O, no clock but ``Message.received_at``, no memory of
    other messages, and the message stays as it is. Texts of a message may hold anything, bytes
    that are no UTF-8 as lone surrogates; those of a callback must be valid Unicode.
    """

    transport: Transport = Transport.MULTIPART
    """How the core reads its callbacks."""
    fetch_hosts: Sequence[str] = ()
    """The provider's own hosts, from which files are fetched where the settings name none:
    ``cdn.example.com``, or ``*.example.com`` for all below it."""
    success_code: int = 200
    """The HTTP status, of the 2xx, that the provider takes for a success."""

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        """Return MACs for the core to feed with the body, byte by byte as it comes.

        Called once, when the headers are in. They are found in ``Message.macs``: so a file that
        is signed whole is held nowhere. A MAC that begins with other texts has them already.

        Raises ``AuthenticationError`` when the headers show that the proof is false.
        """
        del message
        return ()

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


AnySourceType = SourceType[Any]
