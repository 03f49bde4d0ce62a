"""Notifications as people see them: listed, replayed, forgotten; and the restart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, func, or_, select, update

from sinkwell.bus.model import NotificationState, Trouble, notification_id
from sinkwell.contract.events import NotifierEnabled
from sinkwell.ledger import eventlog
from sinkwell.ledger.outcomes import find_trouble, forget_trouble
from sinkwell.ledger.schema import (
    cursors,
    events,
    notification_attempts,
    notifications,
    notifier_troubles,
)

_FINAL = [state.value for state in NotificationState if state.final]

_end_leases = (
    update(notifications)
    .where(notifications.c.state == NotificationState.LEASED.value)
    .values(due_at=bindparam("present"))
)
_clamp_waits = (
    update(notifications)
    .where(
        notifications.c.state == NotificationState.PENDING.value,
        notifications.c.due_at > bindparam("horizon"),
    )
    .values(due_at=bindparam("present"))
)
_reopen = (
    update(notifications)
    .where(
        notifications.c.notifier == bindparam("name"),
        notifications.c.position == bindparam("place"),
    )
    .values(
        state=NotificationState.PENDING.value,
        due_at=bindparam("present"),
        attempts=0,
        settled_at=None,
    )
)
_oldest = select(func.min(events.c.position))
_newest_to_go = select(func.max(events.c.position)).where(
    events.c.position < bindparam("below"), events.c.at < bindparam("before")
)
_planned_to = select(func.min(cursors.c.position)).where(
    cursors.c.notifier.in_(bindparam("names", expanding=True))
)
_count_open = select(func.count()).where(
    notifications.c.position <= bindparam("last"), notifications.c.due_at.is_not(None)
)
_forget = [
    delete(table).where(table.c.position <= bindparam("last"))
    for table in (notification_attempts, notifications, events)
]


class NotificationView(msgspec.Struct, frozen=True, kw_only=True):
    """A notification as lists show it."""

    id: str
    notifier: str
    event_id: str
    event_type: str
    position: int
    subject: str
    state: str
    attempts: int
    error: str | None
    due_at: float | None
    created_at: float
    settled_at: float | None


class NotificationAttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a notification."""

    notification_id: str
    number: int
    started_at: float
    ended_at: float
    outcome: str
    error: str | None


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which notifications are meant; None means any."""

    notifier: str | None = None
    position: int | None = None
    state: str | None = None
    type: str | None = None
    """Of the event; ``*`` stands for any characters."""
    since: float | None = None
    """Only events that became true at this time or later."""
    until: float | None = None
    """Only events that became true before this time."""
    before: tuple[str, int] | None = None
    """Only those that a list shows after this one, given by its notifier and position."""
    limit: int = 100

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what must hold of a notification joined with its event."""
        found: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (notifications.c.notifier, self.notifier),
                (notifications.c.position, self.position),
                (notifications.c.state, self.state),
            )
            if value is not None
        ]
        if self.type is not None:
            pattern = self.type.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
            found.append(events.c.type.like(pattern.replace("*", "%"), escape="\\"))
        if self.since is not None:
            found.append(events.c.at >= self.since)
        if self.until is not None:
            found.append(events.c.at < self.until)
        if self.before is not None:
            notifier, position = self.before
            later = notifications.c.notifier > notifier
            found.append(
                or_(
                    notifications.c.position < position,
                    and_(notifications.c.position == position, later),
                )
            )
        return found


def list_notifications(
    connection: Connection, wanted: NotificationFilter
) -> list[NotificationView]:
    """Return notifications, the newest event first."""
    query = (
        select(notifications, events.c.id, events.c.type)
        .join(events, events.c.position == notifications.c.position)
        .where(*wanted.conditions())
        .order_by(notifications.c.position.desc(), notifications.c.notifier)
        .limit(wanted.limit)
    )
    return [
        NotificationView(
            id=notification_id(row.notifier, row.position),
            notifier=row.notifier,
            event_id=row.id,
            event_type=row.type,
            position=row.position,
            subject=row.subject,
            state=row.state,
            attempts=row.attempts,
            error=row.error,
            due_at=row.due_at,
            created_at=row.created_at,
            settled_at=row.settled_at,
        )
        for row in connection.execute(query)
    ]


