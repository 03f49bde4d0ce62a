"""Findings, for the eye or one JSON object a line."""

import json
from dataclasses import asdict

import rich_click as click
from rich.markup import escape

from sinkwell.cli.common import out
from sinkwell.contract import Finding

_MARKS = {
    "ok": "[green]✓[/]",
    "warning": "[yellow]![/]",
    "failed": "[red]✗[/]",
    "not permitted": "[cyan]?[/]",
    "not offered": "[dim]-[/]",
}
_TOLD = {"not permitted": "not permitted to see: ", "not offered": "not offered here: "}
"""What the mark alone would not tell."""


def show_finding(area: str, finding: Finding, *, as_json: bool) -> None:
    """Print one finding with the part of Sinkwell that it is about."""
    if as_json:
        click.echo(json.dumps({"area": area, **asdict(finding)}))
        return
    told = f"{_TOLD.get(finding.level, '')}{finding.what}"
    out.print(f"{_MARKS[finding.level]} [bold]{escape(area)}[/]  {escape(told)}", soft_wrap=True)
    if finding.advice:
        out.print(f"    {escape(finding.advice)}", soft_wrap=True)
