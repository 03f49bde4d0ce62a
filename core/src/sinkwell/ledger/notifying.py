"""Notifications: planned, claimed, handed back."""

from collections.abc import Sequence

from sqlalchemy import Connection, Row, bindparam, exists, insert, select, update
from sqlalchemy.sql import Select

from sinkwell.bus.model import (
    NotificationClaim,
    NotificationClaims,
    NotificationLease,
    NotificationState,
    Plan,
)
from sinkwell.delivery.model import Outcome
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import (
    events,
    notification_attempts,
    notifications,
)

_insert = insert(notifications)
_insert_attempts = insert(notification_attempts)
_own = (
    notifications.c.notifier == bindparam("name"),
    notifications.c.position == bindparam("place"),
)
_due = (
    select(notifications, events.c.id, events.c.type, events.c.at, events.c.data)
    .join(events, events.c.position == notifications.c.position)
    .where(
        notifications.c.notifier == bindparam("name"), notifications.c.due_at <= bindparam("now")
    )
    .order_by(notifications.c.due_at, notifications.c.position)
    .limit(bindparam("most"))
    .with_for_update(of=notifications, skip_locked=True)
)
_earlier = notifications.alias("earlier")
_due_in_order = _due.where(
    ~exists()
    .where(
        _earlier.c.notifier == notifications.c.notifier,
        _earlier.c.subject == notifications.c.subject,
        _earlier.c.position < notifications.c.position,
        _earlier.c.due_at.is_not(None),
    )
    .correlate(notifications)
)
_next_due = (
    select(notifications.c.due_at)
    .where(notifications.c.notifier == bindparam("name"), notifications.c.due_at > bindparam("now"))
    .order_by(notifications.c.due_at)
    .limit(1)
)
_lease = (
    update(notifications)
    .where(*_own)
    .values(
        state=NotificationState.LEASED.value,
        epoch=bindparam("to_epoch"),
        attempts=bindparam("counted"),
        due_at=bindparam("until"),
    )
)
_hand_back = (
    update(notifications)
    .where(
        *_own,
        notifications.c.epoch == bindparam("held_epoch"),
        notifications.c.state == NotificationState.LEASED.value,
    )
    .values(state=NotificationState.PENDING.value, due_at=bindparam("due"))
)


def plan(connection: Connection, plans: Sequence[Plan]) -> Sequence[None]:
    """Write notifications, each due at once, and move the cursors past their events."""
    rows = [
        {
            "notifier": notifier,
            "position": event.position,
            "subject": event.subject,
            "state": NotificationState.PENDING.value,
            "due_at": each.now,
            "epoch": 0,
            "attempts": 0,
            "created_at": each.now,
        }
        for each in plans
        for notifier, event in each.notifications
    ]
    if rows:
        connection.execute(_insert, rows)
    eventlog.move_cursors(connection, [move for each in plans for move in each.cursors.items()])
    return [None] * len(plans)


def claim(
    connection: Connection, claims: Sequence[NotificationClaim]
) -> Sequence[NotificationClaims]:
    """Lease what is due. A lease that ran out unheard counts as an interrupted attempt."""
    return [_claim(connection, one) for one in claims]


def _claim(connection: Connection, wanted: NotificationClaim) -> NotificationClaims:
    query: Select[tuple[object, ...]] = _due_in_order if wanted.ordered else _due
    limit = wanted.batch.max_events if wanted.batch else wanted.limit
    values = {"name": wanted.notifier, "now": wanted.now, "most": limit}
    rows = connection.execute(query, values).all()
    if wanted.batch and rows:
        rows = _same_age(rows)
        ripe_at = rows[0].due_at + wanted.batch.max_wait
        if len(rows) < limit and not rows[0].epoch and ripe_at > wanted.now:
            return NotificationClaims((), next_due=ripe_at)
    leases = tuple(_leased(row) for row in rows)
    if rows:
        _take(connection, leases, wanted.now + wanted.lease_for)
        if lost := [_interrupted(row) for row in rows if row.state == NotificationState.LEASED]:
            connection.execute(_insert_attempts, lost)
    if len(rows) == limit or (rows and wanted.batch):
        return NotificationClaims(leases, next_due=None)
    # What is due and was not found waits for one before it, not for a time.
    later = {"name": wanted.notifier, "now": wanted.now}
    next_due = connection.execute(_next_due, later).scalar_one_or_none()
    return NotificationClaims(leases, next_due)


def _same_age(rows: Sequence[Row[tuple[object, ...]]]) -> Sequence[Row[tuple[object, ...]]]:
    """Keep a batch that failed as it was: those that were tried together are tried again so."""
    first = rows[0]
    if not first.epoch:
        return [row for row in rows if not row.epoch]
    return [row for row in rows if (row.due_at, row.epoch) == (first.due_at, first.epoch)]


def _take(connection: Connection, leases: Sequence[NotificationLease], until: float) -> None:
    connection.execute(
        _lease,
        [
            {
                "name": lease.notifier,
                "place": lease.event.position,
                "to_epoch": lease.epoch,
                "counted": lease.attempts,
                "until": until,
            }
            for lease in leases
        ],
    )


def hand_back(
    connection: Connection, leases: Sequence[tuple[Sequence[NotificationLease], float]]
) -> Sequence[None]:
    """End leases as if they had never been."""
    rows = [
        {
            "name": lease.notifier,
            "place": lease.event.position,
            "held_epoch": lease.epoch,
            "due": now,
        }
        for together, now in leases
        for lease in together
    ]
    if rows:
        connection.execute(_hand_back, rows)
    return [None] * len(leases)


def _leased(row: Row[tuple[object, ...]]) -> NotificationLease:
    interrupted = row.state == NotificationState.LEASED
    return NotificationLease(
        notifier=row.notifier,
        epoch=row.epoch + 1,
        attempts=row.attempts + interrupted,
        interrupted=interrupted,
        event=eventlog.event_of(row),
    )


def _interrupted(row: Row[tuple[object, ...]]) -> dict[str, object]:
    return {
        "notifier": row.notifier,
        "position": row.position,
        "epoch": row.epoch,
        "started_at": row.due_at,
        "ended_at": row.due_at,
        "outcome": Outcome.INTERRUPTED.value,
        "error": "the process ended before the attempt did",
    }
