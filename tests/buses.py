"""A bus between a real ledger and notifiers that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ledgers import FOR_EVER, SPOOL_ID
from workers import eventually

from sinkwell.bus import feed as feeding
from sinkwell.bus import rest as resting
from sinkwell.bus import worker as working
from sinkwell.bus.bus import Bus, ConfiguredNotifier
from sinkwell.bus.decide import Terms
from sinkwell.bus.interest import Interest
from sinkwell.bus.worker import NotifierPlan
from sinkwell.clock import Clock
from sinkwell.contract import Event, Notifier, NotifierBatch
from sinkwell.contract.events import SinkPaused
from sinkwell.delivery.schedule import ListedWaits
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.notified import NotificationFilter, NotificationView

Behaviour = Exception | Callable[[], Awaitable[object]]


@dataclass
class Ear(Notifier):
    """A notifier that remembers what it took, and behaves once as each item of its script says."""

    script: list[Behaviour] = field(default_factory=list)
    always: Behaviour | None = None
    calls: list[list[int]] = field(default_factory=list)
    """The positions of each call, whatever became of it."""
    heard: list[Event] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    closed: int = 0

    async def notify(self, event: Event) -> None:
        await self.notify_batch([event])

    async def notify_batch(self, events: Sequence[Event]) -> None:
        self.calls.append([event.position for event in events])
        behaviour = self.script.pop(0) if self.script else self.always
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            if isinstance(behaviour, Exception):
                raise behaviour
            if behaviour is not None:
                await behaviour()
        finally:
            self.running -= 1
        self.heard += events

    async def close(self) -> None:
        self.closed += 1

    @property
    def positions(self) -> list[int]:
        return [event.position for event in self.heard]


def plan_for(ear: Notifier, name: str = "app", **options: Any) -> ConfiguredNotifier:
    """Configure a notifier; ``waits`` and ``events`` beside what a plan has."""

    async def open_ear() -> Notifier:
        return ear

    waits: tuple[float, ...] = options.pop("waits", (0.01, 0.01, 0.01))
    terms = Terms(ListedWaits(waits), options.pop("disable_after", 1000.0))
    interest = Interest(events=options.pop("events", ()), teller=name)
    batch: NotifierBatch | None = options.pop("batch", None)
    settings = {"open": open_ear, "concurrency": 4, "timeout": 5.0, "batch": batch, **options}
    plan = NotifierPlan(name=name, terms=terms, **settings)
    return ConfiguredNotifier(plan, "ear", interest, recorded=True)


@dataclass
class House:
    """A ledger, and the bus that runs on it, which can crash or end."""

    ledger: Ledger
    clock: Clock
    bus: Bus | None = None
    running: list[asyncio.Task[None]] = field(default_factory=list)

    async def start(self, *notifiers: ConfiguredNotifier, retention: float = 1e9) -> Bus:
        """Start a bus, as a new process would."""
        await self.ledger.outbox.take_over(1e9)
        self.bus = Bus(self.ledger, self.ledger.outbox, notifiers, self.clock, retention=retention)
        self.ledger.call_on_events(self.bus.feed.wake)
        await self.bus.open()
        self.running = [asyncio.create_task(run()) for _, run in self.bus.parts()]
        return self.bus

    async def crash(self) -> None:
        """Leave everything as it is, leases too."""
        assert self.bus is not None
        for task in self.running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.running = []
        with pytest.MonkeyPatch.context() as dead:
            dead.setattr(self.ledger.outbox, "hand_back", nothing)
            calls = [call for w in self.bus.workers.values() for call in w._tasks]
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
        self.bus = None

    async def end(self, grace: float = 5.0) -> None:
        """Do what the runtime does at the end."""
        for task in self.running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.running = []
        if self.bus is not None:
            await self.bus.finish(grace)
            self.bus = None

    async def announce(self, count: int = 1, sink: str = "archive") -> None:
        """Write some events."""
        facts = [SinkPaused(sink=sink, error=f"number {number}") for number in range(count)]
        await self.ledger.announce(sink, *facts)

    async def notifications(self, **wanted: Any) -> list[NotificationView]:
        """Return notifications in the order of their events."""
        found = await self.ledger.outbox.list_notifications(
            NotificationFilter(limit=10_000, **wanted)
        )
        return found[::-1]

    async def states(self, **wanted: Any) -> list[str]:
        return [each.state for each in await self.notifications(**wanted)]

    async def until_states(self, *states: str, **wanted: Any) -> None:
        """Wait until the notifications are in these states."""

        async def reached() -> bool:
            return await self.states(**wanted) == list(states)

        await eventually(reached, within=20.0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async def reached() -> bool:
            return condition()

        await eventually(reached, within=20.0)

    async def event_types(self) -> list[str]:
        return [event.type for event in await self.ledger.events_after(0, 10_000)]


@asynccontextmanager
async def make_house(directory: Path) -> AsyncIterator[House]:
    clock = Clock()
    ledger = Ledger(
        directory / "ledger.sqlite3",
        spool_id=SPOOL_ID,
        clock=clock,
        retention=FOR_EVER,
        synchronous="off",
    )
    house = House(ledger, clock)
    try:
        yield house
    finally:
        await house.end(grace=0.1)
        await ledger.close()


async def nothing(*_: Any) -> None:
    """Do what a dead process does."""


def be_quick(monkeypatch: Any) -> None:
    """Shorten the waits that people would not notice to be shorter."""
    monkeypatch.setattr(feeding, "_READ_EVERY", 0.001)
    monkeypatch.setattr(resting, "_FIRST", 0.02)
    monkeypatch.setattr(working, "_GATHERING", 0.005)
    monkeypatch.setattr(working, "_LETTING_GO", 0.1)
    monkeypatch.setattr(working, "_CLOSING", 0.1)
