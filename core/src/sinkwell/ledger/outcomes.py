"""Notifications: what became of attempts, and what that says of their notifiers."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from sinkwell.bus import decide
from sinkwell.bus.model import NotificationSettlement, NotificationState, Trouble
from sinkwell.contract.events import NotifierDisabled
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import notification_attempts, notifications, notifier_troubles

_insert_attempts = insert(notification_attempts)
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
    .where(
        notifications.c.notifier == bindparam("name"),
        notifications.c.position == bindparam("place"),
    )
    .values(
        state=bindparam("to_state"),
        due_at=bindparam("due"),
        attempts=bindparam("counted"),
        error=bindparam("reason"),
        settled_at=bindparam("at"),
    )
)
_trouble = select(notifier_troubles).where(notifier_troubles.c.notifier == bindparam("name"))
_forget_trouble = delete(notifier_troubles).where(notifier_troubles.c.notifier == bindparam("name"))
_insert_trouble = insert(notifier_troubles)


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
