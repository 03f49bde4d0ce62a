"""What a worker makes of what its sink does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ledgers import FOR_EVER
from workers import CONTENT, House, ScriptedSink, be_quick, eventually, hang, make_house

from sinkwell.contract import (
    IfPresent,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell.contract.events import DeliveryAttemptFailed
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.ledger.closing import Retention


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        yield house


@pytest.fixture
def sink() -> ScriptedSink:
    return ScriptedSink()


async def test_a_file_is_put_whole_and_the_receipt_is_kept(
    house: House, sink: ScriptedSink
) -> None:
    house.employ(sink)
    file_id = await house.accept()

    assert await house.ended() == {"stored": 1}
    delivery = await house.only_delivery()
    assert sink.stored == {f"{file_id}.png": CONTENT}
    assert (delivery.location, delivery.attempts) == (f"memory:{file_id}.png", 1)
    assert [(tried.outcome, tried.bytes) for tried in await house.attempts()] == [
        ("stored", len(CONTENT))
    ]


async def test_a_transient_failure_is_tried_again_and_every_attempt_is_kept(
    house: House, sink: ScriptedSink
) -> None:
    sink.script = [TransientError("busy"), TransientError("still busy")]
    house.employ(sink)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    assert [(tried.outcome, tried.error) for tried in await house.attempts()] == [
        ("transient", "busy"),
        ("transient", "still busy"),
        ("stored", None),
    ]
    assert (await house.only_delivery()).attempts == 3
    assert [event.type for event in await house.events("delivery")] == [
        "delivery.attempt_failed",
        "delivery.attempt_failed",
        "delivery.stored",
    ]


async def test_retry_after_is_obeyed(house: House, sink: ScriptedSink) -> None:
    sink.script = [TransientError("busy", retry_after=0.3)]
    house.employ(sink)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    first, second = await house.attempts()
    assert second.started_at - first.ended_at >= 0.3
    (failed,) = await house.events("delivery.attempt_failed")
    assert isinstance(failed.data, DeliveryAttemptFailed)
    assert failed.data.due_at >= first.ended_at + 0.3


async def test_a_schedule_that_ends_leaves_the_reason(house: House, sink: ScriptedSink) -> None:
    sink.always = TransientError("busy")
    house.employ(sink)
    await house.accept()

    assert await house.ended() == {"exhausted": 1}
    delivery = await house.only_delivery()
    assert (delivery.attempts, delivery.error) == (4, "busy")
    assert len(sink.puts) == 4
    assert (await house.only_file()).state == "failed"
    assert [event.type for event in await house.events("file.failed")] == ["file.failed"]


async def test_a_rejected_file_is_put_once_and_delays_no_other(
    house: House, sink: ScriptedSink
) -> None:
    sink.script = [RejectedError("it is too large")]
    house.employ(sink, concurrency=1)
    await house.accept()
    await house.accept()

    assert await house.ended() == {"rejected": 1, "stored": 1}
    assert len(sink.puts) == 2
    assert not await house.events("sink"), "the file's fault, not the sink's"


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"size": 3}, "its receipt says size 3"),
        ({"sha256": "0" * 64}, "its receipt says sha256 0000"),
        ({"key": "elsewhere"}, "its receipt says key elsewhere"),
        (KeyError("password=hunter2"), "it raised KeyError"),
        (SinkError("something"), "bare SinkError: something"),
        (TimeoutError("hunter2"), "it raised TimeoutError"),
    ],
)
async def test_a_sink_that_breaks_the_contract_is_told_of_and_tried_again(
    house: House, sink: ScriptedSink, behaviour: Exception, said: str
) -> None:
    sink.script = [behaviour]
    house.employ(sink)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    (misbehaved,) = await house.events("sink")
    assert misbehaved.type == "sink.misbehaved"
    assert said in str(misbehaved.data)
    assert "hunter2" not in str(await house.events()) + str(await house.attempts())


async def test_a_sink_that_cancels_itself_is_not_tried_for_ever(
    house: House, sink: ScriptedSink
) -> None:
    async def cancel() -> None:
        raise asyncio.CancelledError

    sink.always = cancel
    house.employ(sink)
    await house.accept()

    assert await house.ended() == {"exhausted": 1}
    assert len(sink.puts) == 4


async def test_a_sink_whose_own_tasks_fail_is_not_taken_for_one_that_was_interrupted(
    house: House, sink: ScriptedSink
) -> None:
    async def part() -> None:
        await asyncio.sleep(0.01)
        raise TransientError("part 1 was lost")

    async def in_parts() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(part())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None

    sink.script = [in_parts]
    house.employ(sink)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    assert [each.error for each in await house.attempts()] == ["part 1 was lost", None]


async def test_an_attempt_has_a_deadline(house: House, sink: ScriptedSink) -> None:
    sink.script = [hang]
    house.employ(sink, timeout=0.1)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    first, _ = await house.attempts()
    assert (first.outcome, first.error) == ("transient", "no answer within 0.1 s")
    assert 0.1 <= first.ended_at - first.started_at < 3.0
    assert sink.running == 0, "the attempt itself has ended too"


async def test_what_a_sink_makes_of_its_deadline_does_not_hide_it(
    house: House, sink: ScriptedSink
) -> None:
    async def wrap() -> None:
        try:
            await hang()
        except asyncio.CancelledError as error:
            raise RejectedError("cancelled") from error

    sink.script = [wrap]
    house.employ(sink, timeout=0.1)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    assert (await house.attempts())[0].error == "no answer within 0.1 s"


async def test_refuse_becomes_keep_if_same_once_an_earlier_try_may_have_put_the_file(
    house: House, sink: ScriptedSink
) -> None:
    sink.script = [TransientError("the connection was reset")]
    house.employ(sink, if_present=IfPresent.REFUSE)
    await house.accept()

    assert await house.ended() == {"stored": 1}
    assert [if_present for _, if_present in sink.puts] == [
        IfPresent.REFUSE,
        IfPresent.KEEP_IF_SAME,
    ]


@pytest.mark.parametrize("if_present", [IfPresent.REPLACE, IfPresent.KEEP_IF_SAME])
async def test_other_settings_of_if_present_hold_for_every_try(
    house: House, sink: ScriptedSink, if_present: IfPresent
) -> None:
    sink.script = [TransientError("busy")]
    house.employ(sink, if_present=if_present)
    await house.accept()

    await house.ended()
    assert [asked for _, asked in sink.puts] == [if_present, if_present]


async def test_concurrency_is_reached_and_never_exceeded(house: House, sink: ScriptedSink) -> None:
    three_have_met = asyncio.Event()

    async def until_three_have_met() -> None:
        if sink.most_running >= 3:
            three_have_met.set()
        await three_have_met.wait()
        await asyncio.sleep(0.01)

    sink.always = until_three_have_met
    house.employ(sink, concurrency=3)
    for _ in range(40):
        await house.accept()

    assert await house.ended() == {"stored": 40}
    assert sink.most_running == 3


async def test_attempts_that_hang_leave_the_other_slots_to_other_files(
    house: House, sink: ScriptedSink
) -> None:
    sink.script = [hang, hang, hang]
    house.employ(sink, concurrency=4)
    for _ in range(23):
        await house.accept()

    async def all_others() -> bool:
        return await house.count("stored") == 20

    await eventually(all_others, within=20.0)


async def test_a_slow_sink_does_not_delay_another(house: House, sink: ScriptedSink) -> None:
    stuck = ScriptedSink()
    stuck.always = hang
    house.employ(stuck, "stuck", concurrency=2)
    house.employ(sink, "sink")
    for _ in range(20):
        await house.accept("stuck", "sink")

    async def all_here() -> bool:
        return await house.count("stored") == 20

    await eventually(all_here)
    assert stuck.most_running == 2


LOST = ["file.quarantined", "delivery.rejected", "delivery.rejected", "file.failed"]


async def test_a_damaged_spool_file_is_set_aside_and_its_deliveries_say_why(
    house: House, sink: ScriptedSink
) -> None:
    sink.always = RejectedError("the digest differs")
    file_id = await house.accept("sink", "another")
    house.spool.path(file_id).write_bytes(CONTENT[::-1])
    worker = house.employ(sink)

    assert await house.ended() == {"rejected": 2}
    for delivery in await house.deliveries():
        assert delivery.error == (
            "the spool's copy is damaged: its bytes have changed: the sha256 differs"
        )
    assert (await house.only_file()).state == "quarantined"
    assert (house.spool.quarantined / file_id).read_bytes() == CONTENT[::-1]
    assert worker.health.trouble is None, "not the sink's fault"
    assert [event.type for event in await house.events()][2:] == LOST


@pytest.mark.parametrize("error", [TransientError, UnusableError, FileNotFoundError])
async def test_a_missing_spool_file_is_told_of_and_pauses_no_sink(
    house: House, sink: ScriptedSink, error: type[Exception]
) -> None:
    sink.always = error("it cannot be opened")
    file_id = await house.accept("sink", "another")
    house.spool.path(file_id).unlink()
    worker = house.employ(sink)

    assert await house.ended() == {"rejected": 2}
    assert all("No such file" in (each.error or "") for each in await house.deliveries())
    assert worker.health.trouble is None
    assert [event.type for event in await house.events()][2:] == LOST


async def test_an_intact_file_is_not_set_aside_for_what_its_sink_says(
    house: House, sink: ScriptedSink
) -> None:
    sink.always = RejectedError("the digest differs")
    house.employ(sink)
    file_id = await house.accept()

    assert await house.ended() == {"rejected": 1}
    assert house.spool.path(file_id).exists()
    assert not await house.events("file.quarantined")


async def test_what_a_worker_says_whose_lease_has_passed_on_is_not_heard(
    house: House, sink: ScriptedSink
) -> None:
    released = asyncio.Event()
    sink.always = released.wait
    house.employ(sink)
    file_id = await house.accept()

    async def is_running() -> bool:
        return sink.running == 1

    await eventually(is_running)
    await house.ledger.take_over(longest_wait=1e6)
    (stolen,) = (await house.ledger.claim("sink", limit=9, lease_for=60.0)).leases
    released.set()
    await asyncio.sleep(0.1)

    delivery = await house.only_delivery()
    assert (stolen.epoch, delivery.state, delivery.location) == (2, "leased", None)
    assert [tried.outcome for tried in await house.attempts()] == ["interrupted"]
    assert house.spool.path(file_id).exists()


async def test_a_file_that_ended_the_process_at_its_last_try_is_not_put_again(
    house: House, sink: ScriptedSink
) -> None:
    house.policy = RetryPolicy(attempts=1, base=0.01, cap=0.01)
    await house.accept()
    await house.ledger.claim("sink", limit=1, lease_for=60.0)
    await house.ledger.take_over(longest_wait=1e6)

    house.employ(sink)

    assert await house.ended() == {"exhausted": 1}
    assert sink.puts == []


async def test_the_spool_lets_a_file_go_once_when_its_sinks_end_it_together(
    tmp_path: Path,
) -> None:
    async with make_house(tmp_path, Retention(stored=0.0, failed=1e6)) as house:
        for name in ("one", "other"):
            house.employ(ScriptedSink(), name)
        for _ in range(30):
            await house.accept("one", "other")
        assert await house.ended() == {"stored": 60}
        await house.stop()
        await house.keeper.remove_released()

        assert list(house.spool.files.iterdir()) == []
        assert house.admission.used == 0, "each file is taken off once"


async def test_a_file_stays_in_the_spool_as_long_as_a_retry_may_want_it(
    house: House, sink: ScriptedSink
) -> None:
    assert FOR_EVER.failed > 0
    sink.script = [RejectedError("it is too large")]
    house.employ(sink)
    file_id = await house.accept()
    await house.ended()
    await house.keeper.remove_released()

    assert house.spool.path(file_id).exists()
    await house.ledger.retry((await house.only_delivery()).id)
    house.workers[0].wake()
    assert await house.ended() == {"stored": 1}
    assert (await house.only_delivery()).attempts == 1, "with all its attempts before it"
