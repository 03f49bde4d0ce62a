"""``sinkwell keys try``."""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import datetime, tzinfo
from difflib import get_close_matches
from typing import Any

import rich_click as click
from rich.markup import escape
from rich.table import Table

from sinkwell.cli.common import EXIT_USAGE, err, fail
from sinkwell.naming import KeyValues, Template, explain
from sinkwell.naming.segment import LONGEST_SEGMENT
from sinkwell.naming.template import LONGEST_KEY, MOST_SEGMENTS
from sinkwell.naming.variables import CLOCK
from sinkwell.plugins import discover
from sinkwell.settings.keys import COLLISION_CURE, find_zone

SAMPLE = KeyValues(
    id="a1B2c3D4e5F6",
    file_id="f019ab8e2f3c40123456789abcdef",
    source="shotbot",
    received_at=0.0,
    ext="png",
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    name="report.png",
    url="https://example.com/",
    tags=("news",),
)
"""What a variable is made of when it is not set; labels are missing."""

SAMPLE_TIME = "2026-01-02T03:04:05Z"

_SHOWN = 40
"""Characters of a value that are shown, as there may be a megabyte of it."""

_SETTERS: dict[str, Callable[[KeyValues, str], KeyValues]] = {
    "id": lambda values, text: replace(values, id=text),
    "token": lambda values, text: replace(values, id=text),
    "file_id": lambda values, text: replace(values, file_id=text),
    "source": lambda values, text: replace(values, source=text),
    "domain": lambda values, text: replace(values, url=text),
    "url": lambda values, text: replace(values, url=text),
    "name": lambda values, text: replace(values, name=text),
    "tag": lambda values, text: replace(values, tags=(text,)),
    "ext": lambda values, text: replace(values, ext=text),
    "format": lambda values, text: replace(values, ext=text),
    "sha256": lambda values, text: replace(values, sha256=text),
}
_PARTS = {
    "yyyy": ("year",),
    "mm": ("month",),
    "dd": ("day",),
    "hh": ("hour",),
    "ii": ("minute",),
    "ss": ("second",),
    "date": ("year", "month", "day"),
    "time": ("hour", "minute", "second"),
}
"""What each variable of the clock sets."""


@click.group()
def keys() -> None:
    """Play with key templates."""


@keys.command("try")
@click.argument("template")
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="What a variable is made of; any number of them. The others have sample values.",
)
@click.option("--at", default=SAMPLE_TIME, show_default=True, help="When the file was received.")
@click.option("--time-zone", default="UTC", show_default=True, help="As in the settings.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
def try_(template: str, given: tuple[str, ...], at: str, time_zone: str, as_json: bool) -> None:
    """Print the key that TEMPLATE makes.

    The key alone goes to standard output. What it takes of each sink type's limits, and what was
    changed or missing, go to standard error.
    """
    try:
        zone = find_zone(time_zone)
        report = _report(Template.parse(template, zone), _values(given, at, zone))
    except (ValueError, OverflowError) as error:  # the latter of a year that is none
        fail(": ".join(map(str, error.args)), code=EXIT_USAGE)
    if as_json:
        click.echo(json.dumps(report))
        return
    click.echo(report["key"])
    sys.stdout.flush()  # the key first, also where both are one stream
    _show_limits(report)
    _show_changes(report)


def _values(given: Iterable[str], at: str, zone: tzinfo) -> KeyValues:
    """Make the values. Raises ``ValueError`` of what is wrong and the cure."""
    values = SAMPLE
    labels: dict[str, str] = {}
    clock: dict[str, int] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise ValueError(f"--set {each!r} has no value", "write NAME=VALUE")
        if name in CLOCK:
            clock |= _clock_parts(name, text)
        elif name.startswith("label.") and name != "label.":
            labels[name.removeprefix("label.")] = text
        elif setter := _SETTERS.get(name):
            values = setter(values, text)
        else:
            raise ValueError(f"--set: there is no variable {name!r}", _nearest(name))
    moment = _moment(at, zone).replace(**clock)  # type: ignore[arg-type]  # no tzinfo among them
    return replace(values, labels=labels, received_at=moment.timestamp())


def _nearest(name: str) -> str:
    if name == "uuid":
        return "it is made of file_id, set that one"
    word, _, rest = name.partition(".")
    if get_close_matches(word.lower(), ["label"]):
        return f"did you mean label.{rest or 'NAME'}?"
    known = [*_SETTERS, *CLOCK]
    near = get_close_matches(word.lower(), known, 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}, label.NAME"


def _moment(at: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise ValueError(f"--at: {at!r} is no time", f"write one such as {SAMPLE_TIME}") from None
    return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)


def _clock_parts(name: str, text: str) -> dict[str, int]:
    """Read a part of the clock as it is written in keys."""
    try:
        read = datetime.strptime(text, CLOCK[name])  # noqa: DTZ007  # its parts are what counts
    except ValueError:
        example = datetime.fromisoformat(SAMPLE_TIME).strftime(CLOCK[name])
        raise ValueError(f"--set: {text!r} is no {name}", f"write one such as {example}") from None
    return {part: getattr(read, part) for part in _PARTS[name]}


def _report(template: Template, values: KeyValues) -> dict[str, Any]:
    """Say all that there is to say about a key."""
    key = template.key(values)
    longest = max(map(len, key.split("/")))
    limits = {name: found.type.key_limits for name, found in discover().sinks.items()}
    return {
        "template": str(template),
        "key": key,
        "bytes": len(key),
        "segments": key.count("/") + 1,
        "longest_segment": longest,
        "can_collide": template.can_collide,
        "tells_sources_apart": template.tells_sources_apart,
        "sinks": [
            {
                "type": name,
                "fits": len(key) <= limit.key and longest <= (limit.segment or longest),
                "key_limit": limit.key,
                "segment_limit": limit.segment,
            }
            for name, limit in limits.items()
        ],
        "changes": [asdict(change) for change in explain(template, values)],
    }


def _show_limits(report: dict[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "bytes", "longest segment", "segments", ""):
        table.add_column(column, no_wrap=True)
    used, longest, count = report["bytes"], report["longest_segment"], report["segments"]
    own = (
        f"{used} of {LONGEST_KEY}",
        f"{longest} of {LONGEST_SEGMENT}",
        f"{count} of {MOST_SEGMENTS}",
    )
    table.add_row("every key", *own)
    for sink in report["sinks"]:
        limit = f" of {sink['segment_limit']}" if sink["segment_limit"] else ""
        row = f"{used} of {sink['key_limit']}", f"{longest}{limit}", f"{count}"
        table.add_row(sink["type"], *row, "fits" if sink["fits"] else "[bold red]too long[/]")
    err.print(table)


def _show_changes(report: dict[str, Any]) -> None:
    for change in report["changes"]:
        title = "stand-in" if change["stand_in"] else "changed"
        whose = "the segment" if change["variable"] is None else f"{{{change['variable']}}}"
        given = change["given"]
        shown = repr(given[:_SHOWN]) + ("…" if len(given) > _SHOWN else "")
        line = f"{whose} {shown} became {change['used']}: {change['why']}"
        err.print(f"[bold]{title}[/] {escape(line)}", soft_wrap=True)
    if report["can_collide"]:
        line = f'"{report["template"]}" gives different files the same key: {COLLISION_CURE}'
        err.print(f"[bold yellow]warning:[/] {escape(line)}", soft_wrap=True)
