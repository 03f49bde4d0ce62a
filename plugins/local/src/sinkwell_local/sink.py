"""The local sink: its calls, each one hop to a thread."""

import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import ParamSpec, TypeVar

from sinkwell.contract import (
    Blob,
    Finding,
    IfPresent,
    Receipt,
    Sink,
    SinkContext,
    Stat,
    UnusableError,
)
from sinkwell_local.check import check
from sinkwell_local.errors import explain, sink_error
from sinkwell_local.settings import LocalSettings
from sinkwell_local.staging import PIECE
from sinkwell_local.store import Store

P = ParamSpec("P")
T = TypeVar("T")


async def open_local(settings: LocalSettings, context: SinkContext) -> Sink:
    """Make the root where it is missing, sweep what killed processes left in it, and open the sink.

    Raises ``UnusableError`` when that cannot be done now.
    """
    try:
        store = await context.run_blocking(Store.open, settings, context)
    except OSError as error:
        label = f"sink {context.name!r}: opening its root {settings.root!r}"
        raise UnusableError(explain(error, label)) from error
    return LocalSink(store, context)


class LocalSink(Sink):
    """Files below one directory. Made by :func:`open_local`."""

    def __init__(self, store: Store, context: SinkContext) -> None:
        self._store = store
        self._run_blocking = context.run_blocking

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        """Store the blob, durable when this returns.

        A cancelled put may still complete in its thread. A put whose very last fsync failed
        leaves the complete file under its key; the next try finds it and fsyncs again.
        """
        return await self._do("putting", key, self._store.put, blob, key, if_present)

    async def stat(self, key: str) -> Stat | None:
        """Return the size of a stored file, without its digest."""
        return await self._do("looking at", key, self._store.stat, key)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield a stored file as it was at the first piece, even if it is replaced meanwhile."""
        file = _Reading(self._store, key)
        try:
            while piece := await self._do("reading", key, file.piece):
                yield piece
        finally:
            file.close()

    async def delete(self, key: str) -> None:
        """Remove a stored file, durably. The directories that held it stay."""
        await self._do("deleting", key, self._store.delete, key)

    async def check(self) -> Sequence[Finding]:
        """Put a small file, compare it, remove it; look at free space and means."""
        return await self._run_blocking(check, self._store)

    async def close(self) -> None:
        """Do nothing: a local sink holds nothing between two calls."""

    async def _do(
        self, doing: str, key: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            return await self._run_blocking(function, *args, **kwargs)
        except OSError as error:
            raise sink_error(error, self._store.context.label(doing, key)) from error


class _Reading:
    """A file that is read piece by piece, one thread hop each; the first piece opens it.

    A cancelled read may leave a thread in the middle of a piece. Closing neither waits for that
    thread nor takes the descriptor away from it: the last of the two to let go closes the file.
    """

    def __init__(self, store: Store, key: str) -> None:
        self._store = store
        self._key = key
        self._fd: int | None = None
        self._busy = threading.Lock()
        self._ended = False

    def piece(self) -> bytes:
        try:
            with self._busy:
                if self._fd is None:
                    self._fd = self._store.read(self._key)
                return os.read(self._fd, PIECE)
        finally:
            self._close_if_ended()

    def close(self) -> None:
        self._ended = True
        self._close_if_ended()

    def _close_if_ended(self) -> None:
        if self._ended and self._busy.acquire(blocking=False):
            try:
                if self._fd is not None:
                    os.close(self._fd)
                    self._fd = None
            finally:
                self._busy.release()
