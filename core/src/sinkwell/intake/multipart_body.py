"""A multipart body, cut into text fields and files on their way into the spool."""

from collections.abc import Callable

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from sinkwell.contract import Message, Part
from sinkwell.intake.holding import Hold, unbounded
from sinkwell.intake.incoming import IncomingFile
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.refusals import Refusal, malformed, too_large, unsupported
from sinkwell.intake.spool import SpoolWriter


class MultipartBody:
    """Turns chunks into a :class:`Message` and files. It does no I/O of its own."""

    def __init__(
        self,
        headers: dict[str, str],
        limits: IntakeLimits,
        new_writer: Callable[[], SpoolWriter],
        received_at: float = 0.0,
        hold: Hold = unbounded,
    ) -> None:
        """Read the content type. Raises ``Refusal`` (415, 400)."""
        kind, options = parse_options_header(headers.get("content-type", ""))
        if kind != "multipart/form-data":
            raise unsupported(
                f"this source is called with multipart/form-data, not {kind or 'nothing'}"
            )
        self.message = Message(headers=headers, received_at=received_at)
        self.files: list[IncomingFile] = []
        self.current: IncomingFile | None = None
        self._limits = limits
        self._new_writer = new_writer
        self._hold = hold
        self._name = ""
        self._text: list[bytes] = []
        self._text_size = 0
        self._texts_size = 0
        self._files_size = 0
        try:
            self._parser = PushMultipartParser(
                options.get("boundary", ""),
                max_header_size=limits.max_header_size,
                max_header_count=limits.max_part_headers,
                max_segment_count=limits.max_parts,
            )
        except MultipartError as error:
            raise malformed(f"the multipart boundary is missing or unusable: {error}") from error

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes and tell whether a text field was completed by them.

        Raises ``Refusal``: 400 where the body is no multipart, 413 beyond a limit.
        """
        completed = False
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is None:
                    completed = self._end() or completed
                elif self.current is not None:
                    self._take_file(self.current, event)
                else:
                    self._take_text(event)
        except MultipartError as error:
            raise _refusal(error) from error
        return completed

    def end(self) -> Message:
        """Return the whole message. Raises ``Refusal`` (400) when its end is missing."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise _refusal(error) from error
        self.message.complete = True
        return self.message

    def _begin(self, segment: MultipartSegment) -> None:
        self._name = segment.name or ""
        kind = segment.content_type or "text/plain"
        if segment.filename is not None or not kind.startswith("text/"):
            part = Part(
                field=segment.name or "",
                filename=segment.filename,
                content_type=segment.content_type,
                size=0,
            )
            self.current = IncomingFile(part, self._new_writer())
            self.files.append(self.current)
        self._text, self._text_size = [], 0

    def _take_file(self, file: IncomingFile, chunk: bytes) -> None:
        self._files_size += len(chunk)
        if self._files_size > self._limits.max_file_size:
            raise too_large(f"the file has more than {self._limits.max_file_size} bytes")
        file.take(chunk)

    def _take_text(self, chunk: bytes) -> None:
        self._text_size += len(chunk)
        self._texts_size += len(chunk)
        if self._text_size > self._limits.max_field_size:
            raise too_large(
                f"the field {self._name[:40]!r} has more than {self._limits.max_field_size} bytes"
            )
        if self._texts_size > self._limits.max_fields_size:
            raise too_large(f"all fields have more than {self._limits.max_fields_size} bytes")
        self._hold(len(chunk))
        self._text.append(chunk)

    def _end(self) -> bool:
        if self.current is not None:
            file, self.current = self.current, None
            self.message.parts.append(file.end())
            return False
        # Bytes that are no UTF-8 must survive until they are compared with a secret, and fail.
        text = b"".join(self._text).decode("utf-8", "surrogateescape")
        self.message.fields.setdefault(self._name, text)
        return True


def _refusal(error: MultipartError) -> Refusal:
    reason = error.args[0]  # what may follow shows the sender's bytes and Python's exceptions
    if isinstance(error, ParserLimitReached):
        return too_large(f"a part is beyond a limit: {reason}")
    return malformed(f"the multipart body cannot be read: {reason}")
