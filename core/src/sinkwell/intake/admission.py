"""Whether the spool can take another callback: asked before its body is read."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from sinkwell.intake.refusals import Refusal, too_large, unavailable
from sinkwell.intake.spool import Spool
from sinkwell.threads import Threads

_PROBE_EVERY = 1.0
_RETRY_WHEN_SICK = 5
_RETRY_WHEN_FULL = 60

log = structlog.get_logger()


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
        self._expected = 0
        self._sickness: OSError | None = None
        self._next_probe = 0.0

    @asynccontextmanager
    async def admit(self, size: int) -> AsyncIterator[None]:
        """Hold room for ``size`` bytes (0 where the sender does not say) while they arrive.

        Raises ``Refusal``: 413 for what never fits, 503 when it does not fit now.
        """
        await self._recover()
        if self._max_size is not None and size > self._max_size:
            raise too_large(f"{size} bytes are more than the whole spool may hold")
        self.check(size)
        self._expected += size
        try:
            yield
        finally:
            self._expected -= size

    def check(self, size: int = 0) -> None:
        """See that ``size`` more bytes fit. Raises ``Refusal`` (503) when they do not."""
        if self._max_size is not None and self.used + self._expected + size > self._max_size:
            raise unavailable("the spool is full; sinks are behind", retry_after=_RETRY_WHEN_FULL)
        try:
            disk = os.statvfs(self._spool.directory)
        except OSError as error:
            raise self.report(error) from error
        if disk.f_bavail * disk.f_frsize - self._expected - size < self._reserve:
            raise unavailable(
                "the disk of the spool is full up to its reserve", retry_after=_RETRY_WHEN_FULL
            )

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
