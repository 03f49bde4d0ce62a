"""Files that no route took, and those that one takes later."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, false, insert, select, update

from sinkwell.contract.events import FileRouted
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.ledger import eventlog
from sinkwell.ledger.rows import delivery_row
from sinkwell.ledger.schema import deliveries, files

_unrouted = (
    select(files.c.id)
    .where(
        files.c.state == "unrouted",
        files.c.released == false(),
        files.c.spool_id == bindparam("spool"),
    )
    .order_by(files.c.id)
)
_open_file = (
    update(files)
    .where(files.c.id == bindparam("file"), files.c.state == "unrouted")
    .values(state="open")
)
_insert_deliveries = insert(deliveries)


@dataclass(frozen=True, slots=True)
class Routed:
    """A file that had no deliveries, and those that it gets."""

    file_id: str
    source: str
    provider_id: str
    planned: Sequence[PlannedDelivery]
    now: float


def unrouted_files(connection: Connection, spool_id: str) -> list[str]:
    """Return the ids of files in this spool that no route took, the oldest first."""
    return list(connection.execute(_unrouted, {"spool": spool_id}).scalars())


def record_routed(connection: Connection, found: Sequence[Routed]) -> Sequence[None]:
    """Write deliveries of files that had none; does nothing for a file that has some by now."""
    for each in found:
        if connection.execute(_open_file, {"file": each.file_id}).rowcount:
            rows = [delivery_row(each.file_id, one, each.now, None) for one in each.planned]
            connection.execute(_insert_deliveries, rows)
            fact = FileRouted(
                file_id=each.file_id,
                source=each.source,
                provider_id=each.provider_id,
                sinks=tuple(one.sink for one in each.planned),
            )
            eventlog.append(connection, [(each.file_id, each.now, fact)])
    return [None] * len(found)
