"""What pytest tells of a kit: a table of promises, and what was not shown."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sinkwell.testing import kit

MODULE = '''
import pytest
from sinkwell.testing.kit import in_loop, not_shown


class Kit:
    kit = "sink"

    @in_loop
    async def test_first(self):
        """It comes first."""

    def test_broken(self):
        """It breaks.

        And this is no part of the row.
        """
        assert False, "for this reason"

    def test_not_shown(self):
        """It cannot be put to the test."""
        not_shown("nobody can make it")

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_of_many(self, number):
        """It holds for each number."""
        assert number != 2

    def test_skipped(self):
        """It is left out."""
        pytest.skip("the author says so")

    @pytest.mark.xfail(reason="a known fault")
    def test_known(self):
        """It is known to break."""
        assert False

    def test_without_docstring(self): ...

    @pytest.fixture
    def trouble(self):
        raise RuntimeError("the fixture failed")

    def test_fixture(self, trouble):
        """Its fixture works."""

    @pytest.fixture
    def late_trouble(self):
        yield
        raise RuntimeError("it ended badly")

    def test_late(self, late_trouble):
        """It ends well."""

    def test_last(self):
        """It comes last."""


class TestMine(Kit): ...


class TestGood:
    kit = "notifier"

    def test_one(self):
        """All is well."""


def test_beside_the_kit():
    pass
'''


def run(directory: Path, *options: str) -> tuple[int, list[str]]:
    (directory / "test_mine.py").write_text(MODULE)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "sinkwell.pytest_plugin", *options],
        cwd=directory,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, [line.rstrip() for line in ended.stdout.splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    code, lines = run(tmp_path_factory.mktemp("mine"), "--tb=no", "-rA")
    assert code == 1
    return lines


def table(lines: list[str], title: str) -> list[str]:
    (start,) = [n for n, line in enumerate(lines) if f" {title} " in line]
    end = next(n for n, line in enumerate(lines) if n > start and line.startswith("==="))
    return [line for line in lines[start + 1 : end] if line]


def test_the_table_has_a_row_for_each_promise_in_the_order_of_the_kit(told: list[str]) -> None:
    assert table(told, "TestMine: the sink contract") == [
        "held       It comes first",
        "BROKEN     It breaks (for this reason)",
        "not shown  It cannot be put to the test (nobody can make it)",
        "BROKEN     It holds for each number (assert 2 != 2)",
        "not shown  It is left out (the author says so)",
        "BROKEN     It is known to break (expected to fail: a known fault)",
        "held       test_without_docstring",
        "BROKEN     Its fixture works (RuntimeError: the fixture failed)",
        "BROKEN     It ends well (RuntimeError: it ended badly)",
        "held       It comes last",
        "           3 held, 2 not shown, 5 BROKEN",
    ]


def test_each_class_has_a_table_of_its_own(told: list[str]) -> None:
    assert table(told, "TestGood: the notifier contract") == [
        "held       All is well",
        "           1 held, 0 not shown, 0 BROKEN",
    ]


def test_what_is_not_shown_is_neither_passed_nor_skipped(told: list[str]) -> None:
    assert "1 not shown" in told[-1]
    assert "1 skipped" in told[-1]
    assert "8 passed" in told[-1]


def test_verbose_output_has_a_word_for_it(tmp_path: Path) -> None:
    _, lines = run(tmp_path, "-v", "--tb=no", "-k", "not_shown")
    assert any("test_not_shown NOT SHOWN" in line for line in lines)


def test_without_a_kit_nothing_is_printed(tmp_path: Path) -> None:
    code, lines = run(tmp_path, "-k", "beside_the_kit")
    assert code == 0
    assert not any("contract" in line for line in lines)


def test_a_test_that_waits_for_ever_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit, "ENDS_WITHIN", 0.05)

    @kit.in_loop
    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(pytest.fail.Exception, match="still waited"):
        waits()


def test_a_time_out_of_the_test_itself_stays_what_it_is() -> None:
    @kit.in_loop
    async def gives_up() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        gives_up()
