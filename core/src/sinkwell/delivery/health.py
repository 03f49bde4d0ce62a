"""Whether a sink works: opened, paused, probed, resumed."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from sinkwell.calls import within
from sinkwell.clock import Clock
from sinkwell.contract import Finding, Sink, SinkError
from sinkwell.contract.events import SinkPaused, SinkResumed
from sinkwell.delivery.model import Queue

_FIRST_PROBE, _LAST_PROBE = 1.0, 60.0
_CLOSING = 2.0

log = structlog.get_logger()


class SinkHealth:
    """One sink's health. A paused sink is probed by its own ``check``, less and less often."""

    def __init__(
        self,
        name: str,
        open_sink: Callable[[], Awaitable[Sink]],
        timeout: float,
        queue: Queue,
        clock: Clock,
    ) -> None:
        self.trouble: str | None = None
        """Why the sink is paused; None while it works."""
        self._name = name
        self._open = open_sink
        self._timeout = timeout
        self._queue = queue
        self._clock = clock
        self._open_sink: Sink | None = None
        self._wait = _FIRST_PROBE
        self._paused_at = 0.0
        self._announced = False

    def pause(self, trouble: str) -> None:
        """Use the sink no more until a probe succeeds."""
        if self.trouble is None:
            self._paused_at = self._clock.now()
        self.trouble = trouble

    def worked(self) -> None:
        """Note that a file was put: the next pause starts with quick probes again."""
        self._wait = _FIRST_PROBE

    @property
    def sink(self) -> Sink | None:
        """The open sink, None while it does not work."""
        return self._open_sink if self.trouble is None else None

    @property
    def opened(self) -> Sink | None:
        """The open sink, be it paused; None while it has not been opened yet."""
        return self._open_sink

    async def until_it_works(self) -> None:
        """Return once the sink works: now, or after the probe that says so."""
        if self.sink is None:
            trouble = self.trouble or await self._probe()
            while trouble is not None:
                self.pause(trouble)
                await self._announce_pause(trouble)
                await asyncio.sleep(self._wait)
                self._wait = min(_LAST_PROBE, self._wait * 2)
                trouble = await self._probe()
            await self._announce_resumption()

    async def close(self) -> None:
        """Close the sink, if it was ever opened. One that cannot be closed is left behind."""
        if self._open_sink is None:
            return
        try:
            await within(_CLOSING, self._open_sink.close())
        except Exception as error:  # noqa: BLE001 - a plugin's bug must not keep us from ending
            log.warning("a sink could not be closed", sink=self._name, error=type(error).__name__)

    async def _probe(self) -> str | None:
        """Open the sink, or check the open one; return what is wrong with it, if anything."""
        try:
            if self._open_sink is None:
                self._open_sink = await within(self._timeout, self._open())
                return None
            return _first_failure(await within(self._timeout, self._open_sink.check()))
        except SinkError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a plugin's bug pauses its sink, no more
            return f"it raised {type(error).__name__}, which is no SinkError"

    async def _announce_pause(self, trouble: str) -> None:
        if not self._announced:
            await self._queue.announce(self._name, SinkPaused(sink=self._name, error=trouble))
            self._announced = True

    async def _announce_resumption(self) -> None:
        if self._announced:
            paused_for = self._clock.now() - self._paused_at
            fact = SinkResumed(sink=self._name, paused_for=paused_for)
            await self._queue.announce(self._name, fact)
            self._announced = False
        self.trouble = None


def _first_failure(findings: Sequence[Finding]) -> str | None:
    failed = (finding for finding in findings if finding.level == "failed")
    return next((". ".join(filter(None, (each.what, each.advice))) for each in failed), None)
