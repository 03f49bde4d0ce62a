"""What people ask of deliveries: to be tried again, or given up."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from sinkwell.contract.events import DeliveryCancelled, DeliveryRetried
from sinkwell.delivery.model import State
from sinkwell.ledger import eventlog
from sinkwell.ledger.closing import Ended, Retention, close_files
from sinkwell.ledger.schema import deliveries, files

_labels = msgspec.json.Decoder(dict[str, str])


class WrongStateError(Exception):
    """A delivery is not in a state in which this can be done; the text says why."""


_one = (
    select(
        deliveries.c.id,
        deliveries.c.file_id,
        deliveries.c.sink,
        deliveries.c.key,
        deliveries.c.state,
        deliveries.c.attempts,
        deliveries.c.due_at,
        files.c.source,
        files.c.provider_id,
        files.c.labels,
        files.c.released,
    )
    .join(files, files.c.id == deliveries.c.file_id)
    .where(deliveries.c.id == bindparam("delivery"))
)
_reopen = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(
        state=State.PENDING.value,
        due_at=bindparam("present"),
        attempts=0,
        location=None,
        settled_at=None,
    )
)
_reopen_file = (
    update(files).where(files.c.id == bindparam("file")).values(state="open", release_at=None)
)
_cancel = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(state=State.CANCELLED.value, due_at=None, settled_at=bindparam("present"))
)


def retry(connection: Connection, asked: Sequence[tuple[str, float]]) -> Sequence[str | Exception]:
    """Bring final deliveries back; return the sink of each, or why it cannot be."""
    return [_retry(connection, delivery_id, now) for delivery_id, now in asked]


def _retry(connection: Connection, delivery_id: str, now: float) -> str | Exception:
    row = connection.execute(_one, {"delivery": delivery_id}).one_or_none()
    if row is None:
        return LookupError(f"there is no delivery {delivery_id}")
    if not State(row.state).final:
        return WrongStateError(f"delivery {delivery_id} is {row.state}: it is tried by itself")
    if row.released:
        return WrongStateError(
            f"the file of delivery {delivery_id} has left the spool; "
            "[spool] retention and failed_retention say how long it stays"
        )
    connection.execute(_reopen, {"delivery": delivery_id, "present": now})
    connection.execute(_reopen_file, {"file": row.file_id})
    fact = DeliveryRetried(**_named(row))
    eventlog.append(connection, [(row.file_id, now, fact)])
    return str(row.sink)


def cancel(
    connection: Connection, asked: Sequence[tuple[str, float, Retention]]
) -> Sequence[str | Exception]:
    """Give deliveries up that wait; return the sink of each, or why that cannot be.

    One that is being tried is left alone: its sink may have the file already.
    """
    return [_cancelled(connection, *each) for each in asked]


def _cancelled(
    connection: Connection, delivery_id: str, now: float, keep: Retention
) -> str | Exception:
    row = connection.execute(_one, {"delivery": delivery_id}).one_or_none()
    if row is None:
        return LookupError(f"there is no delivery {delivery_id}")
    state = State(row.state)
    if state.final:
        return WrongStateError(f"delivery {delivery_id} is {state} already")
    if state is State.LEASED and row.due_at > now:
        return WrongStateError(
            f"delivery {delivery_id} is being tried just now, and its sink may have the file in a "
            "moment; ask again when that is over"
        )
    connection.execute(_cancel, {"delivery": delivery_id, "present": now})
    named = _named(row)
    announced: list[eventlog.Announced] = [(row.file_id, now, DeliveryCancelled(**named))]
    file = Ended(row.file_id, row.source, row.provider_id, named["labels"], now, keep)
    close_files(connection, [file], announced, at_once=False)
    eventlog.append(connection, announced)
    return str(row.sink)


def _named(row: Any) -> dict[str, Any]:
    """Return what every event of a delivery says."""
    return {
        "delivery_id": row.id,
        "file_id": row.file_id,
        "source": row.source,
        "provider_id": row.provider_id,
        "labels": _labels.decode(row.labels),
        "sink": row.sink,
        "key": row.key,
        "attempt": row.attempts,
    }
