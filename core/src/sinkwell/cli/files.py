"""``sinkwell files``, and its ``show``, ``retry`` and ``link``."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from sinkwell.cli.common import err, out, plain, resolve_data_dir, seconds, settings_options
from sinkwell.cli.listing import (
    LABELS,
    coloured,
    human_size,
    labels_option,
    lay_out,
    local_time,
    show,
)


@click.group(invoke_without_command=True)
@settings_options
@click.option(
    "--state",
    type=click.Choice(["fetching", "open", "finished", "failed", "unrouted", "quarantined"]),
    help="Only files in this state.",
)
@click.option("--source", help="Only files of this source.")
@click.option("--token", help="Only files of this capture.")
@labels_option
@click.option("--limit", type=click.IntRange(min=1), help="How many; JSON shows all by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def files(
    context: click.Context,
    config: Path | None,
    data_dir: Path | None,
    state: str | None,
    source: str | None,
    token: str | None,
    labels: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """List files, the newest first; show all of one, fetch it again, or make a link to it."""
    context.obj = (config, data_dir)
    if context.invoked_subcommand is not None:
        return
    show(
        "/files",
        [
            ("file", lambda row: row["id"]),
            ("received", lambda row: local_time(row["received_at"])),
            ("source", lambda row: row["source"]),
            ("token", lambda row: plain(row["token"])),
            ("type", lambda row: plain(row["media_type"])),
            ("size", lambda row: human_size(row["size"])),
            ("state", lambda row: coloured(row["state"])),
            *([LABELS] if labels else []),
            ("error", lambda row: plain(row["error"] or "")),
        ],
        config=config,
        data_dir=data_dir,
        limit=limit,
        as_json=as_json,
        wanted={"state": state, "source": source, "token": token},
    )


@files.command(name="show")
@click.argument("file_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options
@click.pass_context
def show_file(
    context: click.Context,
    file_id: str,
    as_json: bool,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Show all that is known of a file: its labels and where it goes, too."""
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)

    async def run() -> dict[str, Any]:
        from sinkwell.cli.client import connected

        async with connected(place) as api:
            file = await api.get(f"/files/{file_id}")
            rows = api.rows("/deliveries", None, file_id=file_id)
            return {**file, "deliveries": [row async for row in rows]}

    file = asyncio.run(run())
    if as_json:
        click.echo(msgspec.json.encode(file).decode())
    else:
        _describe(file)


def _describe(file: Mapping[str, Any]) -> None:
    where = "in the spool" if file["in_spool"] else "no more in the spool"
    told = {
        "file": file["id"],
        "received": local_time(file["received_at"]),
        "source": file["source"],
        "token": plain(file["token"]),
        "status": plain(file["status"]),
        "state": f"{coloured(file['state'])}, {where}",
        "error": plain(file["error"] or ""),
    }
    fetch = file["fetch"]
    if fetch:
        told["fetch"] = f"{fetch['state']}, from {plain(fetch['host'])}, tries {fetch['attempts']}"
    if not fetch or fetch["state"] == "fetched":  # else there are but claims of it
        told |= {
            "type": plain(file["media_type"]),
            "name": plain(file["name"] or ""),
            "size": f"{file['size']:,} bytes",
            "sha256": file["sha256"],
        }
    _list({name: value for name, value in told.items() if value})
    for title, texts in (
        ("labels", file["labels"]),
        ("sinks that its callback URL names", file["overrides"] or {}),
    ):
        if texts:
            out.print(f"\n[bold]{title}[/]")
            _list({plain(name): plain(text) for name, text in sorted(texts.items())})
    if file["deliveries"]:
        out.print()
        lay_out(
            [
                ("delivery", lambda row: row["id"]),
                ("sink", lambda row: row["sink"]),
                ("key", lambda row: plain(row["key"])),
                ("state", lambda row: coloured(row["state"])),
                ("tries", lambda row: str(row["attempts"])),
                ("error", lambda row: plain(row["error"] or "")),
            ],
            file["deliveries"],
        )


def _list(told: Mapping[str, str]) -> None:
    widest = max(map(len, told))
    for name, value in told.items():
        out.print(f"[dim]{name.ljust(widest)}[/]  {value}", soft_wrap=True)


@files.command()
@click.argument("file_id", metavar="ID")
@settings_options
@click.pass_context
def retry(context: click.Context, file_id: str, config: Path | None, data_dir: Path | None) -> None:
    """Try to fetch a file again whose link did not work."""
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(place) as api:
            answer = await api.post(f"/files/{file_id}/retry")
        out.print(f"{answer['id']} is fetched again, for source {answer['source']}")

    asyncio.run(run())


@files.command()
@click.argument("file_id", metavar="ID")
@click.option("--expires-in", default="1d", show_default=True, help="How long it is good for.")
@click.option(
    "--via",
    type=click.Choice(["sinkwell", "sink"]),
    default="sinkwell",
    show_default=True,
    help="Who answers it: Sinkwell, or a sink that has the file and can sign links.",
)
@settings_options
@click.pass_context
def link(
    context: click.Context,
    file_id: str,
    expires_in: str,
    via: str,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Make a link by which anyone can download a file for a while.

    The running instance makes it. It is as good as a password: whoever has it has the file.
    """
    wanted = {"expires_in": seconds(expires_in, "--expires-in"), "via": via}
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(place, offline=False) as api:
            made = await api.post(f"/files/{file_id}/links", document=wanted)
        click.echo(made["url"])
        err.print(f"good until {local_time(made['expires_at'])}")

    asyncio.run(run())
