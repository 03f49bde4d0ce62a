"""Fetches that begin anew: by request, or as a repeated callback brings a fresh link."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, false, select, update

from sinkwell.contract.events import FetchRetried
from sinkwell.intake.fetching import FetchState
from sinkwell.intake.manifest import Link
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import fetches, files

_one = (
    select(fetches.c.file_id, fetches.c.source, fetches.c.state, files.c.released)
    .join(files, files.c.id == fetches.c.file_id)
    .where(fetches.c.file_id == bindparam("file"))
)
_reopen = (
    update(fetches)
    .where(fetches.c.file_id == bindparam("file"))
    .values(state=FetchState.PENDING.value, due_at=bindparam("present"), attempts=0)
)
_reopen_file = (
    update(files).where(files.c.id == bindparam("file")).values(state="fetching", release_at=None)
)
_of_callback = (
    select(fetches.c.file_id, fetches.c.source, fetches.c.state)
    .join(files, files.c.id == fetches.c.file_id)
    .where(fetches.c.callback_id == bindparam("callback"), files.c.released == false())
    .order_by(fetches.c.file_id)
)
_renew = (
    update(fetches)
    .where(fetches.c.file_id == bindparam("file"))
    .values(url=bindparam("address"), expires_at=bindparam("until"))
)
_hasten = (
    update(fetches)
    .where(fetches.c.file_id == bindparam("file"), fetches.c.state == FetchState.PENDING.value)
    .values(due_at=bindparam("present"))
)


class NotFetchableError(Exception):
    """A file cannot be fetched again; the text says why."""


def retry(connection: Connection, asked: Sequence[tuple[str, float]]) -> Sequence[str | Exception]:
    """Bring failed fetches back; return the source of each, or why it cannot be."""
    return [_retry(connection, file_id, now) for file_id, now in asked]


def _retry(connection: Connection, file_id: str, now: float) -> str | Exception:
    row = connection.execute(_one, {"file": file_id}).one_or_none()
    if row is None:
        return LookupError(f"there is no file {file_id} that has to be fetched")
    if row.state == FetchState.FETCHED:
        return NotFetchableError(f"file {file_id} was fetched; its deliveries can be retried")
    if row.state != FetchState.FAILED:
        return NotFetchableError(f"file {file_id} is being fetched: it is tried by itself")
    if row.released:
        return NotFetchableError(
            f"file {file_id} has left the spool; [spool] failed_retention says how long it stays"
        )
    _bring_back(connection, row.file_id, row.source, now)
    return str(row.source)


def renew(
    connection: Connection, callback_id: str, links: Sequence[Link | None], now: float
) -> None:
    """Take the links of a repeated callback for those of the first one, as the old may expire.

    Does nothing for files that have come. The spool's own reference keeps its first link.
    """
    found = connection.execute(_of_callback, {"callback": callback_id}).all()
    for row, link in zip(found, filter(None, links), strict=False):
        if row.state == FetchState.FETCHED:
            continue
        renewed = {"file": row.file_id, "address": link.url, "until": link.expires_at}
        connection.execute(_renew, renewed)
        if row.state == FetchState.FAILED:
            _bring_back(connection, row.file_id, row.source, now)
        connection.execute(_hasten, {"file": row.file_id, "present": now})


def _bring_back(connection: Connection, file_id: str, source: str, now: float) -> None:
    connection.execute(_reopen, {"file": file_id, "present": now})
    connection.execute(_reopen_file, {"file": file_id})
    fact = FetchRetried(file_id=file_id, source=source)
    eventlog.append(connection, [(file_id, now, fact)])
