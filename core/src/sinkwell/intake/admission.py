"""Whether the spool can take another callback: asked before its body is read."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from sinkwell.intake.refusals import Refusal, too_large, unavailable
from sinkwell.intake.spool import Spool
from sinkwell.threads import Threads

_PROBE_EVERY = 1.0
_FREE_FOR = 0.1
_RETRY_WHEN_SICK = 5
_RETRY_WHEN_FULL = 60

log = structlog.get_logger()


@dataclass(slots=True)
class Room:
    """What one callback takes of the spool while it arrives, in bytes."""

    held: int = 0
    """As announced, or as written where that is more; what stays is taken off."""
    coming: int = 0
    """Of these, not yet on the disk."""


class Admission:
    """Keeps the spool within its size, the disk above its reserve, and a sick disk at rest."""

    def __init__(
        self,
        spool: Spool,
        *,
        max_size: int | None,
        reserve: int,
        threads: Threads,
    ) -> None:
        self.used = 0
        """Bytes of payload in the spool."""
        self._spool = spool
        self._max_size = max_size
        self._reserve = reserve
        self._threads = threads
        self._held = 0
        self._coming = 0
        self._sickness: OSError | None = None
        self._next_probe = 0.0
        self._free = 0
        self._free_until = 0.0

    @asynccontextmanager
    async def admit(self, size: int) -> AsyncIterator[Room]:
        """Hold room for ``size`` bytes (0 where the sender does not say) while they arrive.

        Raises ``Refusal``: 413 for what never fits, 503 when it does not fit now.
        """
        await self._recover()
        room = Room()
        self._hold(room, size)
        try:
            yield room
        finally:
            self._held -= room.held
            self._coming -= room.coming

    def write(self, room: Room, size: int) -> None:
        """Note that ``size`` bytes go to the disk now, and see that there is room, still or at all.

        Raises ``Refusal`` as ``admit`` does.
        """
        self._hold(room, max(0, size - room.coming))
        room.coming -= size
        self._coming -= size

    def keep(self, room: Room, size: int) -> None:
        """Note that a file of ``size`` bytes stays, whatever becomes of its callback."""
        self.used += size
        room.held -= size
        self._held -= size

    def check(self, size: int = 0) -> None:
        """See that ``size`` more bytes fit. Raises ``Refusal`` (503) when they do not."""
        if self._max_size is not None and self.used + self._held + size > self._max_size:
            raise unavailable("the spool is full; sinks are behind", retry_after=_RETRY_WHEN_FULL)
        if self._free_space() - self._coming - size < self._reserve:
            raise unavailable(
                "the disk of the spool is full up to its reserve", retry_after=_RETRY_WHEN_FULL
            )

    def _free_space(self) -> int:
        """Return the disk's free bytes, asked for ten times a second at most."""
        now = asyncio.get_running_loop().time()
        if now >= self._free_until:
            try:
                disk = os.statvfs(self._spool.directory)
            except OSError as error:
                raise self.report(error) from error
            self._free = disk.f_bavail * disk.f_frsize
            self._free_until = now + _FREE_FOR
        return self._free

    def room(self) -> tuple[int, int]:
        """Return how many bytes files take, and how many more may come before all is refused."""
        try:
            free = self._free_space() - self._coming - self._reserve
        except Refusal:  # the disk does not work
            return self.used, 0
        if self._max_size is not None:
            free = min(free, self._max_size - self.used - self._held)
        return self.used, max(0, free)

    def trouble(self) -> str | None:
        """Say why callbacks are refused just now, None when they are not."""
        if self._sickness is not None:
            return "the disk of the spool does not work"
        try:
            self.check()
        except Refusal as refusal:
            return refusal.detail
        return None

    def report(self, error: OSError) -> Refusal:
        """Note that the disk failed, and return the refusal to answer with."""
        if self._sickness is None:
            log.error(
                "the spool's disk failed; callbacks are refused until it works again",
                spool=str(self._spool.directory),
                error=str(error),
            )
        self._sickness = error
        self._next_probe = asyncio.get_running_loop().time() + _PROBE_EVERY
        return _sick()

    def _hold(self, room: Room, size: int) -> None:
        if self._max_size is not None and room.held + size > self._max_size:
            raise too_large(f"{room.held + size} bytes are more than the whole spool may hold")
        self.check(size)
        room.held += size
        room.coming += size
        self._held += size
        self._coming += size

    async def _recover(self) -> None:
        """Let a callback through again once a small file could be written and synced."""
        if self._sickness is None:
            return
        now = asyncio.get_running_loop().time()
        if now < self._next_probe:
            raise _sick()
        self._next_probe = now + _PROBE_EVERY
        try:
            await self._threads.run(self._spool.probe)
        except OSError as error:
            raise self.report(error) from error
        self._sickness = None
        log.info("the spool's disk works again", spool=str(self._spool.directory))


def _sick() -> Refusal:
    return unavailable("the disk of the spool does not work", retry_after=_RETRY_WHEN_SICK)