def list_attempts(
    connection: Connection, notifier: str, position: int
) -> list[NotificationAttemptView]:
    """Return the tries of a notification, the first one first."""
    table = notification_attempts
    query = (
        select(table)
        .where(table.c.notifier == notifier, table.c.position == position)
        .order_by(table.c.epoch)
    )
    return [
        NotificationAttemptView(
            notification_id=notification_id(notifier, position),
            number=row.epoch,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            error=row.error,
        )
        for row in connection.execute(query)
    ]


def count_states(connection: Connection) -> Sequence[tuple[str, str, int]]:
    """Return notifier, state and number of notifications for each pair that occurs."""
    query = select(notifications.c.notifier, notifications.c.state, func.count()).group_by(
        notifications.c.notifier, notifications.c.state
    )
    return [(notifier, state, count) for notifier, state, count in connection.execute(query)]


def find_troubles(connection: Connection) -> Mapping[str, Trouble]:
    """Return what is remembered of notifiers that do not work, by name."""
    return {
        row.notifier: Trouble(row.failing_since, row.disabled_at, row.reason)
        for row in connection.execute(select(notifier_troubles))
    }


def replay(
    connection: Connection, requests: Sequence[tuple[NotificationFilter, float]]
) -> Sequence[int]:
    """Make final notifications due again, with all attempts before them; return how many."""
    counts = []
    for wanted, now in requests:
        meant = (
            select(notifications.c.notifier, notifications.c.position)
            .join(events, events.c.position == notifications.c.position)
            .where(*wanted.conditions(), notifications.c.state.in_(_FINAL))
        )
        rows = connection.execute(meant).all()
        if rows:
            connection.execute(
                _reopen,
                [{"name": row.notifier, "place": row.position, "present": now} for row in rows],
            )
        counts.append(len(rows))
    return counts


def enable(connection: Connection, requests: Sequence[tuple[str, float]]) -> Sequence[bool]:
    """Enable notifiers that are disabled; tell of each whether it was."""
    found = []
    for notifier, now in requests:
        trouble = find_trouble(connection, notifier)
        disabled = trouble is not None and trouble.disabled_at is not None
        if disabled:
            forget_trouble(connection, notifier)
            eventlog.append(connection, [(notifier, now, NotifierEnabled(notifier=notifier))])
        found.append(disabled)
    return found


def take_over(connection: Connection, restarts: Sequence[tuple[float, float]]) -> Sequence[None]:
    """End the leases of a process that is gone, and waits beyond reason, as of a wrong clock."""
    for now, longest_wait in restarts:
        connection.execute(_end_leases, {"present": now})
        connection.execute(_clamp_waits, {"present": now, "horizon": now + longest_wait})
    return [None] * len(restarts)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Which events the front of the log may lose."""

    before: float
    """Only those that became true before this time."""
    most: int
    notifiers: Sequence[str]
    """What these have not been told or planned for yet stays."""


def forget_events(
    connection: Connection, requests: Sequence[Forgetting]
) -> Sequence[tuple[int, int]]:
    """Remove old events and their notifications.

    Return how many events went, and how many notifications of theirs were still open.
    """
    return [_forget_events(connection, one) for one in requests]


def _forget_events(connection: Connection, wanted: Forgetting) -> tuple[int, int]:
    first = connection.execute(_oldest).scalar_one()
    if first is None:
        return 0, 0
    below = first + wanted.most
    planned_to = connection.execute(_planned_to, {"names": wanted.notifiers}).scalar_one()
    if planned_to is not None:
        below = min(below, planned_to + 1)
    values = {"below": below, "before": wanted.before}
    last = connection.execute(_newest_to_go, values).scalar_one()
    if last is None:
        return 0, 0
    still_open = connection.execute(_count_open, {"last": last}).scalar_one()
    for statement in _forget:
        connection.execute(statement, {"last": last})
    return last - first + 1, still_open
