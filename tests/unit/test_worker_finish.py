"""The end of a worker, and a ledger that is away meanwhile: nothing is lost, no attempt either."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from workers import House, ScriptedSink, be_quick, eventually, hang, make_house

from sinkwell.contract import TransientError
from sinkwell.ledger.closing import Retention


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        yield house


@pytest.fixture
def sink() -> ScriptedSink:
    return ScriptedSink()


async def running(sink: ScriptedSink, count: int = 1) -> None:
    async def so_many() -> bool:
        return sink.running == count

    await eventually(so_many)


async def handed_back(house: House) -> bool:
    """Tell whether the only delivery is as if it had never been tried, and due at once."""
    delivery = await house.only_delivery()
    (lease,) = (await house.ledger.claim(delivery.sink, limit=9, lease_for=60.0)).leases
    return (delivery.state, delivery.attempts, lease.interrupted) == ("pending", 0, False)


async def test_a_running_attempt_is_given_time_to_end(house: House, sink: ScriptedSink) -> None:
    sink.always = lambda: asyncio.sleep(0.2)
    house.employ(sink)
    await house.accept()
    await running(sink)

    await house.stop(grace=10.0)

    assert (await house.only_delivery()).state == "stored"
    assert sink.closed == 1


async def test_an_attempt_that_hangs_is_handed_back_and_loses_no_attempt(
    house: House, sink: ScriptedSink
) -> None:
    sink.always = hang
    house.employ(sink)
    await house.accept()
    await running(sink)

    async with asyncio.timeout(5):
        await house.stop(grace=0.1)

    assert sink.running == 0
    assert sink.closed == 1
    assert await house.attempts() == []
    assert await handed_back(house)


async def test_what_a_sink_makes_of_being_interrupted_costs_no_attempt_either(
    house: House, sink: ScriptedSink
) -> None:
    async def wrap() -> None:
        try:
            await hang()
        except asyncio.CancelledError as error:
            raise TransientError("interrupted") from error

    sink.always = wrap
    house.employ(sink)
    await house.accept()
    await running(sink)

    await house.stop(grace=0.1)

    assert await handed_back(house)


async def test_what_the_ledger_leases_while_the_worker_is_stopped_is_not_forgotten(
    house: House, sink: ScriptedSink
) -> None:
    sink.always = hang
    house.ledger.claim_delay = 0.2
    await house.accept()
    house.employ(sink)

    async def leased() -> bool:
        return await house.count("leased") == 1

    await eventually(leased)
    assert sink.running == 0, "the worker has not heard of it yet"
    await house.stop(grace=0.1)

    assert await handed_back(house)


@pytest.mark.parametrize("close", [hang, TransientError("the connection is gone")])
async def test_a_sink_that_cannot_be_closed_does_not_keep_the_others_from_it(
    house: House, sink: ScriptedSink, close: object
) -> None:
    class Stubborn(ScriptedSink):
        async def close(self) -> None:
            if isinstance(close, Exception):
                raise close
            await hang()

    house.employ(Stubborn(), "stubborn")
    house.employ(sink)
    await house.accept("stubborn", "sink")
    await house.ended()

    async with asyncio.timeout(10):
        await house.stop()

    assert sink.closed == 1


async def test_a_sink_that_ignores_its_interruption_does_not_keep_the_process_from_ending(
    house: House, sink: ScriptedSink
) -> None:
    released = asyncio.Event()

    async def ignore() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    sink.always = ignore
    house.employ(sink)
    await house.accept()
    await running(sink)

    async with asyncio.timeout(10):
        await house.stop(grace=0.1)
    released.set()

    assert await house.ended() == {"stored": 1}


async def test_deliveries_wait_while_the_ledger_is_away_and_then_go_on(
    house: House, sink: ScriptedSink
) -> None:
    house.ledger.away = True
    house.employ(sink)
    for _ in range(5):
        await house.accept()
    await asyncio.sleep(0.1)
    assert sink.puts == []

    house.ledger.away = False

    assert await house.ended() == {"stored": 5}


async def test_an_outcome_waits_for_the_ledger_and_the_file_is_put_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sink: ScriptedSink
) -> None:
    be_quick(monkeypatch)
    async with make_house(tmp_path, Retention(stored=0.0, failed=0.0)) as house:

        async def ledger_goes_away() -> None:
            house.ledger.away = True

        async def was_put() -> bool:
            return house.ledger.away and sink.running == 0

        sink.script = [ledger_goes_away]
        house.employ(sink)
        file_id = await house.accept()
        await eventually(was_put)
        await asyncio.sleep(0.1)
        assert (await house.only_delivery()).state == "leased"
        house.ledger.away = False

        assert await house.ended() == {"stored": 1}
        await house.stop()
        await house.keeper.remove_released()
        assert len(sink.puts) == 1
        assert not house.spool.path(file_id).exists()
