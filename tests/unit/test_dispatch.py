"""Fresh files go straight to a worker that has a slot free, and to the queue where none has."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from ledgers import make_acceptance
from workers import CONTENT, House, ScriptedSink, be_quick, eventually, hang, make_house

from sinkwell.contract import TransientError, UnusableError
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.worker import SinkWorker
from sinkwell.intake.durable import leased_file
from sinkwell.intake.journal import Recorded


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        yield house


@pytest.fixture
def sink() -> ScriptedSink:
    return ScriptedSink()


async def idle(worker: SinkWorker) -> None:
    """Wait until the worker has looked for due deliveries and found none."""

    async def has_a_slot() -> bool:
        if worker.reserve() is None:
            return False
        worker.cancel()
        return True

    await eventually(has_a_slot)


async def receive(house: House, token: str | None = None) -> tuple[Recorded, int]:
    """Take a file in as intake does; return what was recorded and how many were born leased."""
    dispatch = Dispatch({worker.plan.name: worker for worker in house.workers})
    acceptance = make_acceptance(
        *(worker.plan.name for worker in house.workers),
        token=token,
        content=CONTENT,
        now=house.clock.now(),
    )
    ((manifest, planned),) = acceptance.files
    house.spool.path(manifest.file_id).write_bytes(CONTENT)
    with dispatch.hand_over([(leased_file(manifest), planned)]) as over:
        recorded = await house.ledger.record_acceptance(replace(acceptance, leases=over.leases))
        if not recorded.duplicate:
            over.begin()
        return recorded, len(over.leases)


async def test_a_fresh_file_is_put_at_once_where_a_slot_is_free(
    house: House, sink: ScriptedSink
) -> None:
    await idle(house.employ(sink))

    _, leased = await receive(house)

    assert leased == 1
    assert await house.ended() == {"stored": 1}
    assert (await house.only_delivery()).attempts == 1


async def test_more_files_than_slots_are_put_all_and_never_too_many_at_once(
    house: House, sink: ScriptedSink
) -> None:
    sink.always = lambda: asyncio.sleep(0.002)
    await idle(house.employ(sink, concurrency=3))

    await asyncio.gather(*(receive(house) for _ in range(60)))

    assert await house.ended() == {"stored": 60}
    assert sink.most_running == 3
    assert {delivery.attempts for delivery in await house.deliveries()} == {1}
    await idle(house.workers[0])


async def test_a_repeated_callback_gives_its_slot_back(house: House, sink: ScriptedSink) -> None:
    await idle(house.employ(sink, concurrency=1))
    await receive(house, "token")
    await house.ended()
    await idle(house.workers[0])

    repeat, _ = await receive(house, "token")

    assert repeat.duplicate
    assert len(sink.puts) == 1
    await receive(house)
    assert await house.ended() == {"stored": 2}


async def test_a_busy_sink_takes_the_file_from_the_queue_later(
    house: House, sink: ScriptedSink
) -> None:
    released = asyncio.Event()
    sink.script = [released.wait]
    await idle(house.employ(sink, concurrency=1))
    await receive(house)

    _, leased = await receive(house)
    assert leased == 0
    released.set()

    assert await house.ended() == {"stored": 2}


async def test_a_paused_sink_is_handed_nothing(house: House, sink: ScriptedSink) -> None:
    sink.script, sink.trouble = [UnusableError("no such bucket")], "no such bucket"
    await idle(house.employ(sink))
    await receive(house)

    async def is_paused() -> bool:
        return house.workers[0].health.trouble is not None

    await eventually(is_paused)
    _, leased = await receive(house)
    assert leased == 0

    sink.trouble = None
    assert await house.ended() == {"stored": 2}


async def test_a_failed_first_try_is_tried_again_as_any_other(
    house: House, sink: ScriptedSink
) -> None:
    sink.script = [TransientError("busy")]
    await idle(house.employ(sink))
    await receive(house)

    assert await house.ended() == {"stored": 1}
    assert [tried.number for tried in await house.attempts()] == [1, 2]


async def test_a_file_that_was_handed_over_is_handed_back_at_the_end(
    house: House, sink: ScriptedSink
) -> None:
    sink.always = hang
    await idle(house.employ(sink))
    await receive(house)
    await house.stop(grace=0.1)

    delivery = await house.only_delivery()
    assert (delivery.state, delivery.attempts) == ("pending", 0)
    assert house.workers[0].reserve() is None, "nothing is begun any more"
