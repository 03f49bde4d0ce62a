"""Whether a sink works: opened, paused, probed, resumed."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sinkwell.clock import Clock
from sinkwell.contract import Sink, SinkError
from sinkwell.contract.events import SinkPaused, SinkResumed
from sinkwell.delivery.model import Queue

_FIRST_PROBE, _LAST_PROBE = 1.0, 60.0

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
        self._sink: Sink | None = None
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

    async def working_sink(self) -> Sink:
        """Return the open sink, once it works: now, or after the probe that says so."""
        if self._sink is None or self.trouble is not None:
            trouble = self.trouble or await self._probe()
            while trouble is not None:
                self.pause(trouble)
                await self._announce_pause(trouble)
                await asyncio.sleep(self._wait)
                self._wait = min(_LAST_PROBE, self._wait * 2)
                trouble = await self._probe()
            await self._announce_resumption()
        if self._sink is None:
            raise RuntimeError("a probe that succeeds opens the sink")
        return self._sink

    async def close(self) -> None:
        """Close the sink, if it was ever opened."""
        if self._sink is not None:
            await self._sink.close()

    async def _probe(self) -> str | None:
        """Open the sink, or check the open one; return what is wrong with it, if anything."""
        try:
            async with asyncio.timeout(self._timeout):
                if self._sink is None:
                    self._sink = await self._open()
                    return None
                findings = await self._sink.check()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except SinkError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a plugin's bug pauses its sink, no more
            return f"its check raised {type(error).__name__}"
        return next((f"{f.what}. {f.advice}" for f in findings if f.level == "failed"), None)

    async def _announce_pause(self, trouble: str) -> None:
        if not self._announced:
            await self._queue.announce(self._name, SinkPaused(sink=self._name, error=trouble))
            self._announced = True

    async def _announce_resumption(self) -> None:
        self.trouble = None
        if self._announced:
            paused_for = self._clock.now() - self._paused_at
            fact = SinkResumed(sink=self._name, paused_for=paused_for)
            await self._queue.announce(self._name, fact)
            self._announced = False
