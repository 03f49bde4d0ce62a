"""Closing files: what follows once every delivery of one is final."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from sinkwell.delivery import decide
from sinkwell.delivery.model import Settlement, State
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import deliveries, files

Hold = tuple[str, int]
"""A delivery and the epoch under which it is, or was, leased."""

_states = (
    select(deliveries.c.file_id, deliveries.c.state, func.count())
    .where(deliveries.c.file_id.in_(bindparam("ids", expanding=True)))
    .group_by(deliveries.c.file_id, deliveries.c.state)
)
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


def count_states(connection: Connection, file_ids: Sequence[str]) -> Mapping[str, Counter[State]]:
    """Return how many deliveries of each file are in which state."""
    states: dict[str, Counter[State]] = defaultdict(Counter)
    for file_id, state, count in connection.execute(_states, {"ids": file_ids}):
        states[file_id][State(state)] = count
    return states


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
    states = count_states(connection, list(ended))
    rows = []
    for file_id, (keep, settlement) in ended.items():
        file, now = settlement.lease.file, settlement.attempt.ended_at
        fact = decide.file_outcome(file_id, file.source, file.provider_id, states[file_id])
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
