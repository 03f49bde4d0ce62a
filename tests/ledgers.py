"""Ledgers for tests: the one place that makes them, so that a suite can run on another database."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path

from sqlalchemy import Engine

from sinkwell.clock import Clock
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.ids import new_id
from sinkwell.intake.journal import Acceptance
from sinkwell.intake.manifest import Manifest
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.database import open_for_writing
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.schema import event_head, metadata

SPOOL_ID = "the-spool"
START = 1_700_000_000.0
FOR_EVER = Retention(1e6, 1e6)


class MovedClock(Clock):
    """A clock that only moves when a test says so."""

    def __init__(self, present: float = START) -> None:
        super().__init__()
        self.present = present

    def now(self) -> float:
        return self.present


@contextmanager
def sqlite_engine(directory: Path) -> Generator[Engine, None, None]:
    """Open a SQLite ledger that does not wait for the disk."""
    engine = open_for_writing(directory / "ledger.sqlite3", synchronous="off")
    try:
        yield engine
    finally:
        engine.dispose()


ENGINES: dict[str, Callable[[Path], AbstractContextManager[Engine]]] = {"sqlite": sqlite_engine}
"""Every database that a ledger can live in."""


def empty(engine: Engine) -> None:
    """Bring a ledger back to how it was made."""
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not event_head:
                connection.exec_driver_sql(f"DELETE FROM {table.name}")
        connection.exec_driver_sql("UPDATE event_head SET position = 0")


def make_ledger(directory: Path, clock: Clock, retention: Retention = FOR_EVER) -> Ledger:
    """Open a whole ledger, its writer included, that does not wait for the disk."""
    return Ledger(
        directory / "ledger.sqlite3",
        spool_id=SPOOL_ID,
        clock=clock,
        retention=retention,
        synchronous="off",
    )


def make_acceptance(
    *sinks: str, token: str | None = None, content: bytes = b"content", now: float = START
) -> Acceptance:
    """Return a callback with one file, routed to these sinks; without a token, no repeat of any."""
    file_id, callback_id = new_id("f"), new_id("c")
    manifest = Manifest(
        file_id=file_id,
        callback_id=callback_id,
        source="shotbot",
        provider_id=token or file_id,
        deduplication_key=token,
        provider_status="OK",
        received_at=now,
        size=len(content),
        sha256=sha256(content).hexdigest(),
        media_type="image/png",
        extension="png",
        name=None,
        labels={},
    )
    planned = tuple(PlannedDelivery(new_id("d"), sink, f"{file_id}.png") for sink in sinks)
    return Acceptance(
        callback_id=callback_id,
        source="shotbot",
        provider_id=manifest.provider_id,
        provider_status="OK",
        deduplication_key=token,
        received_at=now,
        files=((manifest, planned),),
    )
