"""What a new ledger takes over from an old one: by what the repeats of callbacks are known.

Only callbacks whose files had left the spool in good order are taken: of the others the spool
itself tells, or the sender's next try may bring what was lost.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import (
    Connection,
    bindparam,
    create_engine,
    false,
    insert,
    or_,
    select,
    tuple_,
)
from sqlalchemy.exc import DBAPIError

from sinkwell.ledger.schema import callbacks, files

_AT_ONCE = 500

Row = dict[str, object]

_unsettled = select(files.c.callback_id).where(
    or_(files.c.released == false(), files.c.state == "quarantined")
)
_settled = select(callbacks).where(
    callbacks.c.deduplication_key.is_not(None), callbacks.c.id.not_in(_unsettled)
)
_standing = select(callbacks.c.source, callbacks.c.deduplication_key).where(
    tuple_(callbacks.c.source, callbacks.c.deduplication_key).in_(bindparam("keys", expanding=True))
)
_insert = insert(callbacks)


def read(path: Path) -> Iterator[list[Row]]:
    """Yield callbacks of a ledger that nobody runs on, some hundred at a time.

    It may be damaged: they end where it cannot be read any further. The file stays as it is.
    """
    engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    try:
        with engine.connect() as connection:
            for rows in connection.execute(_settled).mappings().partitions(_AT_ONCE):
                yield [dict(row) for row in rows]
    except DBAPIError:
        return
    finally:
        engine.dispose()


def remember(connection: Connection, batches: Sequence[Sequence[Row]]) -> Sequence[int]:
    """Write callbacks whose repeats are not known yet; return how many, for each batch."""
    return [_remember(connection, rows) for rows in batches]


def _remember(connection: Connection, rows: Sequence[Row]) -> int:
    keys = [(row["source"], row["deduplication_key"]) for row in rows]
    known = set(connection.execute(_standing, {"keys": keys}).tuples())
    new = [row for row, key in zip(rows, keys, strict=True) if key not in known]
    if new:
        connection.execute(_insert, new)
    return len(new)
