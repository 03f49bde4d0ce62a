"""The bytes of a file: from the spool while it is there, else from a sink that has it."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import structlog

from sinkwell.contract import TransientError
from sinkwell.contract.sink import ReadableSink
from sinkwell.delivery.decide import classify
from sinkwell.sharing.links import presigned
from sinkwell.sharing.model import SharedFile, Shelf, Shelves
from sinkwell.threads import Threads

_PIECE = 256 * 1024
_LONGEST_WAIT = 30.0
_REDIRECT_LIFE = 300.0
"""Seconds: a client follows a redirect at once."""

log = structlog.get_logger()


class DamagedError(Exception):
    """What was read is not the file: none of it, or not its end, may be given out as such."""


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of a file."""

    span: tuple[int, int] | None
    """The first one and the one behind the last, where it is a part; None for the whole file."""
    first: bytes
    rest: AsyncGenerator[bytes, None]
    """To be closed by whoever asked. Raises ``DamagedError``, ``OSError`` or what a sink raises
    when what is left cannot be had."""


class Contents:
    """Finds the bytes of files."""

    def __init__(self, spooled: Callable[[str], Path], threads: Threads, shelves: Shelves) -> None:
        """``spooled`` says where the spool keeps a file."""
        self._spooled = spooled
        self._threads = threads
        self._shelves = shelves

    async def find(self, file: SharedFile, span: tuple[int, int] | None) -> Content | str | None:
        """Return the bytes of a file, or a link to follow, or None where nobody has it any more.

        ``span`` is the part that is wanted, as in ``Content``. Only the spool gives a part of a
        file; whoever else has it gives the whole.
        """
        if file.in_spool:
            pieces = self._from_spool(file, *(span or (0, file.size)))
            if span is None:
                pieces = _verified(pieces, file)
            if content := await _begun("the spool", file, span, pieces):
                return content
        shelves = [(name, key, self._shelves.get(name)) for name, key in file.stored]
        for name, key, shelf in shelves:
            if shelf is not None and shelf.reads:
                pieces = _verified(_from_sink(shelf, key), file)
                if content := await _begun(f"sink {name}", file, None, pieces):
                    return content
        for name, key, shelf in shelves:
            if shelf is not None and shelf.presigns:
                try:
                    return await presigned(shelf, key, _REDIRECT_LIFE)
                except Exception as error:  # noqa: BLE001 - another sink may do better
                    _warn(f"sink {name}", file, error)
        return None

    async def _from_spool(
        self, file: SharedFile, start: int, stop: int
    ) -> AsyncGenerator[bytes, None]:
        path = self._spooled(file.file_id)
        # Once it is open, the end of its retention does not take it away.
        fd = await self._threads.run(os.open, path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while start < stop:
                piece = await self._threads.run(os.pread, fd, min(_PIECE, stop - start), start)
                if not piece:
                    raise DamagedError(f"{stop - start} bytes are missing")
                start += len(piece)
                yield piece
        finally:
            os.close(fd)


async def _from_sink(shelf: Shelf, key: str) -> AsyncGenerator[bytes, None]:
    sink = shelf.opened()
    if not isinstance(sink, ReadableSink):
        raise TransientError("it is not open")
    pieces = aiter(sink.read(key))
    # In this one task, as what a sink holds open while it reads may belong to it.
    try:
        while True:
            async with asyncio.timeout(_LONGEST_WAIT):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


async def _verified(
    pieces: AsyncGenerator[bytes, None], file: SharedFile
) -> AsyncGenerator[bytes, None]:
    """Hold the last piece back until all are known to be the file."""
    digest, size, held = hashlib.sha256(), 0, b""
    async with aclosing(pieces):
        async for piece in pieces:
            if held:
                yield held
            digest.update(piece)
            size += len(piece)
            if size > file.size:
                break
            held = piece
    if size != file.size or digest.hexdigest() != file.sha256:
        raise DamagedError("its bytes are not those that were received")
    if held:
        yield held


async def _begun(
    whose: str,
    file: SharedFile,
    span: tuple[int, int] | None,
    pieces: AsyncGenerator[bytes, None],
) -> Content | None:
    """Return the content once its first piece is there; None when it does not come."""
    try:
        first = await anext(pieces, b"")
    except Exception as error:  # noqa: BLE001 - whatever it is, another may have the file
        _warn(whose, file, error)
        return None
    return Content(span, first, pieces)


def _warn(whose: str, file: SharedFile, error: Exception) -> None:
    said = error.strerror if isinstance(error, OSError) else None
    said = str(error) if isinstance(error, DamagedError) else said or classify(error)[1]
    log.warning(
        "a file could not be had where it should be", where=whose, file=file.file_id, error=said
    )
