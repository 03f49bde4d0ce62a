"""One sink's worker: claims what is due, attempts it, settles it, and minds the sink's health.

Every sink has a worker of its own, with threads and slots of its own, so a sink that is slow,
dead or broken delays no other.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from sinkwell.calls import to_its_end, within
from sinkwell.clock import Clock
from sinkwell.contract import IfPresent, Receipt, Sink, TransientError, UnusableError
from sinkwell.delivery import decide
from sinkwell.delivery.health import SinkHealth
from sinkwell.delivery.model import Lease, Outcome, Queue, Settlement, Store
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.outage import LedgerUnavailableError

_LEASE_MARGIN = 30.0
_LEDGER_RETRY = 1.0
_LONGEST_SLEEP = 60.0
_LETTING_GO = 2.0
_GATHERING = 0.05

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """What a worker must know of its sink."""

    name: str
    open: Callable[[], Awaitable[Sink]]
    if_present: IfPresent
    concurrency: int
    timeout: float


class SinkWorker:
    """Delivers to one sink until it is stopped."""

    def __init__(
        self, plan: SinkPlan, queue: Queue, store: Store, policy: RetryPolicy, clock: Clock
    ) -> None:
        self.plan = plan
        self.health = SinkHealth(plan.name, plan.open, plan.timeout, queue, clock)
        self._queue = queue
        self._store = store
        self._policy = policy
        self._clock = clock
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._free = plan.concurrency
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._backlog = True
        """Whether more may be due than was claimed: until the first claim, and while it is busy."""
        self._patience: asyncio.TimerHandle | None = None
        """Rings when a backlog has waited long enough for more slots."""
        self._stopping = False

    def wake(self) -> None:
        """Look for due deliveries now."""
        self._wake.set()

    def reserve(self) -> float | None:
        """Hold a slot for a delivery that is about to be recorded, where one is free.

        Returns for how long to lease it, in seconds. Then ``begin`` must follow, or ``cancel``.
        Returns None while the sink does not work, is busy, or has older deliveries due.
        """
        if self._backlog or not self._free or self._stopping or self.health.sink is None:
            return None
        self._free -= 1
        return self.plan.timeout + _LEASE_MARGIN

    def cancel(self) -> None:
        """Give a reserved slot back."""
        self._release_slot()

    def begin(self, lease: Lease) -> None:
        """Attempt a delivery in a slot that is held for it."""
        task = asyncio.create_task(self._work(lease))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def run(self) -> None:
        """Work until cancelled; ``finish`` then ends what is under way."""
        while True:
            try:
                self._wake.clear()
                await self.health.until_it_works()
                next_due = await to_its_end(self._claim())
            except LedgerUnavailableError as error:
                log.warning(
                    "the ledger is away; deliveries wait", sink=self.plan.name, error=str(error)
                )
                await asyncio.sleep(_LEDGER_RETRY)
                continue
            await self._sleep(next_due)

    async def finish(self, grace: float) -> None:
        """Give running attempts ``grace`` seconds, hand back what is left, close the sink."""
        self._stopping = True
        await self._await_tasks(grace)
        for task in self._tasks:
            task.cancel()
        await self._await_tasks(_LETTING_GO)
        await self.health.close()

    async def _await_tasks(self, longest: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=longest)

    async def _claim(self) -> float | None:
        """Start attempts for what is due; return when more is, None when a slot must end first."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._backlog = True
        held, self._free = self._free, 0
        claimed = 0
        try:
            if not held:
                return None
            claims = await self._queue.claim(
                self.plan.name, limit=held, lease_for=self.plan.timeout + _LEASE_MARGIN
            )
            claimed = len(claims.leases)
            self._backlog = claimed == held
        finally:
            self._free += held - claimed
        for lease in claims.leases:
            self.begin(lease)
        return claims.next_due

    def _release_slot(self) -> None:
        """Free a slot. A backlog is claimed by half the slots at a time, as a claim is a commit.

        Where the others take long, by those that are free.
        """
        self._free += 1
        if not self._backlog:
            return
        if 2 * self._free >= self.plan.concurrency:
            self._wake.set()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(_GATHERING, self.wake)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("an attempt broke; its lease runs out", sink=self.plan.name, exc_info=error)

    async def _sleep(self, next_due: float | None) -> None:
        wait = _LONGEST_SLEEP
        if next_due is not None:
            wait = min(wait, max(0.0, next_due - self._clock.now()))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _work(self, lease: Lease) -> None:
        sink = self.health.sink
        if sink is None:  # paused since the slot was held: nothing is tried
            self._release_slot()
            await self._queue.hand_back(lease)
            return
        try:
            settlement = await self._attempt(sink, lease)
        except asyncio.CancelledError:
            await self._queue.hand_back(lease)
            raise
        finally:
            self._release_slot()
        if settlement is None:
            return
        match settlement.attempt.outcome:
            case Outcome.UNUSABLE:
                self.health.pause(settlement.attempt.error or "")
                self._wake.set()
            case Outcome.STORED:
                self.health.worked()
        await self._settle(settlement)

    async def _attempt(self, sink: Sink, lease: Lease) -> Settlement | None:
        """Put the file; None when the spool had lost it, which settles all its deliveries."""
        started_at = self._clock.now()
        try:
            receipt = await self._put(sink, lease)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is settled
            if await self._lost(lease, error):
                return None
            return decide.failed(
                lease,
                error,
                started_at=started_at,
                now=self._clock.now(),
                schedule=self._policy,
                rng=self._rng,
            )
        return decide.stored(lease, receipt, started_at=started_at, now=self._clock.now())

    async def _put(self, sink: Sink, lease: Lease) -> Receipt:
        decide.refuse_endless_interruption(
            interrupted=lease.interrupted, attempts=lease.attempts, schedule=self._policy
        )
        blob = self._store.blob(lease.file)
        putting = sink.put(blob, lease.key, if_present=self._if_present(lease))
        receipt = await within(self.plan.timeout, putting)
        decide.verify_receipt(lease, receipt)
        return receipt

    def _if_present(self, lease: Lease) -> IfPresent:
        if self.plan.if_present is IfPresent.REFUSE and lease.repeated:
            return IfPresent.KEEP_IF_SAME
        return self.plan.if_present

    async def _lost(self, lease: Lease, error: Exception) -> bool:
        """Find out whether the spool is to blame for what a sink raised."""
        if isinstance(error, TransientError | UnusableError) and self._store.exists(lease.file):
            return False
        damage = await self._store.set_aside_if_damaged(lease.file)
        if damage is None:
            return False
        await self._queue.lose_file(lease.file.file_id, f"the spool's copy is damaged: {damage}")
        return True

    async def _settle(self, settlement: Settlement) -> None:
        """Write the outcome, however long the ledger is away: the lease decides if it counts."""
        while True:
            try:
                settled = await self._queue.settle(settlement)
                break
            except LedgerUnavailableError as error:
                log.warning(
                    "the ledger is away; an outcome waits", sink=self.plan.name, error=str(error)
                )
                await asyncio.sleep(_LEDGER_RETRY)
        if not settled.valid:
            log.warning(
                "a lease had run out before its attempt ended",
                sink=self.plan.name,
                delivery=settlement.lease.delivery_id,
            )
        elif settled.released:
            self._store.release(settlement.lease.file)
        if settlement.due_at is not None:
            wait = max(0.0, settlement.due_at - self._clock.now())
            asyncio.get_running_loop().call_later(wait, self.wake)
