"""The relay: tells notifiers that are local, as a log is, what they asked for, in order.

Such a notifier has no notifications on record. Its place in the event log is kept in the ledger,
after it was told, so a crash may repeat events but never skips one. Each has a follower of its
own: one that is slow or broken delays no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from sinkwell.bus.feed import Entry, Feed, FeedClosedError, Log
from sinkwell.bus.interest import Interest
from sinkwell.calls import within
from sinkwell.contract import Event, Notifier, RejectedError, SinkError, TransientError
from sinkwell.outage import LedgerUnavailableError

_SAVE_AFTER = 1.0
_FIRST_WAIT, _LAST_WAIT = 1.0, 300.0
_LONGEST_CALL = 60.0
_CLOSING = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listener:
    """A configured notifier and the events that it wants."""

    name: str
    open: Callable[[], Awaitable[Notifier]]
    interest: Interest


class Relay:
    """Follows the log for all listeners."""

    def __init__(self, feed: Feed, log_of_events: Log, listeners: list[Listener]) -> None:
        self._followers = [_Follower(feed, log_of_events, listener) for listener in listeners]

    async def open(self) -> None:
        """Find each listener's place; a new one is told of what happens from here on."""
        for follower in self._followers:
            await follower.find_place()

    async def run(self) -> None:
        """Follow the log until cancelled, or until Sinkwell ends."""
        async with asyncio.TaskGroup() as group:
            for follower in self._followers:
                group.create_task(follower.follow())

    async def finish(self, grace: float) -> None:
        """Tell what the log still holds, within ``grace`` seconds, and close the notifiers."""
        await asyncio.gather(*(follower.finish(grace) for follower in self._followers))


class _Follower:
    """One notifier, and how far it has been told."""

    def __init__(self, feed: Feed, log_of_events: Log, listener: Listener) -> None:
        self._feed = feed
        self._log = log_of_events
        self._listener = listener
        self._notifier: Notifier | None = None
        self._told = self._saved = 0
        self._save_at = 0.0

    async def find_place(self) -> None:
        self._told = self._saved = await self._log.open_cursor(self._listener.name)

    async def follow(self) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                if entries := await self._news():
                    await self._tell_all(entries)
                await self._save_now_and_then()
            except FeedClosedError:
                return
            except Exception as error:  # noqa: BLE001 - a plugin's bug must not end its neighbours
                self._warn("notifications wait", error)
                await asyncio.sleep(wait)
                wait = min(_LAST_WAIT, wait * 2)
            else:
                wait = _FIRST_WAIT

    async def finish(self, grace: float) -> None:
        try:
            await within(grace, self._tell_the_rest())
        except Exception as error:  # noqa: BLE001 - it is told after the next start
            self._warn("some events are told after the next start", error)
        if self._notifier is None:
            return
        try:
            await within(_CLOSING, self._notifier.close())
        except Exception as error:  # noqa: BLE001 - a plugin's bug must not keep us from ending
            self._warn("a notifier could not be closed", error)

    async def _tell_the_rest(self) -> None:
        while entries := await self._feed.now_after(self._told):
            await self._tell_all(entries)
        await self._save()

    def _warn(self, what: str, error: Exception) -> None:
        ours = isinstance(error, LedgerUnavailableError | SinkError)
        text = str(error) if ours else f"it raised {type(error).__name__}"
        log.warning(what, notifier=self._listener.name, error=text)

    async def _news(self) -> list[Entry]:
        """Wait for news; return none when it is time to keep how far the notifier was told."""
        deadline = None if self._told == self._saved else self._save_at
        try:
            async with asyncio.timeout_at(deadline):
                return await self._feed.after(self._told)
        except TimeoutError:
            return []

    async def _tell_all(self, entries: list[Entry]) -> None:
        if self._notifier is None:
            self._notifier = await within(_LONGEST_CALL, self._listener.open())
        for entry in entries:
            if self._listener.interest.wants(entry.event):
                await self._tell(self._notifier, entry.event)
            self._told = entry.event.position

    async def _save_now_and_then(self) -> None:
        """Keep how far the notifier was told, but not at each event: that is a commit.

        Until then a crash repeats some events, which a notifier must bear in any case.
        """
        if asyncio.get_running_loop().time() >= self._save_at:
            await self._save()

    async def _save(self) -> None:
        if self._told != self._saved:
            await self._log.move_cursor(self._listener.name, self._told)
            self._saved = self._told
        self._save_at = asyncio.get_running_loop().time() + _SAVE_AFTER

    async def _tell(self, notifier: Notifier, event: Event) -> None:
        """Tell one event, as often as it takes; only what the notifier rejects is passed over."""
        name = self._listener.name
        wait = _FIRST_WAIT
        while True:
            try:
                await within(_LONGEST_CALL, notifier.notify(event))
            except RejectedError as error:
                log.error(
                    "a notifier rejects an event",
                    notifier=name,
                    event_id=event.id,
                    error=str(error),
                )
            except SinkError as error:
                asked = error.retry_after if isinstance(error, TransientError) else None
                log.warning(
                    "a notification failed and is tried again",
                    notifier=name,
                    event_id=event.id,
                    error=str(error),
                )
                await asyncio.sleep(max(wait, asked or 0.0))
                wait = min(_LAST_WAIT, wait * 2)
                continue
            except Exception as error:  # noqa: BLE001 - a plugin's bug costs its own event, no more
                log.error(
                    "a notifier broke the contract",
                    notifier=name,
                    event_id=event.id,
                    error=type(error).__name__,
                )
            return
