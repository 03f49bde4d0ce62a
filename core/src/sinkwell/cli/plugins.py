"""``sinkwell plugins``: what is installed, and the beginning of a plugin of one's own."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import rich_click as click
from rich.markup import escape

from sinkwell.cli.common import EXIT_FAILED, EXIT_USAGE, fail, out
from sinkwell.cli.listing import Row, lay_out
from sinkwell.cli.skeleton import KINDS, Skeleton
from sinkwell.contract import SinkType
from sinkwell.plugins import Registered, Registry
from sinkwell.runtime import installed_plugins

_COLUMNS = ("type", "kind", "capabilities", "plugin", "from", "summary")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List the types that can be used in the settings, where each comes from, and what failed.

    Exit code 0 when every plugin could be loaded, 1 when one failed.
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json is for the list")
        return
    registry = installed_plugins()
    (_print_json if as_json else _print)(registry)
    if registry.problems:
        context.exit(EXIT_FAILED)


@plugins.command()
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="sink",
    show_default=True,
    help="What it is a plugin for.",
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write it; must be new or empty.  [default: ./sinkwell-NAME]",
)
def new(name: str, kind: str, directory: Path | None) -> None:
    """Write a working plugin of your own to begin with, as the distribution sinkwell-NAME.

    It has settings, errors and a contract test that passes as it is; comments say where your
    own service comes in. Nothing is ever overwritten.
    """
    taken = {row["type"]: row for row in _rows(installed_plugins()) if row["kind"] == kind}
    if name in taken:
        owner = f"{taken[name]['distribution']} {taken[name]['version']}"
        fail(
            f"there is a {kind} type {name!r} already, of {owner}: take another name",
            code=EXIT_USAGE,
        )
    try:
        skeleton = Skeleton(kind, name)
    except ValueError as error:
        fail(str(error), code=EXIT_USAGE)
    root = Path(skeleton.distribution) if directory is None else directory
    try:
        skeleton.write(root)
    except FileExistsError as error:
        fail(f"{error.filename or root} is there already: name an empty place with --directory")
    except OSError as error:
        fail(f"{error.filename or root} cannot be written: {error.strerror}")
    click.echo(f"{skeleton.distribution} is in {root}. Next:\n")
    for line in (f"cd {root}", "pip install -e '.[test]'", "pytest", "sinkwell plugins"):
        click.echo(f"  {line}")


def _rows(registry: Registry) -> list[Row]:
    kinds: dict[str, Mapping[str, Registered[Any]]] = {
        "source": registry.sources,
        "sink": registry.sinks,
        "notifier": registry.notifiers,
    }
    return [
        {
            "kind": kind,
            "type": name,
            "summary": str(each.type.summary),
            "capabilities": _capabilities(each.type),
            "plugin": each.plugin,
            "distribution": each.distribution,
            "version": each.version,
        }
        for kind, types in kinds.items()
        for name, each in types.items()
    ]


def _capabilities(kind: object) -> list[str]:
    if not isinstance(kind, SinkType):
        return []
    return sorted(str(getattr(each, "value", each)) for each in kind.capabilities)


def _print_json(registry: Registry) -> None:
    for row in _rows(registry):
        click.echo(json.dumps(row))
    for problem in registry.problems:
        click.echo(json.dumps({"kind": "problem", **asdict(problem)}))


def _print(registry: Registry) -> None:
    lay_out([(name, partial(_cell, name)) for name in _COLUMNS], _rows(registry))
    if registry.problems:
        out.print("\n[bold red]not loaded[/]")
    for problem in registry.problems:
        where = f"{problem.plugin} ({problem.distribution})"
        out.print(f"[red]✗[/] [bold]{_shown(where)}[/]  {_shown(problem.what)}", soft_wrap=True)
        out.print(f"    {_shown(problem.advice)}", soft_wrap=True)


def _cell(column: str, row: Row) -> str:
    match column:
        case "capabilities":
            return _shown(" ".join(row[column]) or "-")
        case "from":
            return _shown(f"{row['distribution']} {row['version']}")
    return _shown(row[column])


def _shown(text: object) -> str:
    """Return a stranger's text so that it changes neither colours nor lines of the screen."""
    return escape("".join(char if char.isprintable() else " " for char in str(text)))
