"""The body of a request, as aiohttp takes it."""

from collections.abc import AsyncIterator

import aiohttp
from aiohttp.abc import AbstractStreamWriter

from sinkwell.contract import SinkError
from sinkwell_s3.payload import WRITE

Piece = bytes | bytearray | memoryview


class Once(aiohttp.Payload):
    """A body that can be sent once.

    aiohttp repeats a PUT by itself when the connection is lost: the answer to the second one would
    be that something is there already, and hide that the first one may have succeeded.
    """

    def __init__(self, source: AsyncIterator[Piece], size: int) -> None:
        super().__init__(source, content_type="application/octet-stream")
        self._size = size
        self._source: AsyncIterator[Piece] | None = source
        self.failure: SinkError | None = None

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise NotImplementedError("a body of bytes that are still to be read")

    async def write(self, writer: AbstractStreamWriter) -> None:
        source, self._source = self._source, None
        if source is None:
            raise ConnectionResetError("the connection was lost")
        try:
            async for piece in source:
                await writer.write(piece)
        except SinkError as error:
            self.failure = error
            raise


async def slices(payload: bytes | bytearray) -> AsyncIterator[Piece]:
    """Yield bytes that are there already, a small run at a time."""
    if len(payload) <= WRITE:
        yield payload
        return
    view = memoryview(payload)
    for start in range(0, len(view), WRITE):
        yield view[start : start + WRITE]
