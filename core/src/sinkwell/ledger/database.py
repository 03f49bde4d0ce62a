"""Opening the database: who owns it, how it commits, which schema it has."""

import fcntl
import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from sinkwell.directories import make_directory
from sinkwell.ledger.migrations import NEWEST
from sinkwell.outage import LedgerUnavailableError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY_CODE = 0xFF


class LedgerOwnedError(Exception):
    """Another process owns this data directory."""


class Ownership:
    """The lock on a data directory: one process at a time owns a SQLite ledger and its spool.

    Two connections of two processes that both write or checkpoint can corrupt the write-ahead
    log of SQLite before 3.51.3 (sqlite.org/wal.html, "the WAL-reset bug").
    """

    def __init__(self, data_dir: Path) -> None:
        """Take the lock. Raises ``LedgerOwnedError`` when another process holds it."""
        make_directory(data_dir)
        self._fd = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise LedgerOwnedError(
                f"another Sinkwell (process {owner}) runs on {data_dir}; "
                "stop it first, or give this one another --data-dir"
            ) from None
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._fd)


def open_for_writing(path: Path, *, synchronous: str = "full") -> Engine:
    """Open the SQLite ledger for its one writing connection, and bring its schema up to date.

    ``synchronous`` is SQLite's: with ``full`` a commit is on the disk when it returns; with
    ``normal`` it is not, and only fault tests that must show loss want that.

    Raises ``LedgerUnavailableError`` when the file is no ledger of this Sinkwell or cannot be
    written, ``OSError`` when it cannot be made.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    engine = create_engine(f"sqlite:///{path}", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def configure(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # transactions are begun below
        cursor = connection.cursor()  # type: ignore[attr-defined]  # a DBAPI connection
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with ExitStack() as on_failure:
        on_failure.callback(engine.dispose)
        try:
            migrate(engine)
        except DBAPIError as error:
            raise unavailable(error, "opened") from error
        on_failure.pop_all()
    return engine


def unavailable(error: DBAPIError, what: str) -> LedgerUnavailableError:
    """Say of a database error what is wrong, and what to do where waiting does not help."""
    code = getattr(error.orig, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code in _DAMAGED:
        return LedgerUnavailableError(
            f"the ledger is damaged ({error.orig}); stop Sinkwell and run "
            "`sinkwell ledger rebuild`, which makes a new one from the spool"
        )
    return LedgerUnavailableError(f"the ledger cannot be {what}: {error.orig}")


def open_for_reading(path: Path) -> Engine:
    """Open connections that only read; they see what is committed and never checkpoint."""
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        pool_size=4,
        connect_args={"check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: object, _: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]  # a DBAPI connection
        cursor.execute("PRAGMA query_only = ON")
        cursor.execute("PRAGMA wal_autocheckpoint = 0")
        cursor.close()

    return engine


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision.

    Alembic is imported only when there is something to do: a start after a crash must be quick.
    """
    if _revision(engine) == NEWEST:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", "sinkwell.ledger:migrations")
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise LedgerUnavailableError(
                f"the ledger has tables that this Sinkwell does not know ({error}); "
                "run the newer Sinkwell that made them"
            ) from error


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
