"""The body of a callback, read as its source says: the shape of the bytes decides nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol
from urllib.parse import parse_qsl

from multipart import parse_options_header

from sinkwell.contract import Message, Part, Transport
from sinkwell.intake.holding import Hold
from sinkwell.intake.incoming import IncomingFile
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.multipart_body import MultipartBody
from sinkwell.intake.refusals import too_large, unsupported
from sinkwell.intake.spool import SpoolWriter

NewWriter = Callable[[], SpoolWriter]

_FORM = "application/x-www-form-urlencoded"


class Body(Protocol):
    """Turns chunks into a :class:`Message` and files. It does no I/O of its own."""

    message: Message
    files: list[IncomingFile]
    current: IncomingFile | None
    """The file whose bytes are coming just now."""

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes and tell whether a text field was completed by them.

        Raises ``Refusal``: 400 where the body is not what it claims to be, 413 beyond a limit.
        """
        ...

    def end(self) -> Message:
        """Return the whole message. Raises ``Refusal`` (400) when its end is missing."""
        ...


def open_body(
    transport: Transport,
    headers: dict[str, str],
    limits: IntakeLimits,
    new_writer: NewWriter,
    received_at: float,
    hold: Hold,
) -> Body:
    """Begin to read a body. Raises ``Refusal`` (415, 400) for another content type.

    ``hold`` is told of what is held in memory until the callback has ended.
    """
    coding = headers.get("content-encoding", "").lower()
    if coding not in {"", "identity"}:
        raise unsupported(f"callbacks are taken as they are, not compressed with {coding}")
    match transport:
        case Transport.MULTIPART:
            return MultipartBody(headers, limits, new_writer, received_at, hold)
        case Transport.RAW:
            return RawBody(headers, limits, new_writer, received_at)
        case Transport.JSON:
            return JsonBody(headers, limits.max_json_size, received_at, hold)
        case Transport.BASE64:
            return JsonBody(headers, limits.max_base64_size, received_at, hold)
        case Transport.FORM_JSON:
            if (kind := _content_type(headers)) == _FORM:
                return FormBody(headers, limits, received_at, hold)
            if kind != "multipart/form-data":
                raise unsupported(
                    f"this source is called with {_FORM} or multipart/form-data, "
                    f"not {kind or 'nothing'}"
                )
            size = limits.max_json_size
            wider = replace(limits, max_field_size=size, max_fields_size=size)
            return MultipartBody(headers, wider, new_writer, received_at, hold)


class RawBody:
    """A body that is the file."""

    def __init__(
        self,
        headers: dict[str, str],
        limits: IntakeLimits,
        new_writer: NewWriter,
        received_at: float,
    ) -> None:
        self.message = Message(headers=headers, received_at=received_at)
        self._limits = limits
        _, options = parse_options_header(headers.get("content-disposition", ""))
        part = Part("", options.get("filename"), _content_type(headers) or None, 0)
        self._file = IncomingFile(part, new_writer())
        self.files = [self._file]
        self.current: IncomingFile | None = self._file

    def feed(self, chunk: bytes) -> bool:
        if self._file.size + len(chunk) > self._limits.max_file_size:
            raise too_large(f"the file has more than {self._limits.max_file_size} bytes")
        self._file.take(chunk)
        return False

    def end(self) -> Message:
        self.message.parts.append(self._file.end())
        self.message.complete = True
        return self.message


class JsonBody:
    """JSON, held until it is complete; whoever sends it is not believed yet, so it has a limit."""

    def __init__(self, headers: dict[str, str], limit: int, received_at: float, hold: Hold) -> None:
        kind = _content_type(headers)
        # Some providers name no type; a wrong one is a sender of something else.
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise unsupported(f"this source is called with application/json, not {kind}")
        self.message = Message(headers=headers, received_at=received_at)
        self.files: list[IncomingFile] = []
        self.current: IncomingFile | None = None
        self._held = _Held(limit, hold)

    def feed(self, chunk: bytes) -> bool:
        self._held.take(chunk)
        return False

    def end(self) -> Message:
        self.message.body = self._held.whole()
        self.message.complete = True
        return self.message


class FormBody:
    """A form that is URL-encoded: text fields alone."""

    def __init__(
        self, headers: dict[str, str], limits: IntakeLimits, received_at: float, hold: Hold
    ) -> None:
        self.message = Message(headers=headers, received_at=received_at)
        self.files: list[IncomingFile] = []
        self.current: IncomingFile | None = None
        self._held = _Held(limits.max_json_size, hold)
        self._most_fields = limits.max_parts

    def feed(self, chunk: bytes) -> bool:
        self._held.take(chunk)
        return False

    def end(self) -> Message:
        text = self._held.whole().decode("utf-8", "surrogateescape")
        try:
            fields = parse_qsl(
                text,
                keep_blank_values=True,
                errors="surrogateescape",
                max_num_fields=self._most_fields,
            )
        except ValueError as error:
            raise too_large(f"the form has more than {self._most_fields} fields") from error
        for name, value in fields:
            self.message.fields.setdefault(name, value)
        self.message.complete = True
        return self.message


class _Held:
    """Bytes in memory, up to a limit."""

    def __init__(self, limit: int, hold: Hold) -> None:
        self._limit = limit
        self._hold = hold
        self._chunks: list[bytes] = []
        self._size = 0

    def take(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            raise too_large(f"the body has more than {self._limit} bytes")
        self._hold(len(chunk))
        self._chunks.append(chunk)

    def whole(self) -> bytes:
        """Return all of it, and keep none."""
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


def _content_type(headers: dict[str, str]) -> str:
    kind: str = parse_options_header(headers.get("content-type", ""))[0]
    return kind.lower()
