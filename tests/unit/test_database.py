"""Opening the ledger's file: who may, and what is said of one that is none."""

import os
import sqlite3
from pathlib import Path

import pytest
from ledgers import MovedClock, make_acceptance, make_ledger
from sqlalchemy import text

from sinkwell.ledger.database import LedgerOwnedError, Ownership, open_for_writing
from sinkwell.ledger.reads import Filter
from sinkwell.outage import LedgerUnavailableError

REBUILD = r"`sinkwell ledger rebuild`"


def test_a_data_directory_has_one_owner_at_a_time(tmp_path: Path) -> None:
    owner = Ownership(tmp_path)
    with pytest.raises(LedgerOwnedError, match=rf"process {os.getpid()}\) runs on {tmp_path}"):
        Ownership(tmp_path)

    owner.release()

    Ownership(tmp_path).release()


def test_the_lock_of_a_process_that_is_gone_is_free(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("999999\n")

    Ownership(tmp_path).release()

    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_the_ledger_is_for_its_owner_alone_and_commits_are_durable(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    engine = open_for_writing(path)
    with engine.connect() as connection:
        settings = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()

    assert settings == ["wal", 2, 1]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"not a database " * 1000, bytes(5000)])
def test_a_file_that_is_no_ledger_is_told_with_the_cure(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(content)

    with pytest.raises(LedgerUnavailableError, match=REBUILD):
        open_for_writing(path)

    assert path.read_bytes() == content, "it may be of use to someone"


async def test_damage_that_is_found_by_reading_is_told_with_the_cure(tmp_path: Path) -> None:
    ledger = make_ledger(tmp_path, MovedClock())
    for _ in range(200):
        await ledger.record_acceptance(make_acceptance("archive"))
    await ledger.close()
    path = tmp_path / "ledger.sqlite3"
    intact = path.read_bytes()
    path.write_bytes(intact[: len(intact) // 2] + b"\xff" * (len(intact) // 2))

    ledger = make_ledger(tmp_path, MovedClock())
    with pytest.raises(LedgerUnavailableError, match=REBUILD):
        await ledger.list_files(Filter(limit=1000))
    await ledger.close()


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.touch()

    engine = open_for_writing(path)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT position FROM event_head")).scalar() == 0
    engine.dispose()


def test_a_newer_sinkwells_ledger_is_left_alone_and_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    open_for_writing(path).dispose()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(LedgerUnavailableError, match="run the newer Sinkwell"):
        open_for_writing(path)


def test_a_path_that_cannot_be_a_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError, match="cannot be opened"):
        open_for_writing(tmp_path)
