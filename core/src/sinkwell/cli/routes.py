"""``sinkwell routes``: which sinks a file goes to, and why."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rich_click as click

from sinkwell.cli.common import (
    EXIT_USAGE,
    err,
    fail,
    load_settings,
    out,
    plain,
    settings_options,
)
from sinkwell.cli.listing import lay_out
from sinkwell.contract.settings import Size, decode_custom
from sinkwell.delivery.condition import RoutedFile
from sinkwell.delivery.plan import Planner
from sinkwell.naming import KeyValues
from sinkwell.settings import Settings

_KINDS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/svg+xml": "svg",
    "application/pdf": "pdf",
    "text/html": "html",
}


@click.group()
def routes() -> None:
    """Explain which sinks a file goes to, and why."""


@routes.command()
@click.argument("file_id")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a route.")
@settings_options
def explain(file_id: str, as_json: bool, config: Path | None, data_dir: Path | None) -> None:
    """Say what each route, as it is now in the settings, makes of the file FILE_ID.

    Where the callback URL of the file named sinks and keys, these stand in place of all routes.
    """
    from sinkwell.runtime import installed_plugins

    settings = load_settings(installed_plugins(), config, data_dir)
    file, overrides = asyncio.run(_stored(file_id, settings.data_dir))
    _show(settings, file, overrides, as_json=as_json)


@routes.command(name="try")
@click.option("--source", required=True, help="The source that it comes from.")
@click.option("--media-type", default="image/png", show_default=True, help="What it is.")
@click.option("--size", default="200 KB", show_default=True, help="How large it is.")
@click.option("--status", default="OK", show_default=True, help="The provider's own status.")
@click.option("--url", help="The address that was captured.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label; any number of them."
)
@click.option("--id", "provider_id", default="a1B2c3D4e5F6", help="The provider's id of it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a route.")
@settings_options
def try_routes(
    source: str,
    media_type: str,
    size: str,
    status: str,
    url: str | None,
    labels: tuple[str, ...],
    provider_id: str,
    as_json: bool,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Say what each route would make of a file that you describe."""
    from sinkwell.runtime import installed_plugins

    settings = load_settings(installed_plugins(), config, data_dir)
    if source not in settings.sources:
        known = ", ".join(settings.sources)
        fail(f'there is no source "{source}"; there are {known}', code=EXIT_USAGE)
    try:
        bytes_ = decode_custom(Size, size)
    except ValueError as error:
        fail(f"--size: {error}", code=EXIT_USAGE)
    described = dict(_label(each) for each in labels) | ({"url": url} if url else {})
    file = RoutedFile(
        media_type=media_type,
        size=bytes_,
        status=status,
        values=KeyValues(
            id=provider_id,
            file_id="f019ab8e2f3c40123456789abcdef",
            source=source,
            received_at=0.0,
            ext=_KINDS.get(media_type, "bin"),
            sha256="0" * 64,
            url=url,
            tags=tuple(described.get("tags", "").split(",")),
            labels=described,
        ),
    )
    _show(settings, file, None, as_json=as_json)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        fail(f"--label {text!r} is no NAME=VALUE", code=EXIT_USAGE)
    return name, value


async def _stored(file_id: str, data_dir: Path) -> tuple[RoutedFile, Mapping[str, str] | None]:
    from sinkwell.cli.client import connected

    async with connected(data_dir) as api:
        row = await api.get(f"/files/{file_id}")
    if row["state"] == "fetching":
        fail(f"{file_id} is being fetched yet: its routes are looked at when it has come")
    if row["state"] == "quarantined":
        fail(f"{file_id} is quarantined, so no route is asked: `sinkwell files show` says why")
    if row["fetch"] is not None and row["fetch"]["state"] == "failed":
        fail(f"{file_id} has never come, so no route is asked: {row['error']}")
    file = RoutedFile(
        media_type=row["media_type"],
        size=row["size"],
        status=row["status"],
        values=KeyValues(
            id=row["token"],
            file_id=file_id,
            source=row["source"],
            received_at=row["received_at"],
            ext=row["extension"],
            sha256=row["sha256"],
            name=row["name"],
            url=row["labels"].get("url"),
            tags=tuple(row["labels"].get("tags", "").split(",")),
            labels=row["labels"],
        ),
    )
    return file, row["overrides"]


def _show(
    settings: Settings,
    file: RoutedFile,
    overrides: Mapping[str, str] | None,
    *,
    as_json: bool,
) -> None:
    from sinkwell.runtime import installed_plugins
    from sinkwell.settings.keys import make_planner

    planner = make_planner(settings, installed_plugins())
    if overrides is None:
        rows = _by_routes(planner, file)
    else:
        rows = _by_callback_url(planner, file, overrides, routes=len(settings.routes))
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
        return
    lay_out(
        [
            ("route", lambda row: str(row["route"] or "callback URL")),
            ("takes it", lambda row: "[green]yes[/]" if row["takes"] else "no"),
            ("why not", lambda row: plain(row["why_not"] or "")),
            ("goes to", _goes_to),
        ],
        rows,
    )
    if not any(row["deliveries"] for row in rows):
        err.print("[bold yellow]no route takes it:[/] it is kept in the spool, as unrouted")
    if not settings.routes and overrides is None:
        out.print("There are no routes in the settings: every file goes to every sink.")


def _by_routes(planner: Planner, file: RoutedFile) -> list[dict[str, Any]]:
    return [
        {
            "route": number,
            "takes": verdict.refusal is None,
            "why_not": verdict.refusal,
            "deliveries": [
                {"sink": way.sink, "key": way.template.key(file.values)} for way in verdict.ways
            ],
        }
        for number, verdict in enumerate(planner.explain(file), 1)
    ]


def _by_callback_url(
    planner: Planner, file: RoutedFile, overrides: Mapping[str, str], *, routes: int
) -> list[dict[str, Any]]:
    """Return a row without a number for the callback URL, and one for each route."""
    planned = planner.plan(file, overrides)
    gone = overrides.keys() - {each.sink for each in planned}
    first = {
        "route": None,
        "takes": bool(planned),
        "why_not": f"not in the settings any more: {', '.join(sorted(gone))}" if gone else None,
        "deliveries": [{"sink": each.sink, "key": each.key} for each in planned],
    }
    why_not = "the callback URL of the file names its sinks, in place of all routes"
    rest = {"takes": False, "why_not": why_not, "deliveries": []}
    return [first, *({"route": number, **rest} for number in range(1, routes + 1))]


def _goes_to(row: Mapping[str, Any]) -> str:
    if row["takes"] and not row["deliveries"]:
        return "sinks that an earlier route sends it to"
    return "\n".join(plain(f"{each['sink']}: {each['key']}") for each in row["deliveries"])
