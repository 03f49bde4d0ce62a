"""The migrations, and the tables that the code speaks of, are the same."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from ledgers import ENGINES
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex

from sinkwell.ledger.migrations import NEWEST
from sinkwell.ledger.schema import metadata


def options(index: ReflectedIndex) -> dict[str, Any]:
    return index.get("dialect_options", {})


def layout(engine: Engine) -> dict[str, object]:
    """Describe what autogenerate does not compare: checks, partial indexes and keys."""
    seen = inspect(engine)
    return {
        table: (
            seen.get_pk_constraint(table),
            sorted(map(str, seen.get_check_constraints(table))),
            sorted(
                (str(index["name"]), index["column_names"], *map(str, options(index).values()))
                for index in seen.get_indexes(table)
            ),
            sorted(map(str, seen.get_unique_constraints(table))),
            sorted(map(str, seen.get_foreign_keys(table))),
        )
        for table in metadata.tables
    }


@pytest.mark.parametrize("database", list(ENGINES))
def test_a_migrated_ledger_is_what_the_schema_says(database: str, tmp_path: Path) -> None:
    with ENGINES[database](tmp_path) as migrated, migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_constraints_and_indexes_are_those_of_the_schema(tmp_path: Path) -> None:
    made = create_engine(f"sqlite:///{tmp_path / 'made.sqlite3'}")
    metadata.create_all(made)

    with ENGINES["sqlite"](tmp_path) as migrated:
        assert layout(migrated) == layout(made)
    made.dispose()


def test_the_newest_revision_is_the_one_that_the_code_names() -> None:
    config = Config()
    config.set_main_option("script_location", "sinkwell.ledger:migrations")
    config.set_main_option("path_separator", "os")

    assert ScriptDirectory.from_config(config).get_heads() == [NEWEST]
