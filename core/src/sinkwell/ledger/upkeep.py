"""What is done now and then: at start, when a file is lost, when retention ends."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, bindparam, false, select, update

from sinkwell.contract import Fact
from sinkwell.contract.events import DeliveryRejected, FileQuarantined
from sinkwell.delivery import decide
from sinkwell.delivery.model import State
from sinkwell.intake.fetching import FetchState
from sinkwell.ledger import eventlog
from sinkwell.ledger.closing import find_standings
from sinkwell.ledger.schema import deliveries, fetches, files

_labels = msgspec.json.Decoder(dict[str, str])


@dataclass(frozen=True, slots=True)
class Restart:
    """A new process takes over the spool of one that ended."""

    spool_id: str
    now: float
    longest_wait: float


_ours = select(files.c.id).where(files.c.spool_id == bindparam("spool"))
_end_leases = (
    update(deliveries)
    .where(deliveries.c.state == State.LEASED.value, deliveries.c.file_id.in_(_ours))
    .values(due_at=bindparam("present"))
)
_clamp_waits = (
    update(deliveries)
    .where(
        deliveries.c.state == State.PENDING.value,
        deliveries.c.due_at > bindparam("horizon"),
        deliveries.c.file_id.in_(_ours),
    )
    .values(due_at=bindparam("present"))
)
_end_fetch_leases = (
    update(fetches)
    .where(fetches.c.state == FetchState.LEASED.value, fetches.c.file_id.in_(_ours))
    .values(due_at=bindparam("present"))
)
_clamp_fetch_waits = (
    update(fetches)
    .where(
        fetches.c.state == FetchState.PENDING.value,
        fetches.c.due_at > bindparam("horizon"),
        fetches.c.file_id.in_(_ours),
    )
    .values(due_at=bindparam("present"))
)
_end_fetch = (
    update(fetches)
    .where(fetches.c.file_id == bindparam("file"), fetches.c.due_at.is_not(None))
    .values(state=FetchState.FAILED.value, due_at=None, error=bindparam("reason"))
)
_known = select(files.c.id).where(files.c.id.in_(bindparam("ids", expanding=True)))
_kept = select(files.c.id, files.c.size).where(
    files.c.spool_id == bindparam("spool"), files.c.released == false()
)
_let_go = (
    select(files.c.id, files.c.size)
    .where(
        files.c.released == false(),
        files.c.release_at <= bindparam("present"),
        files.c.spool_id == bindparam("spool"),
    )
    .limit(bindparam("most"))
)
_mark_released = update(files).where(files.c.id == bindparam("file")).values(released=True)
_quarantine_file = (
    update(files)
    .where(files.c.id == bindparam("file"), files.c.released == false())
    .values(state="quarantined", released=True, release_at=bindparam("present"))
    .returning(files.c.source, files.c.provider_id, files.c.labels)
)
_reject_open = (
    update(deliveries)
    .where(deliveries.c.file_id == bindparam("file"), deliveries.c.due_at.is_not(None))
    .values(
        state=State.REJECTED.value,
        due_at=None,
        error=bindparam("reason"),
        settled_at=bindparam("present"),
    )
    .returning(deliveries.c.id, deliveries.c.sink, deliveries.c.key, deliveries.c.attempts)
)


def take_over(connection: Connection, restarts: Sequence[Restart]) -> Sequence[None]:
    """End the leases of a process that is gone, and waits that only a clock set back explains."""
    for restart in restarts:
        values = {"spool": restart.spool_id, "present": restart.now}
        connection.execute(_end_leases, values)
        horizon = restart.now + restart.longest_wait
        connection.execute(_clamp_waits, {**values, "horizon": horizon})
        connection.execute(_end_fetch_leases, values)
        connection.execute(_clamp_fetch_waits, {**values, "horizon": horizon})
    return [None] * len(restarts)


def known_files(connection: Connection, file_ids: Sequence[str]) -> set[str]:
    """Return those of these files that the ledger knows, let go or not."""
    return set(connection.execute(_known, {"ids": list(file_ids)}).scalars())


def kept_files(connection: Connection, spool_id: str) -> dict[str, int]:
    """Return id and size of every file that should lie in the spool."""
    return {row.id: row.size for row in connection.execute(_kept, {"spool": spool_id})}


def find_released(
    connection: Connection, spool_id: str, now: float, most: int
) -> list[tuple[str, int]]:
    """Return id and size of files whose retention has ended."""
    rows = connection.execute(_let_go, {"spool": spool_id, "present": now, "most": most})
    return [(row.id, row.size) for row in rows]


def mark_released(connection: Connection, batches: Sequence[Sequence[str]]) -> Sequence[None]:
    """Note that files have left the spool."""
    rows = [{"file": file_id} for batch in batches for file_id in batch]
    if rows:
        connection.execute(_mark_released, rows)
    return [None] * len(batches)


def lose_files(connection: Connection, losses: Sequence[tuple[str, str, float]]) -> Sequence[None]:
    """Make visible that the spool's copy of a file is gone or damaged: no delivery can follow.

    A file that was let go, or lost, before is left as it is.
    """
    for file_id, reason, now in losses:
        facts = _lose(connection, file_id, reason, now)
        eventlog.append(connection, [(file_id, now, fact) for fact in facts])
    return [None] * len(losses)


def _lose(connection: Connection, file_id: str, reason: str, now: float) -> list[Fact]:
    values = {"file": file_id, "present": now}
    file = connection.execute(_quarantine_file, values).one_or_none()
    if file is None:
        return []
    labels = _labels.decode(file.labels)
    named = {
        "file_id": file_id,
        "source": file.source,
        "provider_id": file.provider_id,
        "labels": labels,
    }
    facts: list[Fact] = [FileQuarantined(**named, reason=reason)]
    connection.execute(_end_fetch, {"file": file_id, "reason": reason})
    rejected = connection.execute(_reject_open, {**values, "reason": reason}).all()
    facts += (
        DeliveryRejected(
            **named,
            delivery_id=row.id,
            sink=row.sink,
            key=row.key,
            attempt=row.attempts,
            error=reason,
        )
        for row in rejected
    )
    if rejected:
        standings = find_standings(connection, [file_id])[file_id]
        if outcome := decide.file_outcome(
            file_id, file.source, file.provider_id, labels, standings
        ):
            facts.append(outcome)
    return facts
