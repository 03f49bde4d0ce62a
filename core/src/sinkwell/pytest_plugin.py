"""The pytest side of the conformance kits: what is not shown is told, and a table sums it up.

pytest loads this in every environment that has Sinkwell, so it imports nothing but pytest.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("sinkwell.testing")

NOT_SHOWN = "not shown: "
"""How the reason of a promise begins that could not be put to the test."""

_PROPERTY = "sinkwell-kit"
_BROKEN, _NOT_SHOWN, _HELD = "BROKEN", "not shown", "held"
_COLOURS = {_BROKEN: {"red": True, "bold": True}, _NOT_SHOWN: {"yellow": True}, _HELD: {}}
_LONGEST_REASON = 200


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note with each report of a kit's test what it is that was promised."""
    report = yield
    kit = getattr(getattr(item, "cls", None), "kit", None)
    if isinstance(kit, str):
        function: Any = getattr(item, "function", None)
        promise = (function.__doc__ or function.__name__).splitlines()[0].rstrip(".")
        report.user_properties.append((_PROPERTY, (kit, item.cls.__name__, promise)))  # type: ignore[attr-defined]  # only functions have a class
    return report


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Give what is not shown a word of its own: it is neither a pass nor a skip."""
    if report.skipped and _reason(report).startswith(NOT_SHOWN):
        return _NOT_SHOWN, "n", ("NOT SHOWN", _COLOURS[_NOT_SHOWN])
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a table for each class that extends a kit: every promise, and how it stands."""
    for (kit, name), verdicts in _verdicts(terminalreporter).items():
        terminalreporter.section(f"{name}: the {kit} contract")
        for promise, (verdict, reason) in verdicts.items():
            terminalreporter.write(f"{verdict:<11}", **_COLOURS[verdict])
            terminalreporter.line(f"{promise}{f' ({reason})' if reason else ''}")
        counts = Counter(verdict for verdict, _ in verdicts.values())
        counted = [f"{counts[each]} {each}" for each in (_HELD, _NOT_SHOWN, _BROKEN)]
        terminalreporter.line(f"{'':<11}{', '.join(counted)}")


def _verdicts(
    reporter: pytest.TerminalReporter,
) -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
    """Sort all reports by class and promise, in the order in which they ran.

    Of several tests of one promise the worst counts.
    """
    tables: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
    reports = [each for some in reporter.stats.values() for each in some]
    reports = [each for each in reports if isinstance(each, pytest.TestReport)]
    for report in sorted(reports, key=lambda each: each.start):
        for name, value in report.user_properties:
            if name == _PROPERTY and (verdict := _verdict(report)):
                kit, owner, promise = value
                found = tables.setdefault((kit, owner), {})
                found[promise] = min(found.get(promise, verdict), verdict, key=_badness)
    return tables


def _badness(verdict: tuple[str, str]) -> int:
    return [*_COLOURS].index(verdict[0])


def _verdict(report: pytest.TestReport) -> tuple[str, str] | None:
    """Say how the promise of a test stands: one that is known to fail is broken all the same."""
    if hasattr(report, "wasxfail"):
        return (_BROKEN, f"expected to fail: {report.wasxfail}") if report.skipped else (_HELD, "")
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = str(getattr(crash, "message", "")).removeprefix("Failed: ").splitlines() or [""]
        return _BROKEN, lines[0].removeprefix("AssertionError: ")[:_LONGEST_REASON]
    if report.skipped:
        return _NOT_SHOWN, _reason(report).removeprefix(NOT_SHOWN)
    return (_HELD, "") if report.when == "call" else None


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    return where[2].removeprefix("Skipped: ") if isinstance(where, tuple) else ""
