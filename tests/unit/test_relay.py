"""The relay: in order, at least once, and nobody waits for a neighbour."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ledgers import MovedClock, make_ledger
from structlog.testing import capture_logs
from workers import eventually, hang

from sinkwell.bus import feed as feeding
from sinkwell.bus import relay as relaying
from sinkwell.bus.feed import Feed
from sinkwell.bus.interest import Interest
from sinkwell.bus.relay import Listener, Relay
from sinkwell.contract import Event, Notifier, RejectedError, TransientError, UnusableError
from sinkwell.contract.events import SinkPaused, SinkResumed
from sinkwell.ledger.ledger import Ledger
from sinkwell.outage import LedgerUnavailableError


@dataclass
class Ear(Notifier):
    """A notifier that remembers, and behaves as its script says for each event once."""

    script: dict[int, list[Exception | Callable[[], Awaitable[None]]]] = field(default_factory=dict)
    """By position."""
    heard: list[Event] = field(default_factory=list)
    closed: int = 0

    async def notify(self, event: Event) -> None:
        behaviour = self.script[event.position].pop(0) if self.script.get(event.position) else None
        if isinstance(behaviour, Exception):
            raise behaviour
        if behaviour is not None:
            await behaviour()
        self.heard.append(event)

    async def close(self) -> None:
        self.closed += 1

    @property
    def positions(self) -> list[int]:
        return [event.position for event in self.heard]

    async def heard_so_many(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.heard) >= count

        await eventually(enough)


@pytest.fixture
async def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ledger]:
    monkeypatch.setattr(feeding, "_READ_EVERY", 0.001)
    monkeypatch.setattr(relaying, "_SAVE_AFTER", 0.05)
    monkeypatch.setattr(relaying, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(relaying, "_CLOSING", 0.1)
    ledger = make_ledger(tmp_path, MovedClock())
    yield ledger
    await ledger.close()


class Bus:
    """A relay that runs, and can crash or end."""

    def __init__(self, ledger: Ledger, *listeners: Listener) -> None:
        self.ledger = ledger
        feed = Feed(ledger)
        self.relay = Relay(feed, ledger, list(listeners))
        ledger.call_on_events(feed.wake)

    async def start(self) -> "Bus":
        await self.relay.open()
        self.task = asyncio.create_task(self.relay.run())
        return self

    async def crash(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def end(self, grace: float = 5.0) -> None:
        await self.crash()
        await self.relay.finish(grace)


def listener(ear: Notifier, name: str = "app", events: tuple[str, ...] = ("*",)) -> Listener:
    async def open_ear() -> Notifier:
        return ear

    return Listener(name, open_ear, Interest(events=events))


async def announce(ledger: Ledger, count: int) -> None:
    facts = [SinkPaused(sink="archive", error=f"number {number}") for number in range(count)]
    await ledger.announce("archive", *facts)


async def test_a_notifier_is_told_of_every_event_once_and_in_order(ledger: Ledger) -> None:
    ear = Ear()
    bus = await Bus(ledger, listener(ear)).start()
    for _ in range(12):
        await announce(ledger, 100)
    await ear.heard_so_many(1200)
    await bus.end()

    assert ear.positions == list(range(1, 1201))
    assert ear.closed == 1


async def test_events_keep_their_ids_and_what_they_say(ledger: Ledger) -> None:
    ear = Ear()
    bus = await Bus(ledger, listener(ear)).start()
    await announce(ledger, 3)
    await ear.heard_so_many(3)
    await bus.end()

    assert ear.heard == await ledger.events_after(0, 10)


async def test_a_crash_between_telling_and_keeping_the_place_repeats_but_skips_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "_SAVE_AFTER", 1000.0)
    before, after = Ear(script={5: [hang]}), Ear()
    bus = await Bus(ledger, listener(before)).start()
    await announce(ledger, 8)
    await before.heard_so_many(4)
    await bus.crash()

    bus = await Bus(ledger, listener(after)).start()
    await after.heard_so_many(8)
    await bus.end()

    assert before.positions == [1, 2, 3, 4]
    assert after.positions == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [event.id for event in after.heard[:4]] == [event.id for event in before.heard]


async def test_an_orderly_end_tells_the_rest_and_repeats_nothing(ledger: Ledger) -> None:
    first, second = Ear(), Ear()
    bus = await Bus(ledger, listener(first)).start()
    await bus.crash()  # as the runtime does before the end, so that this is all left to it
    await announce(ledger, 5)
    await bus.relay.finish(5.0)
    assert first.positions == [1, 2, 3, 4, 5]

    bus = await Bus(ledger, listener(second)).start()
    await announce(ledger, 1)
    await second.heard_so_many(1)
    await bus.end()

    assert second.positions == [6]


async def test_a_new_notifier_starts_at_the_end_of_the_log(ledger: Ledger) -> None:
    old, new = Ear(), Ear()
    await (await Bus(ledger, listener(old, "old")).start()).end()
    await announce(ledger, 5)

    bus = await Bus(ledger, listener(old, "old"), listener(new, "new")).start()
    await announce(ledger, 2)
    await new.heard_so_many(2)
    await old.heard_so_many(7)
    await bus.end()

    assert old.positions == [1, 2, 3, 4, 5, 6, 7]
    assert new.positions == [6, 7]


async def test_a_notifier_is_told_only_of_what_it_asked_for(ledger: Ledger) -> None:
    picky, greedy = Ear(), Ear()
    bus = await Bus(
        ledger, listener(picky, "picky", ("file.*", "sink.resumed")), listener(greedy, "greedy")
    ).start()
    await announce(ledger, 2)
    await ledger.announce("archive", SinkResumed(sink="archive", paused_for=1.0))
    await greedy.heard_so_many(3)
    await picky.heard_so_many(1)
    await bus.end()

    assert [event.type for event in picky.heard] == ["sink.resumed"]


@pytest.mark.parametrize(
    "obstacle",
    [[hang] * 1000, [TransientError("503")] * 1000, [UnusableError("no route")] * 1000],
    ids=["hangs", "is busy", "is away"],
)
async def test_a_slow_or_dead_notifier_delays_no_other(ledger: Ledger, obstacle: list[Any]) -> None:
    dead, alive = Ear(script={1: obstacle}), Ear()
    bus = await Bus(ledger, listener(dead, "dead"), listener(alive, "alive")).start()
    await announce(ledger, 20)
    await alive.heard_so_many(20)
    await bus.end(grace=0.1)

    assert dead.heard == []
    assert dead.closed == alive.closed == 1


async def test_a_notifier_that_cannot_be_opened_delays_no_other_and_misses_nothing(
    ledger: Ledger,
) -> None:
    late, alive, tries = Ear(), Ear(), 0

    async def open_late() -> Notifier:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise (UnusableError("no such host") if tries % 2 else KeyError("hunter2"))
        return late

    with capture_logs() as logs:
        bus = await Bus(ledger, Listener("late", open_late, Interest()), listener(alive)).start()
        await announce(ledger, 3)
        await alive.heard_so_many(3)
        await late.heard_so_many(3)
        await bus.end()

    assert late.positions == [1, 2, 3]
    assert [line["error"] for line in logs[:2]] == ["no such host", "it raised KeyError"]


async def test_a_failed_notification_is_tried_again_before_the_next(ledger: Ledger) -> None:
    ear = Ear(script={2: [TransientError("503")] * 3})
    bus = await Bus(ledger, listener(ear)).start()
    await announce(ledger, 3)
    await ear.heard_so_many(3)
    await bus.end()

    assert ear.positions == [1, 2, 3]


async def test_a_notifier_that_names_a_time_is_left_in_peace_so_long(ledger: Ledger) -> None:
    ear = Ear(script={1: [TransientError("429", retry_after=0.3)]})
    bus = await Bus(ledger, listener(ear)).start()
    began = asyncio.get_running_loop().time()
    await announce(ledger, 1)
    await ear.heard_so_many(1)

    assert asyncio.get_running_loop().time() - began >= 0.3
    await bus.end()


async def test_a_notification_that_is_never_answered_is_tried_again(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "_LONGEST_CALL", 0.05)
    ear = Ear(script={1: [hang]})
    bus = await Bus(ledger, listener(ear)).start()
    await announce(ledger, 2)
    await ear.heard_so_many(2)
    await bus.end()

    assert ear.positions == [1, 2]


@pytest.mark.parametrize(
    ("error", "said"),
    [(RejectedError("the payload is too large"), "the payload is too large"),
     (KeyError("hunter2"), "KeyError")],
)  # fmt: skip
async def test_an_event_that_is_rejected_is_passed_over_and_that_is_logged(
    ledger: Ledger, error: Exception, said: str
) -> None:
    ear = Ear(script={2: [error]})
    with capture_logs() as logs:
        bus = await Bus(ledger, listener(ear)).start()
        await announce(ledger, 3)
        await ear.heard_so_many(2)
        await bus.end()

    assert ear.positions == [1, 3]
    (line,) = [line for line in logs if line["log_level"] == "error"]
    passed_over = (await ledger.events_after(1, 1))[0]
    assert (line["notifier"], line["event_id"], line["error"]) == ("app", passed_over.id, said)


async def test_the_place_is_kept_also_while_events_never_stop(ledger: Ledger) -> None:
    class Echo(Ear):
        async def notify(self, event: Event) -> None:
            await announce(ledger, 1)

    bus = await Bus(ledger, listener(Echo())).start()
    await announce(ledger, 1)

    async def is_kept() -> bool:
        return await ledger.open_cursor("app") > 0

    await eventually(is_kept, within=20.0)
    await bus.crash()


async def test_a_quiet_notifiers_place_is_kept_soon(ledger: Ledger) -> None:
    bus = await Bus(ledger, listener(Ear())).start()
    await announce(ledger, 7)

    async def is_kept() -> bool:
        return await ledger.open_cursor("app") == 7

    await eventually(is_kept)
    await bus.crash()


async def test_notifications_wait_while_the_ledger_is_away(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ear, read, away = Ear(), ledger.events_after, True

    async def events_after(position: int, most: int) -> list[Event]:
        if away:
            raise LedgerUnavailableError("the ledger cannot be read: disk I/O error")
        return await read(position, most)

    monkeypatch.setattr(ledger, "events_after", events_after)
    bus = await Bus(ledger, listener(ear)).start()
    await announce(ledger, 3)
    await asyncio.sleep(0.05)
    away = False
    await ear.heard_so_many(3)
    await bus.end()

    assert ear.positions == [1, 2, 3]


async def test_a_notifier_that_cannot_be_closed_does_not_keep_the_process_from_ending(
    ledger: Ledger,
) -> None:
    class Stubborn(Ear):
        async def close(self) -> None:
            await hang()

    stubborn = Stubborn()
    bus = await Bus(ledger, listener(stubborn)).start()
    await announce(ledger, 1)
    await stubborn.heard_so_many(1)

    async with asyncio.timeout(5):
        await bus.end()
