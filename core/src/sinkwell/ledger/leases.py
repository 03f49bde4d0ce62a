"""Claims and settlements: the state machine of deliveries, as statements."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from sinkwell.delivery.model import (
    Claims,
    Lease,
    LeasedFile,
    Outcome,
    Settled,
    Settlement,
    State,
)
from sinkwell.ledger import eventlog
from sinkwell.ledger.closing import Ended, Retention, close_files
from sinkwell.ledger.schema import attempts, deliveries, files

Hold = tuple[str, int]
"""A delivery and the epoch under which it is, or was, leased."""

_labels = msgspec.json.Decoder(dict[str, str])

_due = (
    select(
        deliveries,
        files.c.source,
        files.c.provider_id,
        files.c.size,
        files.c.sha256,
        files.c.media_type,
        files.c.name,
        files.c.labels,
    )
    .join(files, files.c.id == deliveries.c.file_id)
    .where(
        deliveries.c.sink == bindparam("sink"),
        deliveries.c.due_at <= bindparam("now"),
        files.c.spool_id == bindparam("spool_id"),
    )
    .order_by(deliveries.c.due_at)
    .limit(bindparam("most"))
    .with_for_update(of=deliveries, skip_locked=True)
)
_next_due = (
    select(deliveries.c.due_at)
    .join(files, files.c.id == deliveries.c.file_id)
    .where(
        deliveries.c.sink == bindparam("sink"),
        deliveries.c.due_at.is_not(None),
        files.c.spool_id == bindparam("spool_id"),
    )
    .order_by(deliveries.c.due_at)
    .limit(1)
)
_lease = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(
        state=State.LEASED.value,
        epoch=bindparam("to_epoch"),
        attempts=bindparam("counted"),
        due_at=bindparam("until"),
    )
)
_held = (
    select(deliveries.c.id, deliveries.c.epoch)
    .where(
        deliveries.c.id.in_(bindparam("ids", expanding=True)),
        deliveries.c.state == State.LEASED.value,
    )
    .with_for_update()
)
_settle = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(
        state=bindparam("to_state"),
        due_at=bindparam("due"),
        attempts=bindparam("counted"),
        error=bindparam("reason"),
        location=bindparam("place"),
        settled_at=bindparam("at"),
    )
)
_hand_back = (
    update(deliveries)
    .where(
        deliveries.c.id == bindparam("delivery"),
        deliveries.c.epoch == bindparam("held_epoch"),
        deliveries.c.state == State.LEASED.value,
    )
    .values(state=State.PENDING.value, due_at=bindparam("due"))
)
_insert_attempts = insert(attempts)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker asks for."""

    sink: str
    spool_id: str
    now: float
    limit: int
    lease_for: float


def claim(connection: Connection, claims: Sequence[Claim]) -> Sequence[Claims]:
    """Lease what is due. A lease that ran out unheard counts as an interrupted attempt."""
    return [_claim(connection, one) for one in claims]


def _claim(connection: Connection, wanted: Claim) -> Claims:
    rows = connection.execute(
        _due,
        {
            "sink": wanted.sink,
            "spool_id": wanted.spool_id,
            "now": wanted.now,
            "most": wanted.limit,
        },
    ).all()
    leases = tuple(_leased(row) for row in rows)
    if rows:
        until = wanted.now + wanted.lease_for
        connection.execute(
            _lease,
            [
                {
                    "delivery": lease.delivery_id,
                    "to_epoch": lease.epoch,
                    "counted": lease.attempts,
                    "until": until,
                }
                for lease in leases
            ],
        )
        if lost := [_interrupted(row) for row in rows if row.state == State.LEASED]:
            connection.execute(_insert_attempts, lost)
    if len(rows) == wanted.limit:
        return Claims(leases, next_due=None)
    next_due = connection.execute(
        _next_due, {"sink": wanted.sink, "spool_id": wanted.spool_id}
    ).scalar_one_or_none()
    return Claims(leases, next_due)


