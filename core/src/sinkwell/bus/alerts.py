"""Alerts: events that say that something has gone on for too long, or too often."""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from sinkwell.bus.feed import Feed, FeedClosedError
from sinkwell.clock import Clock
from sinkwell.contract import Event, Fact
from sinkwell.contract.events import (
    CallbackDuplicate,
    CallbackMissing,
    CallbackProviderFailed,
    CallbackReceived,
    DeliveryAttemptFailed,
    DeliveryExhausted,
    DeliveryStored,
    SinkFailing,
    SinkPaused,
    SinkResumed,
    SinkStillPaused,
    SpoolLow,
)
from sinkwell.outage import LedgerUnavailableError

_LOOK_EVERY = 5.0
_PERCENTS = (50, 70, 90, 100)
_MUCH_EMPTIER = 0.05
"""By how much the spool must become emptier before it is told of again."""

Alert = tuple[str, Fact]
"""Subject, and what is the matter."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on something is told; None never."""

    failures: int | None = None
    """Attempts at a sink that fail one after the other."""
    sink_paused: float | None = None
    """Seconds."""
    spool_full: float | None = None
    """Share of the spool's room that is used, above 0 and at most 1."""
    source_silent: float | None = None
    """Seconds without a callback."""

    @property
    def any(self) -> bool:
        return self != Thresholds()


@dataclass(slots=True)
class _Pause:
    since: float
    error: str
    told: bool = False


class Watch:
    """What was seen so far, and what follows from it. Pure: time comes as an argument."""

    def __init__(self, thresholds: Thresholds, sources: Iterable[str], now: float) -> None:
        self._thresholds = thresholds
        self._failures: Counter[str] = Counter()
        self._pauses: dict[str, _Pause] = {}
        self._heard = dict.fromkeys(sources, now)
        self._silent: set[str] = set()
        self._spool_told = False

    def see(self, event: Event) -> list[Alert]:
        """Take note of an event."""
        match event.data:
            case (
                DeliveryAttemptFailed(sink=sink, error=error)
                | DeliveryExhausted(sink=sink, error=error)
            ):
                return self._failed(sink, error)
            case DeliveryStored(sink=sink):
                self._failures.pop(sink, None)
            case SinkPaused(sink=sink, error=error):
                self._pauses[sink] = _Pause(event.time, error)
            case SinkResumed(sink=sink):
                self._pauses.pop(sink, None)
            case (
                CallbackReceived(source=source)
                | CallbackDuplicate(source=source)
                | CallbackProviderFailed(source=source)
            ):
                self._heard[source] = event.time
                self._silent.discard(source)
        return []

    def look(self, now: float, used: int, free: int) -> list[Alert]:
        """Say what has gone on for too long by now; ``used`` and ``free`` are the spool's bytes."""
        return [*self._still_paused(now), *self._missing(now), *self._spool(used, free)]

    def _failed(self, sink: str, error: str) -> list[Alert]:
        limit = self._thresholds.failures
        if limit is None:
            return []
        self._failures[sink] += 1
        count = self._failures[sink]
        reached = [p for p in _PERCENTS if math.ceil(limit * p / 100) == count]
        fact = SinkFailing(sink=sink, failures=count, percent=max(reached, default=0), error=error)
        return [(sink, fact)] if reached else []

    def _still_paused(self, now: float) -> Iterable[Alert]:
        limit = self._thresholds.sink_paused
        for sink, pause in self._pauses.items():
            if limit is not None and not pause.told and now - pause.since >= limit:
                pause.told = True
                yield (
                    sink,
                    SinkStillPaused(sink=sink, paused_for=now - pause.since, error=pause.error),
                )

    def _missing(self, now: float) -> Iterable[Alert]:
        limit = self._thresholds.source_silent
        for source, at in self._heard.items():
            if limit is not None and source not in self._silent and now - at >= limit:
                self._silent.add(source)
                yield source, CallbackMissing(source=source, provider_id="", waited=now - at)

    def _spool(self, used: int, free: int) -> Iterable[Alert]:
        limit = self._thresholds.spool_full
        if limit is None:
            return
        full = used / (used + free) if used + free else 1.0
        if full < limit - _MUCH_EMPTIER:
            self._spool_told = False
        elif full >= limit and not self._spool_told:
            self._spool_told = True
            yield "spool", SpoolLow(used=used, free=free)


class Alerts:
    """Keeps watch."""

    def __init__(
        self,
        watch: Watch,
        feed: Feed,
        announce: Callable[[str, Fact], Awaitable[None]],
        room: Callable[[], tuple[int, int]],
        clock: Clock,
    ) -> None:
        """Tell by ``announce``; ``room`` says how many bytes the spool uses, and has left."""
        self._watch = watch
        self._feed = feed
        self._announce = announce
        self._room = room
        self._clock = clock

    async def run(self) -> None:
        """Watch until cancelled, or until Sinkwell ends."""
        position = await self._feed.end()
        look_at = 0.0
        while True:
            alerts: list[Alert] = []
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    entries = await self._feed.after(position)
                position = entries[-1].event.position
                for entry in entries:
                    alerts += self._watch.see(entry.event)
            except TimeoutError:
                look_at = 0.0
            except FeedClosedError:
                return
            now = self._clock.now()
            if now >= look_at:
                alerts += self._watch.look(now, *self._room())
                look_at = now + _LOOK_EVERY
            await self._tell(alerts)

    async def _tell(self, alerts: list[Alert]) -> None:
        for subject, fact in alerts:
            try:
                await self._announce(subject, fact)
            except LedgerUnavailableError as error:
                log.warning(
                    "the ledger is away; an alert is told here alone",
                    alert=fact.TYPE,
                    subject=subject,
                    error=str(error),
                )
