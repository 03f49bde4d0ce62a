"""Alerts: what has gone on for too long, or too often, is an event; and each is told once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from buses import be_quick, make_house

from sinkwell.bus import refusals as refusing
from sinkwell.bus.alerts import Alert, Alerts, Thresholds, Watch
from sinkwell.bus.refusals import RefusalTally
from sinkwell.contract import Event, Fact
from sinkwell.contract.events import (
    CallbackMissing,
    CallbackReceived,
    CallbackRefused,
    DeliveryAttemptFailed,
    DeliveryStored,
    SinkFailing,
    SinkPaused,
    SinkResumed,
    SinkStillPaused,
    SpoolLow,
)
from sinkwell.outage import LedgerUnavailableError

OF: dict[str, Any] = {
    "file_id": "f1", "source": "shotbot", "provider_id": "abc", "delivery_id": "d1",
    "sink": "archive", "key": "k", "attempt": 1,
}  # fmt: skip
FAILED = DeliveryAttemptFailed(**OF, error="503", due_at=0.0)
STORED = DeliveryStored(**OF, location="s3://b/k")


def watch(**thresholds: Any) -> Watch:
    return Watch(Thresholds(**thresholds), ["shotbot", "quiet"], now=0.0)


def see(watching: Watch, fact: Fact, time: float = 0.0) -> list[Alert]:
    return watching.see(
        Event(position=1, id="e1", type=fact.TYPE, time=time, subject="s", data=fact)
    )


def test_failures_in_a_row_are_told_at_each_percentage_of_their_limit() -> None:
    watching = watch(failures=10)
    told = [(number, see(watching, FAILED)) for number in range(1, 13)]

    found = [(number, alert) for number, alerts in told for alert in alerts]
    assert [(number, alert[1].percent) for number, alert in found] == [  # type: ignore[attr-defined]
        (5, 50), (7, 70), (9, 90), (10, 100),
    ]  # fmt: skip
    assert found[0][1] == (
        "archive", SinkFailing(sink="archive", failures=5, percent=50, error="503"),
    )  # fmt: skip


def test_a_success_begins_the_count_of_failures_anew() -> None:
    watching = watch(failures=2)
    assert [each[1].TYPE for each in see(watching, FAILED)] == ["sink.failing"]
    see(watching, STORED)
    assert len(see(watching, FAILED)) == 1
    (alert,) = see(watching, FAILED)
    assert alert[1].percent == 100  # type: ignore[attr-defined]


def test_a_sink_that_stays_paused_is_told_once_a_pause() -> None:
    watching = watch(sink_paused=60.0)
    see(watching, SinkPaused(sink="archive", error="403"), time=100.0)

    assert watching.look(159.0, 0, 1) == []
    assert watching.look(161.0, 0, 1) == [
        ("archive", SinkStillPaused(sink="archive", paused_for=61.0, error="403"))
    ]
    assert watching.look(500.0, 0, 1) == []
    see(watching, SinkResumed(sink="archive", paused_for=400.0), time=500.0)
    see(watching, SinkPaused(sink="archive", error="403"), time=600.0)
    assert len(watching.look(700.0, 0, 1)) == 1


def test_a_silent_source_is_told_of_until_it_calls_back() -> None:
    watching = watch(source_silent=3600.0)
    received = CallbackReceived(callback_id="c1", source="shotbot", provider_id="abc")
    see(watching, received, time=3000.0)

    missing = CallbackMissing(source="quiet", provider_id="", waited=4000.0)
    assert watching.look(4000.0, 0, 1) == [("quiet", missing)]
    assert [each[0] for each in watching.look(7000.0, 0, 1)] == ["shotbot"]
    assert watching.look(9000.0, 0, 1) == []
    see(watching, received, time=9000.0)
    assert [each[0] for each in watching.look(20_000.0, 0, 1)] == ["shotbot"]


def test_a_full_spool_is_told_of_again_only_after_it_was_emptier() -> None:
    watching = watch(spool_full=0.8)
    levels = (70, 80, 95, 79, 81, 74, 80)
    told = [watching.look(0.0, used, 100 - used) for used in levels]

    assert [bool(each) for each in told] == [False, True, False, False, False, False, True]
    assert told[1] == [("spool", SpoolLow(used=80, free=20))]


def test_without_thresholds_nothing_is_told() -> None:
    watching = watch()
    see(watching, SinkPaused(sink="archive", error="403"))
    assert [see(watching, FAILED) for _ in range(1000)] == [[]] * 1000
    assert watching.look(1e9, 100, 0) == []
    assert not Thresholds().any


async def test_alerts_are_events_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        bus = await house.start()
        watching = Watch(Thresholds(failures=2, spool_full=0.5), [], house.clock.now())
        alerts = Alerts(watching, bus.feed, house.ledger.announce, lambda: (90, 10), house.clock)
        house.running.append(asyncio.create_task(alerts.run()))
        await asyncio.sleep(0.05)
        for _ in range(2):
            await house.ledger.announce("f1", FAILED)
        for _ in range(400):
            if len(await house.event_types()) >= 5:
                break
            await asyncio.sleep(0.01)

        types = await house.event_types()
    assert sorted(types) == [
        "delivery.attempt_failed", "delivery.attempt_failed",
        "sink.failing", "sink.failing", "spool.low",
    ]  # fmt: skip


async def test_a_flood_of_refusals_is_a_few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusing, "_TOGETHER", 0.1)
    told: list[Fact] = []
    away = True

    async def announce(source: str, fact: Fact) -> None:
        if away:
            raise LedgerUnavailableError("the disk is full")
        told.append(fact)

    tally = RefusalTally(announce)
    running = asyncio.create_task(tally.run())
    tally.note("shotbot", "not-authentic", 403, "while the ledger was away")
    await asyncio.sleep(0.05)
    away = False
    for number in range(1000):
        tally.note("shotbot", "not-authentic", 403, f"number {number}")
        tally.note("shotbot", "too-large", 413, "x" * 10_000)
    await asyncio.sleep(0.2)
    running.cancel()

    first, second = told
    assert first == CallbackRefused(
        source="shotbot", problem="not-authentic", status=403, detail="number 999", count=1000
    )
    assert isinstance(second, CallbackRefused)
    assert (second.count, len(second.detail)) == (1000, 300)
