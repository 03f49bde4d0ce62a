"""Closing files: what follows once every delivery of one is final."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from sinkwell.delivery import decide
from sinkwell.delivery.model import Settlement, Standing, State
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import deliveries, files

Hold = tuple[str, int]
"""A delivery and the epoch under which it is, or was, leased."""

_standings = select(
    deliveries.c.file_id,
    deliveries.c.sink,
    deliveries.c.state,
    deliveries.c.key,
    deliveries.c.location,
).where(deliveries.c.file_id.in_(bindparam("ids", expanding=True)))
_close_file = (
    update(files)
    .where(files.c.id == bindparam("file"))
    .values(state=bindparam("to_state"), release_at=bindparam("at"), released=bindparam("gone"))
)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the spool keeps a file once its deliveries are final, in seconds."""

    stored: float
    failed: float


def find_standings(connection: Connection, file_ids: Sequence[str]) -> Mapping[str, list[Standing]]:
    """Return how the deliveries of each file stand."""
    standings: dict[str, list[Standing]] = defaultdict(list)
    for file_id, sink, state, key, location in connection.execute(_standings, {"ids": file_ids}):
        standings[file_id].append(Standing(sink, State(state), key, location))
    return standings


def close_files(
    connection: Connection,
    settlements: Sequence[tuple[Retention, Settlement]],
    announced: list[eventlog.Announced],
) -> set[Hold]:
    """Close the files that these settlements made final; return which of them lets one go.

    Of several that end the deliveries of one file together, only one does.
    """
    ended = {s.lease.file.file_id: (keep, s) for keep, s in settlements if s.state.final}
    if not ended:
        return set()
    standings = find_standings(connection, list(ended))
    rows = []
    for file_id, (keep, settlement) in ended.items():
        file, now = settlement.lease.file, settlement.attempt.ended_at
        fact = decide.file_outcome(
            file_id, file.source, file.provider_id, file.labels, standings[file_id]
        )
        if fact is None:
            continue
        announced.append((file_id, now, fact))
        wait = keep.failed if fact.failed else keep.stored
        rows.append(
            {
                "file": file_id,
                "to_state": "finished" if fact.TYPE == "file.finished" else "failed",
                "at": now + wait,
                "gone": wait == 0,
            }
        )
    if rows:
        connection.execute(_close_file, rows)
    return {hold_of(ended[str(row["file"])][1]) for row in rows if row["gone"]}


def hold_of(settlement: Settlement) -> Hold:
    return settlement.lease.delivery_id, settlement.lease.epoch
