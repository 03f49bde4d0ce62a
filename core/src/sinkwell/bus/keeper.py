"""Retention of the event log."""

import asyncio
from collections.abc import Sequence

import structlog

from sinkwell.bus.model import Outbox
from sinkwell.outage import LedgerUnavailableError

_EVERY = 600.0
_AT_ONCE = 1000
_PAUSE = 0.1
"""Between two removals, so that callbacks get their turn at the ledger."""

log = structlog.get_logger()


class EventKeeper:
    """Removes events from the front of the log once they are old enough."""

    def __init__(self, outbox: Outbox, notifiers: Sequence[str], retention: float) -> None:
        """Keep events for ``retention`` seconds, and what a notifier must still be told."""
        self._outbox = outbox
        self._notifiers = notifiers
        self._retention = retention

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                while await self._forget_some():  # noqa: ASYNC110 - it waits for nobody
                    await asyncio.sleep(_PAUSE)
            except LedgerUnavailableError as error:
                log.warning("the ledger is away; old events stay", error=str(error))
            await asyncio.sleep(_EVERY)

    async def _forget_some(self) -> bool:
        gone, still_open = await self._outbox.forget_events(
            self._retention, _AT_ONCE, self._notifiers
        )
        if still_open:
            log.warning(
                "notifications were given up: their events are older than [events] retention",
                count=still_open,
            )
        return gone == _AT_ONCE
