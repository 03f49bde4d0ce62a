"""The ledger as the rest of Sinkwell sees it: one object, durable in every answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from sinkwell.clock import Clock
from sinkwell.contract import Event, Fact
from sinkwell.delivery.model import Claims, Lease, Settled, Settlement
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.intake.fetching import FetchClaims, Fetched, FetchLease, Unfetched
from sinkwell.intake.journal import Acceptance, Notice, ProviderFailure, Recorded
from sinkwell.intake.manifest import Manifest
from sinkwell.ledger import acceptance as accepting
from sinkwell.ledger import (
    eventlog,
    fetches,
    leases,
    reads,
    refetches,
    repeats,
    requests,
    routing,
    upkeep,
)
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.database import open_for_reading, open_for_writing, unavailable
from sinkwell.ledger.leases import Claim
from sinkwell.ledger.outbox import LedgerOutbox
from sinkwell.ledger.writer import Writer
from sinkwell.sharing.model import SharedFile

_SHORT_PATIENCE = 0.005
"""How long, in seconds, an idle worker may wait for a commit to share."""
_PATIENCE = 0.02
"""How long, in seconds, what nobody waits for may wait for a commit to share."""

P = ParamSpec("P")
T = TypeVar("T")


class Ledger:
    """The SQLite ledger of one data directory, for one spool.

    It serves intake (``Journal``, ``FetchQueue``), workers (``Queue``) and the event relay. Every
    method that writes shares its commit with all others that wait, and raises
    ``LedgerUnavailableError`` when the database cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        spool_id: str,
        clock: Clock,
        retention: Retention,
        synchronous: str = "full",
    ) -> None:
        """Open the ledger and bring its schema up to date.

        Raises ``LedgerUnavailableError`` and ``OSError`` when that cannot be done.
        """
        self._spool_id = spool_id
        self._clock = clock
        self._retention = retention
        self._writing = open_for_writing(path, synchronous=synchronous)
        self._reading = open_for_reading(path)
        self._writer = Writer(self._writing)
        self.outbox = LedgerOutbox(self._writer, self._read, clock)
        """Notifications: one event to one notifier."""

    def call_on_events(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called after each commit that wrote events."""
        self._writer.on_events = callback

    async def close(self) -> None:
        """Write what waits and close the database."""
        await asyncio.to_thread(self._writer.close)
        self._reading.dispose()
        self._writing.dispose()

    async def record_acceptance(self, acceptance: Acceptance) -> Recorded:
        """Write callback, files, deliveries and events at once, or find that it is a repeat."""
        return await self._writer.write(accepting.record_acceptances, (self._spool_id, acceptance))

    async def record_failure(self, failure: ProviderFailure) -> Recorded:
        """Write that the provider failed, or find that it said so before."""
        return await self._writer.write(accepting.record_failures, failure)

    async def record_notice(self, notice: Notice) -> Recorded:
        """Write what the provider said, or find that it said so before."""
        return await self._writer.write(accepting.record_notices, notice)

    async def claim_fetches(self, source: str, *, limit: int, lease_for: float) -> FetchClaims:
        """Lease fetches of a source that are due, the longest due first."""
        now = self._clock.now()
        wanted = fetches.FetchClaim(source, self._spool_id, now, limit, lease_for)
        return await self._writer.write(fetches.claim, wanted, patience=_SHORT_PATIENCE)

    async def record_fetched(self, fetched: Fetched) -> bool:
        """Write file, deliveries and events at once. False when the lease had run out."""
        return await self._writer.write(fetches.settle_fetched, fetched)

    async def record_unfetched(self, unfetched: Unfetched) -> bool:
        """Write a failed attempt. False when the lease had run out."""
        settled = (self._retention, unfetched)
        return await self._writer.write(fetches.settle_unfetched, settled, patience=_PATIENCE)

    async def hand_back_fetch(self, lease: FetchLease) -> None:
        """End a lease as if it had never been."""
        await self._writer.write(fetches.hand_back, (lease, self._clock.now()), patience=_PATIENCE)

    async def retry_fetch(self, file_id: str) -> str:
        """Bring a failed fetch back and return its source.

        Raises ``LookupError`` when there is none, ``NotFetchableError`` when it cannot be.
        """
        result = await self._writer.write(refetches.retry, (file_id, self._clock.now()))
        if isinstance(result, Exception):
            raise result
        return result

    async def claim(self, sink: str, *, limit: int, lease_for: float) -> Claims:
        """Lease deliveries of a sink that are due, the longest due first."""
        wanted = Claim(sink, self._spool_id, self._clock.now(), limit, lease_for)
        return await self._writer.write(leases.claim, wanted, patience=_SHORT_PATIENCE)

    async def settle(self, settlement: Settlement) -> Settled:
        """Write the outcome of an attempt, if the lease still holds."""
        return await self._writer.write(
            leases.settle, (self._retention, settlement), patience=_PATIENCE
        )

    async def hand_back(self, lease: Lease) -> None:
        """End a lease as if it had never been."""
        await self._writer.write(leases.hand_back, (lease, self._clock.now()), patience=_PATIENCE)

    async def announce(self, subject: str, *facts: Fact) -> None:
        """Write events that belong to no other change."""
        now = self._clock.now()
        await self._writer.write(eventlog.announce, [(subject, now, fact) for fact in facts])

    async def retry(self, delivery_id: str) -> str:
        """Bring a final delivery back and return its sink.

        Raises ``LookupError`` when there is none, ``WrongStateError`` when it cannot be.
        """
        result = await self._writer.write(requests.retry, (delivery_id, self._clock.now()))
        if isinstance(result, Exception):
            raise result
        return result

    async def cancel(self, delivery_id: str) -> str:
        """Give a waiting delivery up and return its sink.

        Raises ``LookupError`` when there is none, ``WrongStateError`` when it cannot be.
        """
        asked = (delivery_id, self._clock.now(), self._retention)
        result = await self._writer.write(requests.cancel, asked)
        if isinstance(result, Exception):
            raise result
        return result

    async def take_over(self, longest_wait: float) -> None:
        """End the leases of the process before, whose place this one takes."""
        restart = upkeep.Restart(self._spool_id, self._clock.now(), longest_wait)
        await self._writer.write(upkeep.take_over, restart)

    async def remember(self, old: Path) -> int:
        """Know the repeats of callbacks that another ledger's file knew; return how many."""
        return sum([await self._writer.write(repeats.remember, rows) for rows in repeats.read(old)])

    async def lose_file(self, file_id: str, reason: str) -> None:
        """Make visible that the spool's copy of a file is gone or damaged."""
        await self._writer.write(upkeep.lose_files, (file_id, reason, self._clock.now()))

    async def mark_released(self, file_ids: Sequence[str]) -> None:
        """Note that files have left the spool."""
        await self._writer.write(upkeep.mark_released, file_ids, patience=_PATIENCE)

    async def find_released(self, most: int) -> list[tuple[str, int]]:
        """Return id and size of files whose retention has ended."""
        return await self._read(upkeep.find_released, self._spool_id, self._clock.now(), most)

    async def known_files(self, file_ids: Sequence[str]) -> set[str]:
        """Return those of these files that the ledger knows, let go or not."""
        return await self._read(upkeep.known_files, file_ids)

    async def kept_files(self) -> dict[str, int]:
        """Return id and size of every file that should lie in the spool."""
        return await self._read(upkeep.kept_files, self._spool_id)

    async def unrouted_files(self) -> list[str]:
        """Return the ids of files in the spool that no route took, the oldest first."""
        return await self._read(routing.unrouted_files, self._spool_id)

    async def record_routed(self, manifest: Manifest, planned: Sequence[PlannedDelivery]) -> None:
        """Write the deliveries of a file that had none, and that it has some, at once."""
        routed = routing.Routed(
            manifest.file_id, manifest.source, manifest.provider_id, planned, self._clock.now()
        )
        await self._writer.write(routing.record_routed, routed)

    async def open_cursor(self, notifier: str) -> int:
        """Return how far a notifier has been told; a new one starts at the end of the log."""
        return await self._writer.write(eventlog.open_cursors, notifier)

    async def move_cursor(self, notifier: str, position: int) -> None:
        """Note how far a notifier has been told."""
        await self._writer.write(eventlog.move_cursors, (notifier, position), patience=_PATIENCE)

    async def events_after(self, position: int, most: int) -> list[Event]:
        """Return events that follow a position, in order."""
        return await self._read(eventlog.read_after, position, most)

    async def events_matching(
        self, position: int, most: int, types: Sequence[str], words: Sequence[str]
    ) -> list[Event]:
        """Return events that follow a position, of these types and with one of these texts."""
        return await self._read(eventlog.read_matching, position, most, types, words)

    async def last_position(self) -> int:
        """Return the position of the newest event, 0 where there is none."""
        return await self._read(eventlog.last_position)

    async def list_files(self, wanted: reads.Filter) -> list[reads.FileView]:
        """Return files, the newest first."""
        return await self._read(reads.list_files, wanted)

    async def list_deliveries(self, wanted: reads.Filter) -> list[reads.DeliveryView]:
        """Return deliveries, the newest first."""
        return await self._read(reads.list_deliveries, wanted)

    async def find_shared(self, file_id: str) -> SharedFile | None:
        """Return what someone who wants its bytes must know of a file."""
        return await self._read(reads.find_shared, file_id)

    async def list_attempts(self, delivery_id: str) -> list[reads.AttemptView]:
        """Return the tries of a delivery, the first one first."""
        return await self._read(reads.list_attempts, delivery_id)

    async def list_fetch_attempts(self, file_id: str) -> list[reads.FetchAttemptView]:
        """Return the tries to fetch a file, the first one first."""
        return await self._read(reads.list_fetch_attempts, file_id)

    async def count_states(self) -> Sequence[tuple[str, str, int]]:
        """Return sink, state and number of deliveries for each pair that occurs."""
        return await self._read(reads.count_states)

    def _read(
        self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        def run() -> T:
            try:
                with self._reading.connect() as connection:
                    return query(connection, *args, **kwargs)
            except DBAPIError as error:
                raise unavailable(error, "read") from error

        return asyncio.to_thread(run)
