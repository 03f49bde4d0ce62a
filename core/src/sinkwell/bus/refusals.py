"""Refused callbacks as events, without letting a flood of them become one of events."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from sinkwell.contract import Fact
from sinkwell.contract.events import CallbackRefused
from sinkwell.outage import LedgerUnavailableError

_TOGETHER = 60.0
_LONGEST_DETAIL = 300

log = structlog.get_logger()


@dataclass(slots=True)
class _Tally:
    status: int
    detail: str
    count: int = 0


class RefusalTally:
    """Counts refusals, and tells of each kind at most once a minute."""

    def __init__(self, announce: Callable[[str, Fact], Awaitable[None]]) -> None:
        self._announce = announce
        self._tallies: dict[tuple[str, str], _Tally] = {}
        self._news = asyncio.Event()

    def note(self, source: str, problem: str, status: int, detail: str) -> None:
        """Count a refusal; ``source`` must be a configured one, as nobody bounds other names."""
        tally = self._tallies.setdefault((source, problem), _Tally(status, ""))
        tally.status, tally.detail = status, detail[:_LONGEST_DETAIL]
        tally.count += 1
        self._news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            tallies, self._tallies = self._tallies, {}
            for (source, problem), tally in tallies.items():
                fact = CallbackRefused(
                    source=source,
                    problem=problem,
                    status=tally.status,
                    detail=tally.detail,
                    count=tally.count,
                )
                try:
                    await self._announce(source, fact)
                except LedgerUnavailableError as error:
                    log.warning(
                        "the ledger is away; refused callbacks are told here alone",
                        source=source,
                        problem=problem,
                        count=tally.count,
                        error=str(error),
                    )
            await asyncio.sleep(_TOGETHER)
