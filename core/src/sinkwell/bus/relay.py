"""The relay: reads the event log in order and tells each notifier what it asked for.

A notifier's place in the log is kept in the ledger and moved after it was told, so a crash may
repeat events but never skips one. Each notifier has a task of its own: one that is slow or dead
delays no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

import structlog

from sinkwell.contract import Event, Notifier, RejectedError, SinkError, TransientError
from sinkwell.outage import LedgerUnavailableError

_AT_ONCE = 500
_COALESCE = 0.05
_FIRST_WAIT, _LAST_WAIT = 1.0, 300.0

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
        self._log = log_of_events
        self._listeners = listeners
        self._notifiers: dict[str, Notifier] = {}
        self._positions: dict[str, int] = {}
        self._wakes = {listener.name: asyncio.Event() for listener in listeners}

    def wake(self) -> None:
        """Look for new events now."""
        for event in self._wakes.values():
            event.set()

    async def open(self) -> None:
        """Find each listener's place; a new one is told of what happens from here on."""
        for listener in self._listeners:
            self._positions[listener.name] = await self._log.open_cursor(listener.name)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(self._follow(listener))

    async def finish(self, grace: float) -> None:
        """Tell what the log still holds, within ``grace`` seconds, and close the notifiers."""
        try:
            async with asyncio.timeout(grace), asyncio.TaskGroup() as group:
                for listener in self._listeners:
                    if listener.name in self._notifiers:
                        group.create_task(self._tell_pending(listener))
        except TimeoutError:
            log.warning("some events are told after the next start")
        for notifier in self._notifiers.values():
            await notifier.close()

    async def _follow(self, listener: Listener) -> None:
        wake = self._wakes[listener.name]
        wait = _FIRST_WAIT
        while True:
            try:
                if listener.name not in self._notifiers:
                    self._notifiers[listener.name] = await listener.open()
                wake.clear()
                await self._tell_pending(listener)
            except (LedgerUnavailableError, SinkError) as error:
                log.warning("notifications wait", notifier=listener.name, error=str(error))
                await asyncio.sleep(wait)
                wait = min(_LAST_WAIT, wait * 2)
                continue
            wait = _FIRST_WAIT
            await wake.wait()
            await asyncio.sleep(_COALESCE)

    async def _tell_pending(self, listener: Listener) -> None:
        name = listener.name
        while events := await self._log.events_after(self._positions[name], _AT_ONCE):
            for event in events:
                if listener.wants(event):
                    await self._tell(name, event)
                self._positions[name] = event.position
            await self._log.move_cursor(name, self._positions[name])

    async def _tell(self, name: str, event: Event) -> None:
        """Tell one event, as often as it takes; only what the notifier rejects is passed over."""
        wait = _FIRST_WAIT
        while True:
            try:
                await self._notifiers[name].notify(event)
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
