"""Reading from a sink that can."""

from collections.abc import AsyncGenerator
from typing import cast

from sinkwell.contract import ReadableSink, Sink


def pieces(sink: Sink, key: str) -> AsyncGenerator[bytes, None]:
    """Return the pieces of an object, to be closed early or read to the end."""
    return cast("AsyncGenerator[bytes, None]", cast("ReadableSink", sink).read(key))


async def read(sink: Sink, key: str) -> bytes:
    """Return the bytes of an object."""
    return b"".join([piece async for piece in pieces(sink, key)])
