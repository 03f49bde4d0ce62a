"""The relay: reads the event log in order and tells each notifier what it asked for.

A notifier's place in the log is kept in the ledger, after it was told, so a crash may repeat
events but never skips one. Each notifier has a follower of its own: one that is slow or dead
delays no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import structlog

from sinkwell.calls import within
from sinkwell.contract import Event, Notifier, RejectedError, SinkError, TransientError
from sinkwell.outage import LedgerUnavailableError

_AT_ONCE = 500
_COALESCE = 0.05
_SAVE_AFTER = 1.0
_FIRST_WAIT, _LAST_WAIT = 1.0, 300.0
_LONGEST_CALL = 60.0
_CLOSING = 2.0

log = structlog.get_logger()


class Log(Protocol):
    """The ledger's event log, as the relay sees it."""

    async def open_cursor(self, notifier: str) -> int:
        """Return how far a notifier has been told."""
        ...

    async def move_cursor(self, notifier: str, position: int) -> None:
        """Note how far a notifier has been told."""
        ...

    async def events_after(self, position: int, most: int) -> list[Event]:
        """Return events that follow a position, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A configured notifier and the event types that it wants."""

    name: str
    open: Callable[[], Awaitable[Notifier]]
    events: tuple[str, ...]

    def wants(self, event: Event) -> bool:
        """Tell whether the notifier asked for events of this type."""
        return any(fnmatchcase(event.type, pattern) for pattern in self.events)


class Relay:
    """Follows the log for all listeners."""

    def __init__(self, log_of_events: Log, listeners: list[Listener]) -> None:
        self._followers = [_Follower(log_of_events, listener) for listener in listeners]

    def wake(self) -> None:
        """Look for new events now."""
        for follower in self._followers:
            follower.woken.set()

    async def open(self) -> None:
        """Find each listener's place; a new one is told of what happens from here on."""
        for follower in self._followers:
            await follower.find_place()

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with asyncio.TaskGroup() as group:
            for follower in self._followers:
                group.create_task(follower.follow())

    async def finish(self, grace: float) -> None:
        """Tell what the log still holds, within ``grace`` seconds, and close the notifiers."""
        await asyncio.gather(*(follower.finish(grace) for follower in self._followers))


class _Follower:
    """One notifier, and how far it has been told."""

    def __init__(self, log_of_events: Log, listener: Listener) -> None:
        self.woken = asyncio.Event()
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
                self.woken.clear()
                await self._tell_pending()
                await self._until_news()
            except Exception as error:  # noqa: BLE001 - a plugin's bug must not end its neighbours
                self._warn("notifications wait", error)
                await asyncio.sleep(wait)
                wait = min(_LAST_WAIT, wait * 2)
            else:
                wait = _FIRST_WAIT
                await asyncio.sleep(_COALESCE)

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
        await self._tell_pending()
        await self._save()

    def _warn(self, what: str, error: Exception) -> None:
        ours = isinstance(error, LedgerUnavailableError | SinkError)
        text = str(error) if ours else f"it raised {type(error).__name__}"
        log.warning(what, notifier=self._listener.name, error=text)

    async def _tell_pending(self) -> None:
        if self._notifier is None:
            self._notifier = await within(_LONGEST_CALL, self._listener.open())
        while events := await self._log.events_after(self._told, _AT_ONCE):
            for event in events:
                if self._listener.wants(event):
                    await self._tell(self._notifier, event)
                self._told = event.position
            if asyncio.get_running_loop().time() >= self._save_at:
                await self._save()

    async def _until_news(self) -> None:
        """Wait for news, and now and then keep how far the notifier was told.

        Until then a crash repeats some events, which a notifier must bear in any case. Keeping
        it after each batch would cost every callback a commit.
        """
        if self._told != self._saved:
            try:
                async with asyncio.timeout_at(self._save_at):
                    await self.woken.wait()
            except TimeoutError:
                await self._save()
        await self.woken.wait()

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
