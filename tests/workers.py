"""A worker between a real ledger, a real spool, and a sink that does as it is told."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ledgers import FOR_EVER, SPOOL_ID, make_acceptance

from sinkwell.clock import Clock
from sinkwell.contract import Blob, Event, Finding, IfPresent, Receipt, Sink, Stat
from sinkwell.delivery import health
from sinkwell.delivery import worker as workers
from sinkwell.delivery.model import Claims, Settled, Settlement, State
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.delivery.worker import SinkPlan, SinkWorker
from sinkwell.intake.admission import Admission
from sinkwell.intake.keeper import SpoolKeeper
from sinkwell.intake.spool import Spool
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.reads import AttemptView, DeliveryView, FileView, Filter
from sinkwell.outage import LedgerUnavailableError
from sinkwell.threads import Threads

CONTENT = b"the bytes of a picture"
QUICK = RetryPolicy(attempts=4, base=0.01, cap=0.02)

Behaviour = Exception | Callable[[], Awaitable[object]] | dict[str, Any]
"""What a put does: raise, do something and store, or lie in its receipt."""


class ScriptedSink(Sink):
    """Keeps files in memory, and behaves once as each item of its script says."""

    def __init__(self) -> None:
        self.script: list[Behaviour] = []
        self.always: Behaviour | None = None
        self.trouble: str | None = None
        """What its check finds."""
        self.puts: list[tuple[str, IfPresent]] = []
        self.checks: list[float] = []
        """When it was checked, by the loop's clock."""
        self.stored: dict[str, bytes] = {}
        self.running = self.most_running = 0
        self.closed = 0

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        self.puts.append((key, if_present))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            return await self._put(blob, key)
        finally:
            self.running -= 1

    async def _put(self, blob: Blob, key: str) -> Receipt:
        behaviour = self.script.pop(0) if self.script else self.always
        if isinstance(behaviour, Exception):
            raise behaviour
        if callable(behaviour):
            await behaviour()
        with blob.open() as stream:
            self.stored[key] = stream.read()
        receipt = Receipt(key, blob.size, blob.sha256, f"memory:{key}")
        return replace(receipt, **behaviour) if isinstance(behaviour, dict) else receipt

    async def stat(self, key: str) -> Stat | None:
        return Stat(len(self.stored[key])) if key in self.stored else None

    async def check(self) -> Sequence[Finding]:
        self.checks.append(asyncio.get_running_loop().time())
        if self.trouble is not None:
            return [Finding("ok", "it is there"), Finding("failed", self.trouble, "mend it")]
        return [Finding("ok", "it is there")]

    async def close(self) -> None:
        self.closed += 1


class MoodyLedger(Ledger):
    """A ledger that can be away, or slow to say what it has leased."""

    away = False
    claim_delay = 0.0

    async def claim(self, sink: str, *, limit: int, lease_for: float) -> Claims:
        self._be_there()
        claims = await super().claim(sink, limit=limit, lease_for=lease_for)
        await asyncio.sleep(self.claim_delay)
        return claims

    async def settle(self, settlement: Settlement) -> Settled:
        self._be_there()
        return await super().settle(settlement)

    async def announce(self, subject: str, *facts: Any) -> None:
        self._be_there()
        await super().announce(subject, *facts)

    def _be_there(self) -> None:
        if self.away:
            raise LedgerUnavailableError("the disk is full")


@dataclass
class House:
    """Everything that a delivery passes through."""

    ledger: MoodyLedger
    spool: Spool
    admission: Admission
    keeper: SpoolKeeper
    clock: Clock
    policy: RetryPolicy = QUICK
    running: list[asyncio.Task[None]] = field(default_factory=list)
    workers: list[SinkWorker] = field(default_factory=list)

    def employ(self, sink: Sink, name: str = "sink", **plan: Any) -> SinkWorker:
        """Make a worker for a sink and let it run."""

        async def open_sink() -> Sink:
            return sink

        settings: dict[str, Any] = {
            "open": open_sink,
            "if_present": IfPresent.KEEP_IF_SAME,
            "concurrency": 4,
            "timeout": 5.0,
        }
        worker = SinkWorker(
            SinkPlan(name=name, **{**settings, **plan}),
            self.ledger,
            self.keeper,
            self.policy,
            self.clock,
        )
        self.workers.append(worker)
        self.running.append(asyncio.create_task(worker.run()))
        return worker

    async def accept(self, *sinks: str, content: bytes = CONTENT) -> str:
        """Take a file in and return its id."""
        acceptance = make_acceptance(*(sinks or ("sink",)), content=content, now=self.clock.now())
        ((manifest, _),) = acceptance.files
        self.spool.path(manifest.file_id).write_bytes(content)
        self.admission.used += len(content)
        await self.ledger.record_acceptance(acceptance)
        for worker in self.workers:
            worker.wake()
        return manifest.file_id

    async def ended(self, within: float = 60.0) -> dict[str, int]:
        """Wait until every delivery is final and say how many are in which state."""

        async def all_final() -> bool:
            return all(State(delivery.state).final for delivery in await self.deliveries())

        await eventually(all_final, within)
        return Counter(delivery.state for delivery in await self.deliveries())

    async def stop(self, grace: float = 5.0) -> None:
        """Do what the runtime does at the end."""
        for task in self.running:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.gather(*(worker.finish(grace) for worker in self.workers))

    async def deliveries(self) -> list[DeliveryView]:
        return await self.ledger.list_deliveries(Filter(limit=1000))

    async def count(self, state: str) -> int:
        return len(await self.ledger.list_deliveries(Filter(state=state, limit=1000)))

    async def only_delivery(self) -> DeliveryView:
        (delivery,) = await self.deliveries()
        return delivery

    async def only_file(self) -> FileView:
        (file,) = await self.ledger.list_files(Filter())
        return file

    async def attempts(self) -> list[AttemptView]:
        return await self.ledger.list_attempts((await self.only_delivery()).id)

    async def events(self, kind: str = "") -> list[Event]:
        events = await self.ledger.events_after(0, 10_000)
        return [event for event in events if event.type.startswith(kind)]


@asynccontextmanager
async def make_house(directory: Path, retention: Retention = FOR_EVER) -> AsyncIterator[House]:
    spool = Spool(directory / "spool")
    threads = Threads("spool", 4)
    admission = Admission(spool, max_size=None, reserve=0, threads=threads)
    clock = Clock()
    ledger = MoodyLedger(
        directory / "ledger.sqlite3",
        spool_id=SPOOL_ID,
        clock=clock,
        retention=retention,
        synchronous="off",
    )
    house = House(ledger, spool, admission, SpoolKeeper(spool, admission, ledger, threads), clock)
    try:
        yield house
    finally:
        await house.stop(grace=0.1)
        await ledger.close()
        threads.close()
        spool.close()


def be_quick(monkeypatch: Any) -> None:
    """Shorten the waits that people would not notice to be shorter."""
    monkeypatch.setattr(health, "_FIRST_PROBE", 0.02)
    monkeypatch.setattr(health, "_LAST_PROBE", 0.64)
    monkeypatch.setattr(health, "_CLOSING", 0.2)
    monkeypatch.setattr(workers, "_LETTING_GO", 0.2)
    monkeypatch.setattr(workers, "_LEDGER_RETRY", 0.02)


async def eventually(
    condition: Callable[[], Awaitable[bool]], within: float = 60.0, every: float = 0.01
) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - no event tells what ledger and disk hold
            await asyncio.sleep(every)


async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()