def settle(
    connection: Connection, settlements: Sequence[tuple[Retention, Settlement]]
) -> Sequence[Settled]:
    """Write outcomes whose lease still holds, and close files whose deliveries are all final."""
    ids = [settlement.lease.delivery_id for _, settlement in settlements]
    held = {(row.id, row.epoch) for row in connection.execute(_held, {"ids": ids})}
    valid = [
        (retention, settlement)
        for retention, settlement in settlements
        if _hold_of(settlement) in held
    ]
    releasing: set[Hold] = set()
    if valid:
        outcomes = [settlement for _, settlement in valid]
        connection.execute(_settle, [_settle_row(settlement) for settlement in outcomes])
        connection.execute(_insert_attempts, [_attempt_row(s) for s in outcomes])
        announced: list[eventlog.Announced] = [
            (settlement.lease.file.file_id, settlement.attempt.ended_at, fact)
            for settlement in outcomes
            for fact in settlement.facts
        ]
        releasing = _close(connection, valid, announced)
        eventlog.append(connection, announced)
    return [
        Settled(
            valid=_hold_of(settlement) in held,
            released=_hold_of(settlement) in releasing,
        )
        for _, settlement in settlements
    ]


def _close(
    connection: Connection,
    settlements: Sequence[tuple[Retention, Settlement]],
    announced: list[eventlog.Announced],
) -> set[Hold]:
    """Close the files that these settlements made final; return which of them lets one go.

    Of several that end the deliveries of one file together, only one does.
    """
    last = {s.lease.file.file_id: (keep, s) for keep, s in settlements if s.state.final}
    ended = [_ended(keep, settlement) for keep, settlement in last.values()]
    let_go = close_files(connection, ended, announced, at_once=True)
    return {_hold_of(last[file_id][1]) for file_id in let_go}


def _ended(keep: Retention, settlement: Settlement) -> Ended:
    file = settlement.lease.file
    return Ended(
        file_id=file.file_id,
        source=file.source,
        provider_id=file.provider_id,
        labels=file.labels,
        at=settlement.attempt.ended_at,
        keep=keep,
    )


def _hold_of(settlement: Settlement) -> Hold:
    return settlement.lease.delivery_id, settlement.lease.epoch


def hand_back(connection: Connection, leases: Sequence[tuple[Lease, float]]) -> Sequence[None]:
    """End leases as if they had never been."""
    connection.execute(
        _hand_back,
        [
            {"delivery": lease.delivery_id, "held_epoch": lease.epoch, "due": now}
            for lease, now in leases
        ],
    )
    return [None] * len(leases)


def _leased(row: Row[tuple[object, ...]]) -> Lease:
    interrupted = row.state == State.LEASED
    return Lease(
        delivery_id=row.id,
        sink=row.sink,
        key=row.key,
        epoch=row.epoch + 1,
        attempts=row.attempts + interrupted,
        interrupted=interrupted,
        file=LeasedFile(
            file_id=row.file_id,
            source=row.source,
            provider_id=row.provider_id,
            size=row.size,
            sha256=row.sha256,
            media_type=row.media_type,
            name=row.name,
            labels=_labels.decode(row.labels),
        ),
    )


def _interrupted(row: Row[tuple[object, ...]]) -> dict[str, object]:
    return {
        "delivery_id": row.id,
        "epoch": row.epoch,
        "started_at": row.due_at,
        "ended_at": row.due_at,
        "outcome": Outcome.INTERRUPTED.value,
        "error": "the process ended before the attempt did",
        "bytes": 0,
    }


def _settle_row(settlement: Settlement) -> dict[str, object]:
    return {
        "delivery": settlement.lease.delivery_id,
        "to_state": settlement.state.value,
        "due": settlement.due_at,
        "counted": settlement.attempts,
        "reason": settlement.attempt.error,
        "place": settlement.location,
        "at": settlement.attempt.ended_at if settlement.state.final else None,
    }


def _attempt_row(settlement: Settlement) -> dict[str, object]:
    attempt = settlement.attempt
    return {
        "delivery_id": settlement.lease.delivery_id,
        "epoch": settlement.lease.epoch,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "outcome": attempt.outcome.value,
        "error": attempt.error,
        "bytes": attempt.bytes,
    }
