"""The event log as those who follow it see it: one reader for all of them.

Whoever follows keeps a position and asks for what comes after it. At the end of the log all share
what was read once; one that is slower than the log reads on from the ledger, at its own pace. So
nothing waits in memory for anybody, and nobody waits for a slow one.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import msgspec

from sinkwell.bus.interest import Interest
from sinkwell.contract import Event

_KEPT = 2000
_AT_ONCE = 500
_READ_EVERY = 0.05
"""How long, in seconds, a read gathers what many commits write."""


class Log(Protocol):
    """The ledger's event log, as the bus sees it."""

    async def open_cursor(self, notifier: str) -> int:
        """Return how far a notifier has been told or planned for; a new one begins at the end."""
        ...

    async def move_cursor(self, notifier: str, position: int) -> None:
        """Note how far a notifier has been told."""
        ...

    async def events_after(self, position: int, most: int) -> list[Event]:
        """Return events that follow a position, in order."""
        ...

    async def events_matching(
        self, position: int, most: int, types: Sequence[str], words: Sequence[str]
    ) -> list[Event]:
        """Return events that follow a position, in order, of these types and with such a text."""
        ...

    async def last_position(self) -> int:
        """Return the position of the newest event, 0 where there is none."""
        ...


class FeedClosedError(Exception):
    """Sinkwell ends: nothing more comes."""


class Entry:
    """An event, and its JSON once someone has asked for it."""

    __slots__ = ("_json", "event")

    def __init__(self, event: Event) -> None:
        self.event = event
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The event as JSON, made once for all."""
        if self._json is None:
            self._json = msgspec.json.encode(self.event.as_dict())
        return self._json


class Feed:
    """What follows each position of the log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kept: list[Entry] = []
        self._newest = 0
        """Position of the last entry kept, or of the one before the first to be kept."""
        self._reading = asyncio.Lock()
        self._read_at = 0.0
        self._bell = asyncio.Event()
        self._closed = False

    def wake(self) -> None:
        """Note that events were committed."""
        self._bell.set()
        self._bell = asyncio.Event()

    def close(self) -> None:
        """Have everyone who waits, or asks from now on, get a ``FeedClosedError``."""
        self._closed = True
        self.wake()

    async def end(self) -> int:
        """Return the position of the newest event."""
        return await self._log.last_position()

    async def after(self, position: int) -> list[Entry]:
        """Return some events that follow a position, in order, as soon as there are any.

        Where retention has removed what followed, the first one is further on than the next
        position. Raises ``FeedClosedError`` when Sinkwell ends.
        """
        while not self._closed:
            bell = self._bell
            if entries := await self.now_after(position):
                return entries
            await bell.wait()
            await asyncio.sleep(self._read_at + _READ_EVERY - asyncio.get_running_loop().time())
        raise FeedClosedError

    async def now_after(self, position: int) -> list[Entry]:
        """Return some events that follow a position, in order; none at the end of the log."""
        if position >= self._newest:
            async with self._reading:
                if position >= self._newest:  # nobody has read on meanwhile
                    return await self._read_on(position)
        before = self._newest - len(self._kept)
        if position < before:
            return await self._read(position)
        return self._kept[position - before : position - before + _AT_ONCE]

    async def matching(self, position: int, interest: Interest) -> tuple[list[Entry], int]:
        """Return some events that follow a position and match, and how far the log was looked at.

        Where that is no further than the position, there is nothing more.
        """
        end = await self.end()
        far_back = end - position > _AT_ONCE
        if far_back:
            entries = await self._read_matching(position, interest)
        else:
            entries = await self.now_after(position)  # perhaps not all of them at once
        looked_to = entries[-1].event.position if entries else position
        if far_back and len(entries) < _AT_ONCE:
            looked_to = max(looked_to, end)
        return [entry for entry in entries if interest.wants(entry.event)], looked_to

    async def _read_matching(self, position: int, interest: Interest) -> list[Entry]:
        types, words = sorted(interest.types), interest.words
        events = await self._log.events_matching(position, _AT_ONCE, types, words)
        return [Entry(event) for event in events]

    async def _read(self, position: int) -> list[Entry]:
        return [Entry(event) for event in await self._log.events_after(position, _AT_ONCE)]

    async def _read_on(self, position: int) -> list[Entry]:
        entries = await self._read(position)
        self._read_at = asyncio.get_running_loop().time()
        if entries:
            self._keep(position, entries)
        return entries

    def _keep(self, position: int, entries: list[Entry]) -> None:
        if position > self._newest or entries[0].event.position != position + 1:
            self._kept = []  # nobody followed for a while, or the log begins anew
        self._kept += entries
        self._newest = entries[-1].event.position
        if len(self._kept) > 2 * _KEPT:
            del self._kept[:-_KEPT]
