"""The fetcher of a source, with a real ledger, spool and server."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest
from ledgers import FOR_EVER, START, MovedClock, make_acceptance, make_ledger
from link_server import LinkServer, answer, link_server

from sinkwell.contract import OnMismatch, RejectedError, TransientError
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.model import Outcome
from sinkwell.delivery.plan import Planner
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.intake.admission import Admission
from sinkwell.intake.fetch_worker import FetchPlan, FetchRooms, FetchWorker
from sinkwell.intake.fetcher import Fetcher
from sinkwell.intake.fetching import FetchLease, unfetched
from sinkwell.intake.guard import FetchRules
from sinkwell.intake.journal import Acceptance
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.manifest import Link, Manifest, read_manifest
from sinkwell.intake.refusals import unavailable
from sinkwell.intake.spool import Spool, SpoolWriter
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.reads import FileView, Filter
from sinkwell.samples import png
from sinkwell.threads import Threads

PICTURE = png("fetched", 20, 10)
POLICY = RetryPolicy(attempts=3, base=1.0, cap=100.0)


@dataclass
class Bench:
    """A worker and all it works with; it is run by hand."""

    spool: Spool
    ledger: Ledger
    clock: MovedClock
    admission: Admission
    worker: FetchWorker

    async def reference(self, url: str, token: str = "t1") -> Manifest:
        """Leave a callback with a link, as intake does."""
        accepted = make_acceptance(token=token, content=b"")
        draft = msgspec.structs.replace(accepted.files[0][0], link=Link(url=url))
        manifest = SpoolWriter(self.spool, draft.file_id).finish([], draft)
        await self.ledger.record_acceptance(replace(accepted, files=((manifest, ()),)))
        return manifest

    async def work(self, seconds: float = 0.3) -> None:
        """Have the worker do what is due."""
        running = asyncio.create_task(self.worker.run())
        await asyncio.sleep(seconds)
        running.cancel()
        await self.worker.finish(1.0)

    async def file(self) -> FileView:
        (found,) = await self.ledger.list_files(Filter())
        return found


@pytest.fixture
def server() -> Iterator[LinkServer]:
    with link_server() as server:
        yield server


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = MovedClock()
    ledger = make_ledger(tmp_path, clock, FOR_EVER)
    spool = Spool(tmp_path / "spool")
    threads = Threads("spool", 2)
    admission = Admission(spool, max_size=100_000, reserve=0, threads=threads)
    rooms = FetchRooms(
        queue=ledger,
        spool=spool,
        admission=admission,
        threads=threads,
        planner=Planner([], {}, {}),
        dispatch=Dispatch({}),
        clock=clock,
    )
    limits = IntakeLimits(max_file_size=50_000, idle_timeout=2.0)
    fetcher = Fetcher(FetchRules.of(["127.0.0.1"], ["127.0.0.1/32"]), {}, limits)
    plan = FetchPlan("shotbot", 2, 5.0, POLICY, OnMismatch.WARN)
    object.__setattr__(ledger, "_spool_id", spool.id)
    yield Bench(spool, ledger, clock, admission, FetchWorker(plan, fetcher, rooms))
    threads.close()
    spool.close()
    await ledger.close()


async def test_the_bytes_take_the_place_of_the_reference(bench: Bench, server: LinkServer) -> None:
    manifest = await bench.reference(server.serve("/a", answer(PICTURE)))
    await bench.work()
    stored = read_manifest(bench.spool.path(manifest.file_id))
    assert (stored.link, stored.size, stored.sha256) == (
        None,
        len(PICTURE),
        (await bench.file()).sha256,
    )
    assert (await bench.file()).state == "unrouted"
    assert bench.admission.used == len(PICTURE)


async def test_bytes_that_a_killed_process_left_are_recorded_and_not_fetched_again(
    bench: Bench, server: LinkServer
) -> None:
    manifest = await bench.reference(server.serve("/a", answer(b"other")))
    complete = msgspec.structs.replace(manifest, link=None)
    SpoolWriter(bench.spool, manifest.file_id).finish([PICTURE], complete)

    await bench.work()

    assert server.asked == []
    found = await bench.file()
    assert (found.state, found.size) == ("unrouted", len(PICTURE))


async def test_a_full_spool_takes_no_attempt(bench: Bench, server: LinkServer) -> None:
    await bench.reference(server.serve("/a", answer(PICTURE)))
    bench.admission.used = 100_000
    await bench.work()
    found = await bench.file()
    assert (found.state, found.fetch and found.fetch.attempts) == ("fetching", 0)
    assert "the spool is full" in (found.error or "")

    bench.admission.used = 0
    bench.clock.present += 120
    await bench.work()
    assert (await bench.file()).state == "unrouted"


async def test_a_lease_that_ran_out_does_not_fetch_twice_at_once(
    bench: Bench, server: LinkServer
) -> None:
    going = []

    def slow(request: object) -> None:
        import time

        going.append(1)
        time.sleep(0.8)
        answer(PICTURE)(request)  # type: ignore[arg-type]  # the handler that it was given

    await bench.reference(server.serve("/a", slow))
    running = asyncio.create_task(bench.worker.run())
    await asyncio.sleep(0.3)
    bench.clock.present += 1000  # beyond the lease
    bench.worker.wake()
    await asyncio.sleep(0.3)
    assert len(going) == 1
    running.cancel()
    await bench.worker.finish(2.0)


async def test_an_interrupted_last_attempt_is_not_begun_again(
    bench: Bench, server: LinkServer
) -> None:
    await bench.reference(server.serve("/a", answer(PICTURE)))
    for _ in range(POLICY.attempts):
        claims = await bench.ledger.claim_fetches("shotbot", limit=1, lease_for=1.0)
        assert claims.leases
        bench.clock.present += 10
    await bench.work()
    found = await bench.file()
    assert (found.state, server.asked) == ("failed", [])
    tries = await bench.ledger.list_fetch_attempts(found.id)
    assert [each.outcome for each in tries] == ["interrupted"] * 3 + ["transient"]


async def test_several_links_of_a_repeat_renew_each_its_own(bench: Bench) -> None:
    def both(first: str, second: str) -> Acceptance:
        accepted = make_acceptance(token="t", content=b"")
        drafts = [
            msgspec.structs.replace(
                accepted.files[0][0], file_id=f"f{accepted.callback_id}{n}", link=Link(url=url)
            )
            for n, url in enumerate((first, second))
        ]
        return replace(accepted, files=tuple((draft, ()) for draft in drafts))

    await bench.ledger.record_acceptance(both("http://a/1", "http://a/2"))
    repeat = await bench.ledger.record_acceptance(both("http://b/1", "http://b/2"))
    assert repeat.duplicate
    claims = await bench.ledger.claim_fetches("shotbot", limit=9, lease_for=1.0)
    by_id = sorted(claims.leases, key=lambda lease: lease.file_id)
    assert [lease.url for lease in by_id] == ["http://b/1", "http://b/2"]


LEASE = FetchLease(
    file_id="f1",
    source="s",
    url="https://files.example.com/?secret=1",
    expires_at=None,
    epoch=1,
    attempts=0,
    interrupted=False,
)


def test_a_lease_does_not_show_its_link() -> None:
    assert "secret" not in repr(LEASE)
    assert "secret" not in repr(Link(url=LEASE.url))


@pytest.mark.parametrize(
    ("error", "attempts", "expires_in", "outcome", "due"),
    [
        (TransientError("x"), 0, None, Outcome.TRANSIENT, (0, 1)),
        (TransientError("x", retry_after=50), 0, None, Outcome.TRANSIENT, (50, 51)),
        (TransientError("x"), 2, None, Outcome.TRANSIENT, None),
        (RejectedError("x"), 0, None, Outcome.REJECTED, None),
        (unavailable("full", retry_after=60), 2, None, Outcome.UNUSABLE, (60, 60)),
        (TransientError("x", retry_after=500), 0, 100, Outcome.TRANSIENT, (90, 90)),
        (TransientError("x", retry_after=500), 0, 5, Outcome.TRANSIENT, (1, 1)),
        (TransientError("x"), 0, 0, Outcome.TRANSIENT, None),
    ],
)
def test_what_follows_from_a_failed_attempt(
    error: Exception,
    attempts: int,
    expires_in: float | None,
    outcome: Outcome,
    due: tuple[float, float] | None,
) -> None:
    expires_at = None if expires_in is None else START + expires_in
    found = unfetched(
        replace(LEASE, attempts=attempts, expires_at=expires_at),
        error,
        provider_id="p",
        started_at=START,
        now=START,
        policy=POLICY,
        rng=random.Random(1),
    )
    assert found.attempt.outcome is outcome
    if due is None:
        assert found.due_at is None
    else:
        assert found.due_at is not None
        assert due[0] <= found.due_at - START <= due[1]
    if expires_in == 0:
        assert "the link has expired" in (found.attempt.error or "")
