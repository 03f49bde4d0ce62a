"""Planning: from events to notifications, each exactly once.

How far the log is planned for a notifier is kept in the ledger, and moves in the transaction that
writes the notifications: a crash neither repeats nor skips one. What nobody wants costs no write.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from sinkwell.bus.feed import Entry, Feed, FeedClosedError, Log
from sinkwell.bus.interest import Interest
from sinkwell.bus.model import Outbox, Plan
from sinkwell.clock import Clock
from sinkwell.outage import LedgerUnavailableError

_SAVE_AFTER = 5000
"""After how many events that nobody wants the place in the log is kept all the same."""
_LEDGER_RETRY = 1.0

log = structlog.get_logger()


class Planner:
    """Plans notifications for all notifiers."""

    def __init__(
        self,
        feed: Feed,
        log_of_events: Log,
        outbox: Outbox,
        interests: Mapping[str, Interest],
        planned: Callable[[str], None],
        clock: Clock,
    ) -> None:
        """Tell ``planned`` the names of notifiers for which there is something to do."""
        self._feed = feed
        self._log = log_of_events
        self._outbox = outbox
        self._interests = interests
        self._planned = planned
        self._clock = clock
        self._cursors: dict[str, int] = {}
        self._unsaved = 0

    async def open(self) -> None:
        """Find each notifier's place; a new one is told of what happens from here on."""
        self._cursors = {name: await self._log.open_cursor(name) for name in self._interests}

    async def run(self) -> None:
        """Plan until cancelled, or until Sinkwell ends."""
        if not self._interests:
            return
        while True:
            try:
                await self.open()
                await self._follow()
            except FeedClosedError:
                return
            except LedgerUnavailableError as error:
                log.warning("the ledger is away; notifications wait", error=str(error))
                await asyncio.sleep(_LEDGER_RETRY)

    async def finish(self) -> None:
        """Plan what the log still holds."""
        if not self._interests:
            return
        while entries := await self._feed.now_after(min(self._cursors.values())):
            await self._plan(entries)

    async def _follow(self) -> None:
        while True:
            await self._plan(await self._feed.after(min(self._cursors.values())))

    async def _plan(self, entries: Sequence[Entry]) -> None:
        wanted = [
            (name, entry.event)
            for entry in entries
            for name, interest in self._interests.items()
            if entry.event.position > self._cursors[name] and interest.wants(entry.event)
        ]
        last = entries[-1].event.position
        cursors = {name: max(position, last) for name, position in self._cursors.items()}
        self._unsaved += len(entries)
        if wanted or self._unsaved >= _SAVE_AFTER:
            await self._outbox.plan(Plan(wanted, cursors, self._clock.now()))
            self._unsaved = 0
        self._cursors = cursors
        for name in {name for name, _ in wanted}:
            self._planned(name)
