"""Lists, for the eye or one JSON object a line."""

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich.table import Table
from rich.text import Text

from sinkwell.cli.common import out, plain, resolve_data_dir

_ON_SCREEN = 50
_UNBOUNDED = 100_000
"""Columns of a page on which one row is one line, and nothing is cut."""
_GAP = 1
_WHOLE_WORD = 10
"""Letters up to which a word is not broken on a narrow screen: a date's, a state's."""

Row = Mapping[str, Any]

labels_option = click.option(
    "--labels", is_flag=True, help="With the labels of the files; JSON always has them."
)
LABELS = ("labels", lambda row: " ".join(starmap(_label, sorted(row["labels"].items()))))
"""The column that ``labels_option`` asks for."""


def show(
    path: str,
    columns: Sequence[tuple[str, Callable[[Row], str]]],
    *,
    config: Path | None,
    data_dir: Path | None,
    limit: int | None,
    as_json: bool,
    wanted: Mapping[str, str | None],
) -> None:
    """Print the rows of a list: all of them as JSON, the newest fifty on a screen."""

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(resolve_data_dir(config, data_dir)) as api:
            if as_json:
                async for row in api.rows(path, limit, **wanted):
                    click.echo(msgspec.json.encode(row).decode())
                return
            rows = [row async for row in api.rows(path, limit or _ON_SCREEN, **wanted)]
        if rows:
            lay_out(columns, rows)
        else:
            out.print("none")
        if limit is None and len(rows) == _ON_SCREEN:
            out.print(f"[dim]the newest {_ON_SCREEN}; --limit or --json show more[/]")

    asyncio.run(run())


def show_all(
    path: str,
    columns: Sequence[tuple[str, Callable[[Row], str]]],
    *,
    config: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Print the rows of a list that is short."""

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(resolve_data_dir(config, data_dir)) as api:
            rows = await api.all_rows(path)
        if as_json:
            for row in rows:
                click.echo(msgspec.json.encode(row).decode())
        elif rows:
            lay_out(columns, rows)
        else:
            out.print("none")

    asyncio.run(run())


def lay_out(columns: Sequence[tuple[str, Callable[[Row], str]]], rows: Sequence[Row]) -> None:
    """Lay rows out to fit the screen, in cells of several lines if need be; ids stay whole.

    Without a screen, or on one that is too narrow even so, one row is one line.
    """
    lines = [[Text.from_markup(cell(row)) for _, cell in columns] for row in rows]
    table = Table(box=None, header_style="bold", padding=(0, _GAP, 0, 0), pad_edge=False)
    for index, (name, _) in enumerate(columns):
        words = [name, *(word for line in lines for word in line[index].plain.split())]
        widest = max(map(len, words))
        is_id = index == 0
        narrowest = widest if is_id else min(_WHOLE_WORD, widest)
        table.add_column(name, overflow="fold", no_wrap=is_id, min_width=narrowest)
    for line in lines:
        table.add_row(*line)
    needed = sum((column.min_width or 0) + _GAP for column in table.columns) - _GAP
    if not out.is_terminal or needed > out.width:
        out.width = _UNBOUNDED
    out.print(table)


def _label(name: str, value: str) -> str:
    return f"{plain(name)}={plain(value)}"


def local_time(seconds: float) -> str:
    """Show a time of the ledger as this machine's clock has it."""
    return dt.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def human_size(size: int) -> str:
    """Show a number of bytes as people say it."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:  # noqa: PLR2004 - the step between units
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def coloured(state: str) -> str:
    """Show a state in its colour."""
    colour = {
        "stored": "green",
        "sent": "green",
        "finished": "green",
        "pending": "yellow",
        "leased": "cyan",
        "open": "yellow",
        "fetching": "yellow",
        "cancelled": "dim",
        "unrouted": "dim",
    }.get(state, "red")
    return f"[{colour}]{state}[/]"
