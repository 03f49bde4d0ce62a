"""Notifications: planned once, tried on a schedule of their own, kept, told again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from buses import Behaviour, Ear, House, be_quick, make_house, plan_for
from workers import hang

from sinkwell.contract import (
    Duration,
    GoneError,
    NotifierBatch,
    RejectedError,
    TransientError,
    UnusableError,
)
from sinkwell.ledger.notified import NotificationFilter


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        yield house


async def test_each_event_is_told_once_and_is_on_record(house: House) -> None:
    ear = Ear()
    await house.start(plan_for(ear))
    for _ in range(5):
        await house.announce(100)
    await house.until_states(*["sent"] * 500)

    assert sorted(ear.positions) == list(range(1, 501))
    first = (await house.notifications())[0]
    assert (first.id, first.attempts, first.error, first.due_at) == ("app:1", 1, None, None)
    assert first.event_id == ear.heard[ear.positions.index(1)].id


async def test_a_crash_at_any_moment_neither_plans_twice_nor_skips(house: House) -> None:
    ear = Ear()
    for _ in range(12):
        await house.start(plan_for(ear))
        await house.announce(10)
        await asyncio.sleep(0.004)
        await house.crash()
    await house.start(plan_for(ear))
    await house.until_states(*["sent"] * 120)

    assert set(ear.positions) == set(range(1, 121))


async def test_a_call_cut_off_by_a_crash_is_made_again_under_the_same_id(house: House) -> None:
    cut_off, ear = Ear(always=hang), Ear()
    await house.start(plan_for(cut_off))
    await house.announce()
    await house.until(lambda: bool(cut_off.calls))
    await house.crash()

    await house.start(plan_for(ear))
    await house.until_states("sent")

    attempts = await house.ledger.outbox.list_attempts("app", 1)
    assert [attempt.outcome for attempt in attempts] == ["interrupted", "sent"]
    assert (await house.notifications())[0].attempts == 2


async def test_a_new_notifier_hears_of_what_happens_from_then_on(house: House) -> None:
    old, new = Ear(), Ear()
    await house.start(plan_for(old, "old"))
    await house.announce(3)
    await house.until(lambda: len(old.heard) == 3)
    await house.end()

    await house.start(plan_for(old, "old"), plan_for(new, "new"))
    await house.announce(2)
    await house.until(lambda: len(new.heard) == 2)

    assert sorted(new.positions) == [4, 5]


async def test_what_nobody_wants_is_not_planned_and_not_written(house: House) -> None:
    ear = Ear()
    await house.start(plan_for(ear, events=("file.*",)))
    await house.announce(50)
    await asyncio.sleep(0.1)

    assert await house.notifications() == []
    assert await house.ledger.open_cursor("app") == 0


async def test_a_failed_call_is_made_again_on_the_schedule_and_every_try_is_kept(
    house: House,
) -> None:
    ear = Ear(script=[TransientError("503"), TransientError("504")])
    await house.start(plan_for(ear))
    await house.announce()
    await house.until_states("sent")

    attempts = await house.ledger.outbox.list_attempts("app", 1)
    assert [(each.outcome, each.error) for each in attempts] == [
        ("transient", "503"), ("transient", "504"), ("sent", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "state", "tries"),
    [(TransientError("503"), "exhausted", 4), (RejectedError("too large"), "rejected", 1),
     (KeyError("a bug"), "exhausted", 4)],
)  # fmt: skip
async def test_what_is_given_up_is_an_event_itself(
    house: House, error: Exception, state: str, tries: int
) -> None:
    ear, witness = Ear(always=error), Ear()
    await house.start(plan_for(ear), plan_for(witness, "witness", events=("notification.*",)))
    await house.announce()
    await house.until(lambda: bool(witness.heard))

    assert await house.states(notifier="app") == [state], "nor is it told of its own failure"
    (told,) = witness.heard
    assert (told.data.about_type, told.data.state) == ("sink.paused", state)  # type: ignore[attr-defined]
    assert (told.data.notification_id, told.data.attempt) == ("app:1", tries)  # type: ignore[attr-defined]


async def test_two_notifiers_that_reject_everything_do_not_tell_each_other_for_ever(
    house: House,
) -> None:
    await house.start(
        plan_for(Ear(always=RejectedError("no")), "one"),
        plan_for(Ear(always=RejectedError("no")), "other"),
    )
    await house.announce()
    await house.until_states(*["rejected"] * 4)
    await asyncio.sleep(0.1)

    assert await house.event_types() == ["sink.paused", *["notification.failed"] * 2]


@pytest.mark.parametrize(
    "obstacle", [hang, TransientError("503", retry_after=1000.0), UnusableError("no such host")]
)
async def test_a_dead_notifier_delays_no_other(house: House, obstacle: Behaviour) -> None:
    dead, alive = Ear(always=obstacle), Ear()
    await house.start(plan_for(dead, "dead"), plan_for(alive, "alive"))
    began = asyncio.get_running_loop().time()
    await house.announce(50)
    await house.until(lambda: len(alive.heard) == 50)

    assert asyncio.get_running_loop().time() - began < 2.0
    assert dead.heard == []


async def test_a_notifier_that_does_not_work_is_asked_by_one_call_and_loses_no_attempt(
    house: House,
) -> None:
    ear = Ear(always=UnusableError("the certificate is out of date"))
    bus = await house.start(plan_for(ear))
    await house.announce(20)
    await house.until(lambda: len(ear.calls) > 6)
    assert bus.workers["app"].trouble == "the certificate is out of date"
    ear.most_running = 0
    ear.always = None
    await house.until_states(*["sent"] * 20)

    assert {each.attempts for each in await house.notifications()} == {1}
    assert bus.workers["app"].trouble is None


async def test_no_more_calls_are_made_at_once_than_allowed(house: House) -> None:
    async def take_a_while() -> None:
        await asyncio.sleep(0.002)

    ear = Ear(always=take_a_while)
    await house.start(plan_for(ear, concurrency=3))
    await house.announce(60)
    await house.until_states(*["sent"] * 60)

    assert ear.most_running == 3


async def test_a_time_that_is_asked_for_holds_for_the_notifier_as_a_whole(house: House) -> None:
    ear = Ear(script=[TransientError("429", retry_after=0.5)])
    await house.start(plan_for(ear, concurrency=1))
    await house.announce(5)
    await house.until(lambda: len(ear.calls) == 1)
    began = asyncio.get_running_loop().time()
    await house.until_states(*["sent"] * 5)

    assert asyncio.get_running_loop().time() - began > 0.45


async def test_an_ordered_notifier_hears_each_subject_in_order_and_others_meanwhile(
    house: House,
) -> None:
    ear = Ear(script=[TransientError("503")])
    await house.start(plan_for(ear, ordered=True, waits=(2.0, 2.0)))
    await house.announce(5, sink="first")
    await house.until(lambda: len(ear.calls) == 1)
    await house.announce(5, sink="second")
    await house.until_states(*["sent"] * 10)

    assert [at for at in ear.positions if at <= 5] == [1, 2, 3, 4, 5]
    assert [at for at in ear.positions if at > 5] == [6, 7, 8, 9, 10]
    assert ear.positions[0] > 5, "the first subject waits alone"


async def test_a_notifier_that_is_gone_is_disabled_until_someone_enables_it(house: House) -> None:
    ear, witness = Ear(script=[GoneError("410")]), Ear()
    watch = plan_for(witness, "witness", events=("notifier.*",))
    bus = await house.start(plan_for(ear, concurrency=1), watch)
    await house.announce(3)
    await house.until(lambda: bool(witness.heard))
    await asyncio.sleep(0.1)
    assert (len(ear.calls), bus.workers["app"].disabled) == (1, "410")
    await house.end()

    bus = await house.start(plan_for(ear), watch)
    await asyncio.sleep(0.1)
    assert len(ear.calls) == 1, "it is disabled after a restart too"
    assert await house.ledger.outbox.enable("app")
    bus.workers["app"].enable()
    await house.until(lambda: len(ear.heard) >= 3)
    await house.until(lambda: len(witness.heard) == 2)

    assert [event.type for event in witness.heard] == ["notifier.disabled", "notifier.enabled"]


async def test_a_notifier_that_only_fails_for_long_is_disabled(house: House) -> None:
    ear = Ear(always=TransientError("503"))
    bus = await house.start(plan_for(ear, waits=(0.05,) * 100, disable_after=0.3))
    await house.announce()
    await house.until(lambda: bus.workers["app"].disabled is not None)

    assert "nothing but failures" in (bus.workers["app"].disabled or "")
    assert await house.event_types() == ["sink.paused", "notifier.disabled"]
    assert await house.states() == ["pending"], "what it was not told waits"


async def test_one_success_ends_the_count_of_a_failing_notifier(house: House) -> None:
    ear = Ear(script=[TransientError("503"), TransientError("503")])
    await house.start(plan_for(ear, disable_after=1000.0))
    await house.announce()
    await house.until_states("sent")

    assert await house.ledger.outbox.troubles() == {}


async def test_events_are_told_in_batches_when_enough_are_there_or_the_first_is_old_enough(
    house: House,
) -> None:
    ear = Ear()
    batch = NotifierBatch(max_events=10, max_wait=Duration(1.5))
    await house.start(plan_for(ear, batch=batch, concurrency=1))
    began = asyncio.get_running_loop().time()
    await house.announce(25)
    await house.until(lambda: len(ear.heard) == 20)
    assert asyncio.get_running_loop().time() - began < 1.5
    await house.until(lambda: len(ear.heard) == 25)

    assert asyncio.get_running_loop().time() - began >= 1.5
    assert ear.calls == [[*range(1, 11)], [*range(11, 21)], [*range(21, 26)]]


async def test_a_batch_that_failed_is_told_again_as_it_was(house: House) -> None:
    ear = Ear(script=[TransientError("503")])
    batch = NotifierBatch(max_events=10, max_wait=Duration(0.05))
    await house.start(plan_for(ear, batch=batch, waits=(0.2, 0.2)))
    await house.announce(4)
    await house.until(lambda: len(ear.calls) == 1)
    await house.announce(4)
    await house.until_states(*["sent"] * 8)

    assert sorted(ear.calls) == [[1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8]]


async def test_what_was_told_or_given_up_can_be_told_again(house: House) -> None:
    ear = Ear(script=[RejectedError("no")])
    bus = await house.start(plan_for(ear, concurrency=1))
    await house.announce(4)
    await house.until_states("rejected", "sent", "sent", "sent", type="sink.paused")
    times = [event.time for event in await house.ledger.events_after(0, 4)]

    async def replayed(**wanted: object) -> int:
        ear.heard.clear()
        count = await house.ledger.outbox.replay(NotificationFilter(**wanted))  # type: ignore[arg-type]
        bus.wake("app")
        await house.until(lambda: len(ear.heard) == count)
        return count

    assert await replayed(notifier="app", position=1) == 1
    assert ear.positions == [1]
    assert await replayed(type="sink.*") == 4
    assert await replayed(type="file.*") == 0
    assert await replayed(since=times[0], until=times[-1] + 1) == 4
    assert await replayed(until=times[0]) == 0
    assert await replayed(state="rejected") == 0


async def test_old_events_leave_the_front_of_the_log_but_none_that_is_still_to_be_planned(
    house: House,
) -> None:
    ear = Ear()
    await house.start(plan_for(ear))
    await house.announce(30)
    await house.until_states(*["sent"] * 30)
    await house.end()
    await house.announce(10)

    outbox = house.ledger.outbox
    assert await outbox.forget_events(3600.0, 100, ["app"]) == (0, 0)
    assert await outbox.forget_events(-1.0, 12, ["app"]) == (12, 0)
    assert await outbox.forget_events(-1.0, 100, ["app"]) == (18, 0)
    assert await outbox.forget_events(-1.0, 100, ["app"]) == (0, 0)

    left = await house.ledger.events_after(0, 100)
    assert [event.position for event in left] == list(range(31, 41))
    assert await house.notifications() == []
