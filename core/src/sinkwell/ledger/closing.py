"""Closing files: what follows once every delivery of one is final."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from sinkwell.delivery import decide
from sinkwell.delivery.model import Standing, State
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import deliveries, files

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


@dataclass(frozen=True, slots=True)
class Ended:
    """A file one or more of whose deliveries have just become final."""

    file_id: str
    source: str
    provider_id: str
    labels: Mapping[str, str]
    at: float
    keep: Retention


def close_files(
    connection: Connection,
    ended: Sequence[Ended],
    announced: list[eventlog.Announced],
    *,
    at_once: bool,
) -> set[str]:
    """Close those of these files whose deliveries are all final; return which are let go.

    Unless ``at_once``, none is: what need not be kept is left to the keeper of the spool.
    """
    if not ended:
        return set()
    standings = find_standings(connection, [file.file_id for file in ended])
    rows = []
    for file in ended:
        fact = decide.file_outcome(
            file.file_id, file.source, file.provider_id, file.labels, standings[file.file_id]
        )
        if fact is None:
            continue
        announced.append((file.file_id, file.at, fact))
        wait = file.keep.failed if fact.failed else file.keep.stored
        rows.append(
            {
                "file": file.file_id,
                "to_state": "finished" if fact.TYPE == "file.finished" else "failed",
                "at": file.at + wait,
                "gone": at_once and wait == 0,
            }
        )
    if rows:
        connection.execute(_close_file, rows)
    return {str(row["file"]) for row in rows if row["gone"]}
