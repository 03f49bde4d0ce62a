"""The event log: appended to within the transaction that makes an event true."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from sinkwell.contract import Event, Fact
from sinkwell.contract.events import FACTS
from sinkwell.ids import new_id
from sinkwell.ledger.schema import cursors, event_head, events

Announced = tuple[str, float, Fact]
"""Subject, time, and what happened."""

_encoder = msgspec.json.Encoder()
_decoders = {name: msgspec.json.Decoder(fact) for name, fact in FACTS.items()}

_advance = (
    update(event_head)
    .values(position=event_head.c.position + bindparam("count"))
    .returning(event_head.c.position)
)
_insert = insert(events)
_after = (
    select(events)
    .where(events.c.position > bindparam("after"))
    .order_by(events.c.position)
    .limit(bindparam("most"))
)
_last = select(event_head.c.position)
_cursor = select(cursors.c.position).where(cursors.c.notifier == bindparam("notifier"))
_move_cursor = (
    update(cursors).where(cursors.c.notifier == bindparam("name")).values(position=bindparam("to"))
)


APPENDED = "events_appended"
"""Set in ``connection.info`` by ``append``, so that the writer can tell of it after the commit."""


def append(connection: Connection, announced: Iterable[Announced]) -> None:
    """Write events at the next positions, in order."""
    rows = [
        {
            "id": new_id("e"),
            "type": fact.TYPE,
            "at": at,
            "subject": subject,
            "data": _encoder.encode(fact).decode(),
        }
        for subject, at, fact in announced
    ]
    if not rows:
        return
    last = connection.execute(_advance, {"count": len(rows)}).scalar_one()
    for position, row in enumerate(rows, last - len(rows) + 1):
        row["position"] = position
    connection.execute(_insert, rows)
    connection.info[APPENDED] = True


def read_after(connection: Connection, position: int, most: int) -> list[Event]:
    """Return up to ``most`` events that follow a position, in order."""
    rows = connection.execute(_after, {"after": position, "most": most})
    return [event_of(row) for row in rows]


def read_matching(
    connection: Connection, position: int, most: int, types: Sequence[str], words: Sequence[str]
) -> list[Event]:
    """Return events that follow a position, of these types, whose data hold one of these texts.

    Most of a long log is passed over without being understood, which takes a fiftieth of the
    time. An index would cost each event nearly as much again as its row.
    """
    query = _after.where(events.c.type.in_(types))
    if words:
        quoted = [_encoder.encode(word).decode() for word in words]
        query = query.where(
            or_(*(events.c.data.contains(each, autoescape=True) for each in quoted))
        )
    rows = connection.execute(query, {"after": position, "most": most})
    return [event_of(row) for row in rows]


def event_of(row: Row[tuple[object, ...]]) -> Event:
    """Return the event of a row with all its columns."""
    return Event(
        position=row.position,
        id=row.id,
        type=row.type,
        time=row.at,
        subject=row.subject,
        data=_decoders[row.type].decode(row.data),
    )


def last_position(connection: Connection) -> int:
    """Return the position of the newest event, 0 where there is none."""
    return int(connection.execute(_last).scalar_one())


def open_cursors(connection: Connection, notifiers: Sequence[str]) -> Sequence[int]:
    """Return where each notifier stands; one that is new starts at the end of the log."""
    positions = []
    for notifier in notifiers:
        position = connection.execute(_cursor, {"notifier": notifier}).scalar_one_or_none()
        if position is None:
            position = last_position(connection)
            connection.execute(insert(cursors), {"notifier": notifier, "position": position})
        positions.append(position)
    return positions


def move_cursors(connection: Connection, moves: Sequence[tuple[str, int]]) -> Sequence[None]:
    """Note how far notifiers have been told, or notifications of theirs are planned."""
    connection.execute(_move_cursor, [{"name": name, "to": to} for name, to in dict(moves).items()])
    return [None] * len(moves)


def announce(connection: Connection, announced: Sequence[list[Announced]]) -> Sequence[None]:
    """Write events that belong to no other change."""
    append(connection, (one for group in announced for one in group))
    return [None] * len(announced)
