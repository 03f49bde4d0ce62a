"""``sinkwell files``, and its ``retry`` and ``link``."""

import asyncio
from pathlib import Path

import rich_click as click
from rich.markup import escape

from sinkwell.cli.common import err, out, resolve_data_dir, seconds, settings_options
from sinkwell.cli.listing import coloured, human_size, local_time, show


@click.group(invoke_without_command=True)
@settings_options
@click.option(
    "--state",
    type=click.Choice(["fetching", "open", "finished", "failed", "unrouted", "quarantined"]),
    help="Only files in this state.",
)
@click.option("--source", help="Only files of this source.")
@click.option("--token", help="Only files of this capture.")
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
    limit: int | None,
    as_json: bool,
) -> None:
    """List files, the newest first; fetch one again, or make a link to one."""
    context.obj = (config, data_dir)
    if context.invoked_subcommand is not None:
        return
    show(
        "/files",
        [
            ("file", lambda row: row["id"]),
            ("received", lambda row: local_time(row["received_at"])),
            ("source", lambda row: row["source"]),
            ("token", lambda row: escape(row["token"])),
            ("type", lambda row: escape(row["media_type"])),
            ("size", lambda row: human_size(row["size"])),
            ("state", lambda row: coloured(row["state"])),
            ("error", lambda row: escape(row["error"] or "")),
        ],
        config=config,
        data_dir=data_dir,
        limit=limit,
        as_json=as_json,
        wanted={"state": state, "source": source, "token": token},
    )


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
