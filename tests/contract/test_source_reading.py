"""What sources are told of a callback, and how what they raise is answered."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from ledgers import MovedClock, make_ledger

from sinkwell.contract import (
    AuthenticationError,
    Callback,
    MalformedCallbackError,
    Message,
    Source,
    SourceError,
)
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.plan import Planner
from sinkwell.intake.admission import Admission
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.reading import OpenSource
from sinkwell.intake.receive import Intake
from sinkwell.intake.refusals import Refusal
from sinkwell.intake.spool import Spool
from sinkwell.testing import Request, multipart
from sinkwell.threads import Threads

FAILED = Callback(
    provider_id="a1", deduplication_key="a1", succeeded=False, provider_status="failed"
)


@dataclass
class Curious(Source):
    """Notes what it is asked about, and believes what is complete."""

    raises_first: SourceError | None = None
    raises_last: SourceError | None = None
    asked: list[Message] = field(default_factory=list)

    def authenticate(self, message: Message) -> bool:
        self.asked.append(replace(message, fields=dict(message.fields)))
        if self.raises_first:
            raise self.raises_first
        return message.complete

    def parse(self, message: Message) -> Callback:
        if self.raises_last:
            raise self.raises_last
        return FAILED


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def intake(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Intake]:
    ledger = make_ledger(tmp_path, clock)
    spool = Spool(tmp_path / "spool")
    threads = Threads("spool", 1)
    yield Intake(
        spool=spool,
        admission=Admission(spool, max_size=None, reserve=0, threads=threads),
        limits=IntakeLimits(),
        planner=Planner([], {}, {}),
        journal=ledger,
        clock=clock,
        threads=threads,
        dispatch=Dispatch({}),
        wake_fetcher=lambda _: None,
    )
    threads.close()
    spool.close()
    await ledger.close()


async def receive(intake: Intake, source: Source, request: Request) -> None:
    chunks = [request.body, b""]

    async def next_chunk() -> bytes:
        return chunks.pop(0)

    headers = {name.lower(): value for name, value in request.headers.items()}
    await intake.receive(OpenSource("curious", source), headers, next_chunk)


async def test_a_source_learns_when_its_callback_came_and_whether_it_is_complete(
    intake: Intake, clock: MovedClock
) -> None:
    source = Curious()
    await receive(intake, source, multipart({"id": "a1"}))
    assert all(message.received_at == clock.now() for message in source.asked)
    assert [message.complete for message in source.asked] == [False, False, True]
    assert [dict(message.fields) for message in source.asked] == [{}, {"id": "a1"}, {"id": "a1"}]


@pytest.mark.parametrize(
    ("error", "status"),
    [(AuthenticationError("it is forged"), 403), (MalformedCallbackError("it is senseless"), 400)],
)
@pytest.mark.parametrize("moment", ["raises_first", "raises_last"])
async def test_a_source_may_raise_either_error_at_either_moment(
    intake: Intake, moment: str, error: SourceError, status: int
) -> None:
    source = Curious()
    setattr(source, moment, error)
    with pytest.raises(Refusal, match=str(error)) as raised:
        await receive(intake, source, multipart({"id": "a1"}))
    assert raised.value.status == status
