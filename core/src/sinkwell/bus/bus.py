"""The bus as the rest of Sinkwell sees it: one feed, and a listener for each notifier."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass

import structlog

from sinkwell.bus.feed import Feed, Log
from sinkwell.bus.interest import Interest
from sinkwell.bus.keeper import EventKeeper
from sinkwell.bus.model import Outbox
from sinkwell.bus.planner import Planner
from sinkwell.bus.relay import Listener, Relay
from sinkwell.bus.worker import NotifierPlan, NotifierWorker
from sinkwell.calls import within
from sinkwell.clock import Clock
from sinkwell.contract import Event
from sinkwell.contract.events import NotifierTest
from sinkwell.ids import new_id

log = structlog.get_logger()

Run = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class ConfiguredNotifier:
    """A section ``[notifiers.NAME]``."""

    plan: NotifierPlan
    type: str
    interest: Interest
    recorded: bool
    public_keys: Sequence[str] = ()
    """By which others can tell what it sent, where it signs with private ones."""

    @property
    def name(self) -> str:
        return self.plan.name


class Bus:
    """Tells of events: live to whoever follows the feed, and to all notifiers."""

    def __init__(
        self,
        log: Log,
        outbox: Outbox,
        notifiers: Sequence[ConfiguredNotifier],
        clock: Clock,
        *,
        retention: float,
    ) -> None:
        self.feed = Feed(log)
        self.notifiers = {each.name: each for each in notifiers}
        recorded = [each for each in notifiers if each.recorded]
        self.workers = {each.name: NotifierWorker(each.plan, outbox, clock) for each in recorded}
        self._relay = Relay(
            self.feed,
            log,
            [
                Listener(each.name, each.plan.open, each.interest)
                for each in notifiers
                if not each.recorded
            ],
        )
        interests = {each.name: each.interest for each in recorded}
        self._planner = Planner(self.feed, log, outbox, interests, self.wake, clock)
        self._keeper = EventKeeper(outbox, list(self.notifiers), retention)
        self._clock = clock

    def wake(self, notifier: str) -> None:
        """Have a notifier's worker look for due notifications now, if there is one."""
        if worker := self.workers.get(notifier):
            worker.wake()

    async def open(self) -> None:
        """Find each notifier's place in the log; a new one is told of what happens from here on."""
        await self._relay.open()
        await self._planner.open()

    def parts(self) -> Iterator[tuple[str, Run]]:
        """Yield what must be kept running, by name."""
        yield "relay", self._relay.run
        yield "planner", self._planner.run
        yield "event keeper", self._keeper.run
        for name, worker in self.workers.items():
            yield f"worker of notifier {name}", worker.run

    def end_streams(self) -> None:
        """Let go of those who follow the feed, as Sinkwell ends; what is left is still planned."""
        self.feed.close()

    async def finish(self, grace: float) -> None:
        """Give what is under way ``grace`` seconds, hand back the rest, close all notifiers."""
        self.end_streams()
        try:
            await within(grace, self._planner.finish())
        except Exception as error:  # noqa: BLE001 - it is planned after the next start
            log.warning("some notifications are planned after the next start", error=str(error))
        workers = (worker.finish(grace) for worker in self.workers.values())
        await asyncio.gather(self._relay.finish(grace), *workers)

    async def test(self, name: str) -> Event:
        """Tell a notifier, opened for this alone, of an event that is on no record; return it.

        Raises what the notifier raises.
        """
        plan = self.notifiers[name].plan
        event = Event(
            position=0,
            id=new_id("e"),
            type=NotifierTest.TYPE,
            time=self._clock.now(),
            subject=name,
            data=NotifierTest(notifier=name),
        )
        notifier = await within(plan.timeout, plan.open())
        try:
            await within(plan.timeout, notifier.notify(event))
        finally:
            await within(plan.timeout, notifier.close())
        return event
