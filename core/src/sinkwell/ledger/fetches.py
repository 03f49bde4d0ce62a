"""Fetches: recorded with their callback, claimed, settled."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from sinkwell.contract.events import FetchAttemptFailed, FileFailed
from sinkwell.delivery.model import Outcome
from sinkwell.intake.fetching import FetchClaims, Fetched, FetchLease, FetchState, Unfetched
from sinkwell.intake.manifest import Link, Manifest
from sinkwell.ledger import eventlog
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.rows import accepted, delivery_row, file_state
from sinkwell.ledger.schema import deliveries, fetch_attempts, fetches, files

_due = (
    select(fetches)
    .join(files, files.c.id == fetches.c.file_id)
    .where(
        fetches.c.source == bindparam("source"),
        fetches.c.due_at <= bindparam("now"),
        files.c.spool_id == bindparam("spool_id"),
    )
    .order_by(fetches.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(of=fetches, skip_locked=True)
)
_next_due = (
    select(fetches.c.due_at)
    .join(files, files.c.id == fetches.c.file_id)
    .where(
        fetches.c.source == bindparam("source"),
        fetches.c.due_at.is_not(None),
        files.c.spool_id == bindparam("spool_id"),
    )
    .order_by(fetches.c.due_at)
    .limit(1)
)
_lease = (
    update(fetches)
    .where(fetches.c.file_id == bindparam("file"))
    .values(
        state=FetchState.LEASED.value,
        epoch=bindparam("to_epoch"),
        attempts=bindparam("counted"),
        due_at=bindparam("until"),
    )
)
_settle = (
    update(fetches)
    .where(
        fetches.c.file_id == bindparam("file"),
        fetches.c.epoch == bindparam("held_epoch"),
        fetches.c.state == FetchState.LEASED.value,
    )
    .values(
        state=bindparam("to_state"),
        due_at=bindparam("due"),
        attempts=bindparam("counted"),
        error=bindparam("reason"),
    )
)
_hand_back = (
    update(fetches)
    .where(
        fetches.c.file_id == bindparam("file"),
        fetches.c.epoch == bindparam("held_epoch"),
        fetches.c.state == FetchState.LEASED.value,
    )
    .values(state=FetchState.PENDING.value, due_at=bindparam("due"))
)
_insert_attempts = insert(fetch_attempts)
_insert_deliveries = insert(deliveries)
_complete_file = (
    update(files)
    .where(files.c.id == bindparam("file"))
    .values(
        size=bindparam("bytes"),
        sha256=bindparam("digest"),
        media_type=bindparam("kind"),
        extension=bindparam("suffix"),
        name=bindparam("original"),
        labels=bindparam("texts"),
        state=bindparam("to_state"),
    )
)
_fail_file = (
    update(files)
    .where(files.c.id == bindparam("file"))
    .values(state="failed", release_at=bindparam("at"))
)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class FetchClaim:
    """What the fetcher of a source asks for."""

    source: str
    spool_id: str
    now: float
    limit: int
    lease_for: float


def fetch_row(manifest: Manifest, link: Link) -> dict[str, object]:
    """Return the row of a file that is to be fetched at once."""
    return {
        "file_id": manifest.file_id,
        "callback_id": manifest.callback_id,
        "source": manifest.source,
        "url": link.url,
        "expires_at": link.expires_at,
        "state": FetchState.PENDING.value,
        "due_at": manifest.received_at,
        "epoch": 0,
        "attempts": 0,
    }


def claim(connection: Connection, claims: Sequence[FetchClaim]) -> Sequence[FetchClaims]:
    """Lease what is due. A lease that ran out unheard counts as an interrupted attempt."""
    return [_claim(connection, one) for one in claims]


def _claim(connection: Connection, wanted: FetchClaim) -> FetchClaims:
    whose = {"source": wanted.source, "spool_id": wanted.spool_id}
    found = connection.execute(_due, {**whose, "now": wanted.now, "most": wanted.limit}).all()
    leases = tuple(_leased(row) for row in found)
    if found:
        rows = [
            {
                "file": lease.file_id,
                "to_epoch": lease.epoch,
                "counted": lease.attempts,
                "until": wanted.now + wanted.lease_for,
            }
            for lease in leases
        ]
        connection.execute(_lease, rows)
        if lost := [_interrupted(row) for row in found if row.state == FetchState.LEASED]:
            connection.execute(_insert_attempts, lost)
    if len(found) == wanted.limit:
        return FetchClaims(leases, next_due=None)
    return FetchClaims(leases, connection.execute(_next_due, whose).scalar_one_or_none())


def settle_fetched(connection: Connection, done: Sequence[Fetched]) -> Sequence[bool]:
    """Write files that have come, their deliveries and events, where the lease still holds."""
    return [_settle_fetched(connection, one) for one in done]


def _settle_fetched(connection: Connection, done: Fetched) -> bool:
    manifest, counted = done.manifest, done.lease.attempts + 1
    if not _settled(connection, done.lease, FetchState.FETCHED, None, counted, None):
        return False
    connection.execute(
        _complete_file,
        {
            "file": manifest.file_id,
            "bytes": manifest.size,
            "digest": manifest.sha256,
            "kind": manifest.media_type,
            "suffix": manifest.extension,
            "original": manifest.name,
            "texts": _encoder.encode(manifest.labels).decode(),
            "to_state": file_state(manifest, routed=bool(done.planned)),
        },
    )
    now = done.attempt.ended_at
    if done.planned:
        rows = [
            delivery_row(manifest.file_id, each, now, done.leases.get(each.id))
            for each in done.planned
        ]
        connection.execute(_insert_deliveries, rows)
    connection.execute(_insert_attempts, [_attempt_row(done)])
    facts = accepted(manifest, done.planned)
    eventlog.append(connection, [(manifest.file_id, now, fact) for fact in facts])
    return True


def settle_unfetched(
    connection: Connection, failures: Sequence[tuple[Retention, Unfetched]]
) -> Sequence[bool]:
    """Write failed attempts where the lease still holds."""
    return [_settle_unfetched(connection, keep, failure) for keep, failure in failures]


def _settle_unfetched(connection: Connection, keep: Retention, failure: Unfetched) -> bool:
    lease, error, now = failure.lease, failure.attempt.error or "", failure.attempt.ended_at
    state = FetchState.FAILED if failure.due_at is None else FetchState.PENDING
    if not _settled(connection, lease, state, failure.due_at, failure.attempts, error):
        return False
    connection.execute(_insert_attempts, [_attempt_row(failure)])
    fact: FetchAttemptFailed | FileFailed
    if failure.due_at is None:
        connection.execute(_fail_file, {"file": lease.file_id, "at": now + keep.failed})
        fact = FileFailed(
            file_id=lease.file_id,
            source=lease.source,
            provider_id=failure.provider_id,
            failed=0,
            deliveries=(),
            error=error,
        )
    else:
        fact = FetchAttemptFailed(
            file_id=lease.file_id,
            source=lease.source,
            attempt=failure.attempts,
            error=error,
            due_at=failure.due_at,
        )
    eventlog.append(connection, [(lease.file_id, now, fact)])
    return True


def hand_back(connection: Connection, leases: Sequence[tuple[FetchLease, float]]) -> Sequence[None]:
    """End leases as if they had never been."""
    rows = [{"file": each.file_id, "held_epoch": each.epoch, "due": now} for each, now in leases]
    connection.execute(_hand_back, rows)
    return [None] * len(leases)


def _settled(
    connection: Connection,
    lease: FetchLease,
    state: FetchState,
    due_at: float | None,
    counted: int,
    reason: str | None,
) -> bool:
    changed = connection.execute(
        _settle,
        {
            "file": lease.file_id,
            "held_epoch": lease.epoch,
            "to_state": state.value,
            "due": due_at,
            "counted": counted,
            "reason": reason,
        },
    )
    return changed.rowcount == 1


def _leased(row: Row[tuple[object, ...]]) -> FetchLease:
    interrupted = row.state == FetchState.LEASED
    return FetchLease(
        file_id=row.file_id,
        source=row.source,
        url=row.url,
        expires_at=row.expires_at,
        epoch=row.epoch + 1,
        attempts=row.attempts + interrupted,
        interrupted=interrupted,
    )


def _interrupted(row: Row[tuple[object, ...]]) -> dict[str, object]:
    return {
        "file_id": row.file_id,
        "epoch": row.epoch,
        "started_at": row.due_at,
        "ended_at": row.due_at,
        "outcome": Outcome.INTERRUPTED.value,
        "error": "the process ended before the attempt did",
        "bytes": 0,
    }


def _attempt_row(settled: Fetched | Unfetched) -> dict[str, object]:
    attempt = settled.attempt
    return {
        "file_id": settled.lease.file_id,
        "epoch": settled.lease.epoch,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "outcome": attempt.outcome.value,
        "error": attempt.error,
        "bytes": attempt.bytes,
    }
