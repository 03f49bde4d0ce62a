"""A file on its way from the message into the spool."""

from dataclasses import replace

from sinkwell.contract import Part
from sinkwell.intake.spool import SpoolWriter
from sinkwell.intake.verify import Content

WRITE_AT = 256 * 1024
"""So much of a file is collected before a thread writes it: smaller files take one hop."""


class IncomingFile:
    """What is known of a file, what of it waits to be written, and its place in the spool."""

    def __init__(self, part: Part, writer: SpoolWriter) -> None:
        self.part = part
        self.writer = writer
        self.pending: list[bytes] = []
        self.pending_size = 0
        self.content = Content()

    def take(self, chunk: bytes) -> None:
        """Note the next bytes."""
        self.content.take(chunk)
        self.pending.append(chunk)
        self.pending_size += len(chunk)

    @property
    def size(self) -> int:
        """How many bytes have come."""
        return self.content.size

    def drain(self) -> list[bytes]:
        """Hand over what waits to be written."""
        chunks, self.pending, self.pending_size = self.pending, [], 0
        return chunks

    def end(self) -> Part:
        """Return the part as it is now that all of it has come."""
        self.part = replace(self.part, size=self.size)
        return self.part
