"""Notifications: planned, claimed, settled."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, Row, bindparam, delete, exists, insert, select, update
from sqlalchemy.sql import Select

from sinkwell.bus import decide
from sinkwell.bus.model import (
    NotificationClaim,
    NotificationClaims,
    NotificationLease,
    NotificationSettlement,
    NotificationState,
    Plan,
    Trouble,
)
from sinkwell.contract.events import NotifierDisabled
from sinkwell.delivery.model import Outcome
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import (
    events,
    notification_attempts,
    notifications,
    notifier_troubles,
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
_held = (
    select(notifications.c.notifier, notifications.c.position, notifications.c.epoch)
    .where(
        notifications.c.notifier == bindparam("name"),
        notifications.c.position.in_(bindparam("places", expanding=True)),
        notifications.c.state == NotificationState.LEASED.value,
    )
    .with_for_update()
)
_settle = (
    update(notifications)
    .where(*_own)
    .values(
        state=bindparam("to_state"),
        due_at=bindparam("due"),
        attempts=bindparam("counted"),
        error=bindparam("reason"),
        settled_at=bindparam("at"),
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
_trouble = select(notifier_troubles).where(notifier_troubles.c.notifier == bindparam("name"))
_forget_trouble = delete(notifier_troubles).where(notifier_troubles.c.notifier == bindparam("name"))
_insert_trouble = insert(notifier_troubles)


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


def settle(
    connection: Connection, settlements: Sequence[Sequence[NotificationSettlement]]
) -> Sequence[Sequence[bool]]:
    """Write outcomes whose lease still holds, what they say of notifiers, and their events."""
    by_notifier: dict[str, list[NotificationSettlement]] = defaultdict(list)
    for together in settlements:
        for each in together:
            by_notifier[each.lease.notifier].append(each)
    valid: set[int] = set()
    for notifier, mine in by_notifier.items():
        places = [each.lease.event.position for each in mine]
        held = {
            (row.position, row.epoch)
            for row in connection.execute(_held, {"name": notifier, "places": places})
        }
        good = [each for each in mine if (each.lease.event.position, each.lease.epoch) in held]
        if good:
            _write(connection, notifier, good)
        valid |= set(map(id, good))
    return [[id(each) in valid for each in together] for together in settlements]


def _write(
    connection: Connection, notifier: str, settlements: Sequence[NotificationSettlement]
) -> None:
    connection.execute(_settle, [_settle_row(each) for each in settlements])
    connection.execute(_insert_attempts, [_attempt_row(each) for each in settlements])
    announced: list[eventlog.Announced] = [
        (notifier, each.ended_at, fact) for each in settlements for fact in each.facts
    ]
    before = find_trouble(connection, notifier)
    after = decide.next_trouble(before, settlements)
    if after != before:
        connection.execute(_forget_trouble, {"name": notifier})
        if after is not None:
            _remember(connection, notifier, after)
            if after.disabled_at is not None:
                fact = NotifierDisabled(notifier=notifier, reason=after.reason)
                announced.append((notifier, after.disabled_at, fact))
    eventlog.append(connection, announced)


def find_trouble(connection: Connection, notifier: str) -> Trouble | None:
    """Return what is remembered of a notifier, None while all is well."""
    row = connection.execute(_trouble, {"name": notifier}).one_or_none()
    if row is None:
        return None
    return Trouble(row.failing_since, row.disabled_at, row.reason)


def forget_trouble(connection: Connection, notifier: str) -> None:
    """Begin with a notifier as if nothing had failed."""
    connection.execute(_forget_trouble, {"name": notifier})


def _remember(connection: Connection, notifier: str, trouble: Trouble) -> None:
    connection.execute(
        _insert_trouble,
        {
            "notifier": notifier,
            "failing_since": trouble.failing_since,
            "disabled_at": trouble.disabled_at,
            "reason": trouble.reason,
        },
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


def _settle_row(settlement: NotificationSettlement) -> dict[str, object]:
    return {
        "name": settlement.lease.notifier,
        "place": settlement.lease.event.position,
        "to_state": settlement.state.value,
        "due": settlement.due_at,
        "counted": settlement.attempts,
        "reason": settlement.error,
        "at": settlement.ended_at if settlement.state.final else None,
    }


def _attempt_row(settlement: NotificationSettlement) -> dict[str, object]:
    outcome = settlement.outcome
    return {
        "notifier": settlement.lease.notifier,
        "position": settlement.lease.event.position,
        "epoch": settlement.lease.epoch,
        "started_at": settlement.started_at,
        "ended_at": settlement.ended_at,
        "outcome": NotificationState.SENT.value if outcome is None else outcome.value,
        "error": settlement.error,
    }
