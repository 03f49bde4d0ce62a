"""One notifier's worker: claims the notifications that are due, makes the calls, settles them.

Every notifier has a worker of its own, so one that is slow, dead or broken delays no other.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from sinkwell.bus import decide
from sinkwell.bus.decide import Terms
from sinkwell.bus.model import (
    NotificationClaim,
    NotificationLease,
    NotificationSettlement,
    Outbox,
)
from sinkwell.bus.rest import Rest
from sinkwell.calls import to_its_end, within
from sinkwell.clock import Clock
from sinkwell.contract import BatchingNotifier, Event, GoneError, Notifier, NotifierBatch
from sinkwell.delivery.decide import classify, refuse_endless_interruption
from sinkwell.outage import LedgerUnavailableError

_LEASE_MARGIN = 30.0
_LEDGER_RETRY = 1.0
_LONGEST_SLEEP = 60.0
_GATHERING = 0.05
_OPENING, _CLOSING, _LETTING_GO = 60.0, 2.0, 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NotifierPlan:
    """What a worker must know of its notifier."""

    name: str
    open: Callable[[], Awaitable[Notifier]]
    concurrency: int
    timeout: float
    terms: Terms
    ordered: bool = False
    batch: NotifierBatch | None = None
    prepare: Callable[[Event], Awaitable[Event]] | None = None
    """Adds to an event, before each attempt, what this notifier wants beside it."""


class NotifierWorker:
    """Tells one notifier until it is stopped."""

    def __init__(self, plan: NotifierPlan, outbox: Outbox, clock: Clock) -> None:
        self.plan = plan
        self.disabled: str | None = None
        """Why nothing is told until someone enables it; None while it is enabled."""
        self._outbox = outbox
        self._clock = clock
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._notifier: Notifier | None = None
        self._rest = Rest()
        self._unsure = True
        """Whether it may have been disabled since that was last looked up."""
        self._free = plan.concurrency
        self._wake = asyncio.Event()
        self._patience: asyncio.TimerHandle | None = None
        """Rings when what is due has waited long enough for more slots."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def trouble(self) -> str | None:
        """Why nothing is told just now; None while it works."""
        return self.disabled or self._rest.reason

    def wake(self) -> None:
        """Look for due notifications now."""
        self._wake.set()

    def enable(self) -> None:
        """Begin anew, as if nothing had failed."""
        self._unsure = True
        self._rest.end()
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; ``finish`` then ends what is under way."""
        while True:
            try:
                self._wake.clear()
                next_due = None
                if await self._enabled():
                    await self._rest.over()
                    if await self._opened():
                        next_due = await to_its_end(self._claim())
            except LedgerUnavailableError as error:
                self._warn("the ledger is away; notifications wait", error)
                await asyncio.sleep(_LEDGER_RETRY)
                continue
            await self._sleep(next_due)

    async def finish(self, grace: float) -> None:
        """Give running calls ``grace`` seconds, hand back what is left, close the notifier."""
        await self._await_tasks(grace)
        for task in self._tasks:
            task.cancel()
        await self._await_tasks(_LETTING_GO)
        if self._notifier is None:
            return
        try:
            await within(_CLOSING, self._notifier.close())
        except Exception as error:  # noqa: BLE001 - a plugin's bug must not keep us from ending
            self._warn("a notifier could not be closed", error)

    async def _await_tasks(self, longest: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=longest)

    async def _enabled(self) -> bool:
        if self._unsure:
            trouble = (await self._outbox.troubles()).get(self.plan.name)
            self.disabled = trouble.reason if trouble and trouble.disabled_at else None
            self._unsure = False
        return self.disabled is None

    async def _opened(self) -> bool:
        """Open the notifier, if it is not; where that fails, rest."""
        if self._notifier is None:
            try:
                self._notifier = await within(_OPENING, self.plan.open())
            except Exception as error:  # noqa: BLE001 - a plugin's bug stops its notifier, no more
                self._warn("a notifier could not be opened", error)
                self._rest.begin(classify(error)[1])
                self._wake.set()
        return self._notifier is not None

    async def _claim(self) -> float | None:
        """Start calls for what is due; return when more is, None when a slot must end first."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        held, self._free = self._free, 0
        used = 0
        try:
            # One that does not work is asked by one call whether it does again.
            limit = min(held, 1) if self._rest.reason else held
            if not limit:
                return None
            wanted = NotificationClaim(
                notifier=self.plan.name,
                now=self._clock.now(),
                limit=limit,
                lease_for=self.plan.timeout + _LEASE_MARGIN,
                ordered=self.plan.ordered,
                batch=self.plan.batch,
            )
            claims = await self._outbox.claim(wanted)
            calls = [claims.leases] if self.plan.batch else [(each,) for each in claims.leases]
            for leases in filter(None, calls):
                used += 1
                self._begin(leases)
            if self.plan.batch and used:
                self._wake.set()
        finally:
            self._free += held - used
        return claims.next_due

    def _begin(self, leases: Sequence[NotificationLease]) -> None:
        task = asyncio.create_task(self._work(leases))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a call broke; its lease runs out", notifier=self.plan.name, exc_info=error)

    async def _work(self, leases: Sequence[NotificationLease]) -> None:
        try:
            settlements = await self._attempt(leases)
        except asyncio.CancelledError:
            await self._outbox.hand_back(leases)
            raise
        finally:
            self._release_slot()
        await self._settle(settlements)

    def _release_slot(self) -> None:
        """Give a slot back; what is due is claimed for several at once, as a claim is a commit."""
        self._free += 1
        if self._free * 2 >= self.plan.concurrency:
            self.wake()
        elif self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(_GATHERING, self.wake)

    async def _attempt(
        self, leases: Sequence[NotificationLease]
    ) -> Sequence[NotificationSettlement]:
        started_at = self._clock.now()
        terms = self.plan.terms
        try:
            for lease in leases:
                refuse_endless_interruption(
                    interrupted=lease.interrupted,
                    attempts=lease.attempts,
                    schedule=terms.schedule,
                )
            await within(self.plan.timeout, self._call([lease.event for lease in leases]))
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is settled
            self._rest.after(error)
            if isinstance(error, GoneError):
                self.disabled = classify(error)[1]  # as the ledger will have it in a moment
            now, rng = self._clock.now(), self._rng
            return decide.failed_together(
                leases, error, terms, started_at=started_at, now=now, rng=rng
            )
        self._rest.worked()
        now = self._clock.now()
        return [decide.sent(lease, terms, started_at=started_at, now=now) for lease in leases]

    async def _call(self, events: Sequence[Event]) -> None:
        notifier = self._notifier
        if (prepare := self.plan.prepare) is not None:
            events = [await prepare(event) for event in events]
        if self.plan.batch is not None and isinstance(notifier, BatchingNotifier):
            await notifier.notify_batch(events)
        elif notifier is not None:
            for event in events:
                await notifier.notify(event)

    async def _settle(self, settlements: Sequence[NotificationSettlement]) -> None:
        """Write the outcomes, however long the ledger is away: the lease decides if they count."""
        while True:
            try:
                valid = await self._outbox.settle(settlements)
                break
            except LedgerUnavailableError as error:
                self._warn("the ledger is away; an outcome waits", error)
                await asyncio.sleep(_LEDGER_RETRY)
        if not all(valid):
            log.warning("a lease had run out before its call ended", notifier=self.plan.name)
        self._unsure = any(each.outcome is not None for each in settlements) or self._unsure
        if self.plan.ordered or self._unsure:
            self.wake()

    async def _sleep(self, next_due: float | None) -> None:
        wait = _LONGEST_SLEEP
        if next_due is not None:
            wait = min(wait, max(0.0, next_due - self._clock.now()))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    def _warn(self, what: str, error: Exception) -> None:
        ours = isinstance(error, LedgerUnavailableError)
        text = str(error) if ours else classify(error)[1]
        log.warning(what, notifier=self.plan.name, error=text)
