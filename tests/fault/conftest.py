"""Figures that fault tests measure, told at the end of the run."""

from collections.abc import Callable

import pytest

_FIGURE = "sinkwell-figure"


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what notes a measured figure for the summary."""
    properties = request.node.user_properties
    return lambda text: properties.append((_FIGURE, f"{request.node.name}: {text}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, text in report.user_properties
        if name == _FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.line(str(text))
