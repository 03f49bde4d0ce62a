"""A sink that does not work is paused alone, probed, and resumes by itself."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from workers import CONTENT, House, ScriptedSink, be_quick, eventually, hang, make_house

from sinkwell.contract import Sink, UnusableError
from sinkwell.contract.events import SinkPaused, SinkResumed
from sinkwell.delivery.model import Claims


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        yield house


@pytest.fixture
def broken() -> ScriptedSink:
    sink = ScriptedSink()
    sink.always = UnusableError("there is no such bucket")
    sink.trouble = "there is no such bucket"
    return sink


def mend(sink: ScriptedSink) -> None:
    sink.always = sink.trouble = None


async def probed(sink: ScriptedSink, times: int) -> None:
    async def enough() -> bool:
        return len(sink.checks) >= times

    await eventually(enough)


async def test_a_paused_sink_resumes_by_itself_and_no_delivery_loses_an_attempt(
    house: House, broken: ScriptedSink
) -> None:
    house.employ(broken)
    for _ in range(10):
        await house.accept()
    await probed(broken, 3)
    while_paused = len(broken.puts)
    assert while_paused <= 4, "nothing more is put than was under way"
    assert await house.count("pending") == 10

    mend(broken)

    assert await house.ended() == {"stored": 10}
    assert {delivery.attempts for delivery in await house.deliveries()} == {1}
    assert len(broken.puts) == while_paused + 10


async def test_what_was_claimed_before_a_pause_is_handed_back_untried(
    house: House, broken: ScriptedSink
) -> None:
    worker = house.employ(broken)
    claim = house.ledger.claim

    async def claim_while_it_pauses(sink: str, *, limit: int, lease_for: float) -> Claims:
        claims = await claim(sink, limit=limit, lease_for=lease_for)
        if claims.leases:  # another delivery fails just now
            worker.health.pause("there is no such bucket")
            worker.wake()
        return claims

    house.ledger.claim = claim_while_it_pauses  # type: ignore[method-assign]  # at just this moment
    await house.accept()
    await probed(broken, 2)
    house.ledger.claim = claim  # type: ignore[method-assign]  # as it was

    assert broken.puts == []
    assert await house.attempts() == []
    assert await house.count("pending") == 1
    mend(broken)
    assert await house.ended() == {"stored": 1}


async def test_a_pause_and_its_end_are_each_announced_once(
    house: House, broken: ScriptedSink
) -> None:
    house.employ(broken)
    for _ in range(10):
        await house.accept()
    await probed(broken, 3)
    mend(broken)
    await house.ended()

    paused, resumed = [event.data for event in await house.events("sink")]
    assert paused == SinkPaused(sink="sink", error="there is no such bucket")
    assert isinstance(resumed, SinkResumed)
    assert broken.checks[-1] - broken.checks[0] <= resumed.paused_for < 10.0


async def test_probes_come_less_and_less_often(house: House, broken: ScriptedSink) -> None:
    house.employ(broken)
    await house.accept()
    await probed(broken, 5)

    gaps = [
        later - earlier for earlier, later in zip(broken.checks, broken.checks[1:], strict=False)
    ]
    for gap, shortest in zip(gaps, (0.04, 0.08, 0.16, 0.32), strict=False):
        assert gap >= shortest


async def test_quick_probes_return_once_a_file_was_stored(
    house: House, broken: ScriptedSink
) -> None:
    house.employ(broken)
    await house.accept()
    await probed(broken, 6)
    mend(broken)
    await house.ended()

    broken.always, broken.trouble = UnusableError("again"), "again"
    broken.checks.clear()
    await house.accept()
    began = asyncio.get_running_loop().time()
    await probed(broken, 1)
    assert broken.checks[0] - began < 0.5, "the next would have come after 0.64 s"


async def test_another_sink_goes_on_meanwhile(house: House, broken: ScriptedSink) -> None:
    house.employ(broken, "broken")
    house.employ(ScriptedSink(), "working")
    for _ in range(10):
        await house.accept("broken", "working")

    async def done() -> bool:
        return await house.count("stored") == 10

    await eventually(done)
    assert await house.count("pending") == 10


async def test_a_sink_that_cannot_be_opened_is_tried_until_it_can(house: House) -> None:
    sink, tries = ScriptedSink(), 0

    async def open_sink() -> Sink:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise UnusableError("the disk is not mounted")
        return sink

    house.employ(sink, open=open_sink)
    file_id = await house.accept()

    assert await house.ended() == {"stored": 1}
    assert sink.stored == {f"{file_id}.png": CONTENT}
    assert [event.type for event in await house.events("sink")] == ["sink.paused", "sink.resumed"]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (KeyError("hunter2"), "it raised KeyError"),
        (asyncio.CancelledError(), "it raised StrayCancelledError"),
        (None, "no answer within 0.05 s"),
    ],
)
async def test_a_check_that_breaks_or_hangs_keeps_the_sink_paused_and_no_more(
    house: House, broken: ScriptedSink, behaviour: BaseException | None, said: str
) -> None:
    checks = 0

    async def check() -> list[object]:
        nonlocal checks
        checks += 1
        if checks > 2:
            mend(broken)
            return []
        if behaviour is not None:
            raise behaviour
        await hang()
        return []

    broken.check = check  # type: ignore[assignment]  # a sink of this test alone
    worker = house.employ(broken, timeout=0.05)
    await house.accept()

    async def knows() -> bool:
        return said in (worker.health.trouble or "") or checks > 2

    await eventually(knows, every=0.001)
    assert await house.ended() == {"stored": 1}
    assert checks == 3
    assert "hunter2" not in str(await house.events())


async def test_the_advice_of_a_failed_check_is_shown(house: House) -> None:
    sink = ScriptedSink()
    sink.trouble = "the bucket is gone"
    sink.script = [UnusableError("no such bucket")]
    worker = house.employ(sink)
    await house.accept()
    await probed(sink, 2)

    assert worker.health.trouble == "the bucket is gone. mend it"


async def test_a_resumption_that_the_ledger_could_not_take_is_announced_later(
    house: House, broken: ScriptedSink
) -> None:
    house.employ(broken)
    await house.accept()
    await probed(broken, 1)
    house.ledger.away = True
    mend(broken)
    await probed(broken, 2)
    await asyncio.sleep(0.1)
    house.ledger.away = False

    assert await house.ended() == {"stored": 1}
    assert [event.type for event in await house.events("sink")] == ["sink.paused", "sink.resumed"]
