"""``sinkwell deliveries``, and its ``retry`` and ``cancel``."""

import asyncio
from pathlib import Path
from typing import Any

import rich_click as click

from sinkwell.cli.common import out, plain, resolve_data_dir, settings_options
from sinkwell.cli.listing import LABELS, coloured, labels_option, local_time, show


@click.group(invoke_without_command=True)
@settings_options
@click.option(
    "--state",
    type=click.Choice(["pending", "leased", "stored", "rejected", "exhausted", "cancelled"]),
    help="Only deliveries in this state.",
)
@click.option("--source", help="Only deliveries of this source's files.")
@click.option("--sink", help="Only deliveries to this sink.")
@click.option("--token", help="Only deliveries of this capture.")
@click.option("--file", "file_id", help="Only deliveries of this file.")
@labels_option
@click.option("--limit", type=click.IntRange(min=1), help="How many; JSON shows all by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def deliveries(
    context: click.Context,
    config: Path | None,
    data_dir: Path | None,
    state: str | None,
    source: str | None,
    sink: str | None,
    token: str | None,
    file_id: str | None,
    labels: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """List deliveries, the newest first; try one again, or give one up."""
    context.obj = (config, data_dir)
    if context.invoked_subcommand is not None:
        return
    show(
        "/deliveries",
        [
            ("delivery", lambda row: row["id"]),
            ("created", lambda row: local_time(row["created_at"])),
            ("sink", lambda row: row["sink"]),
            ("key", lambda row: plain(row["key"])),
            ("state", lambda row: coloured(row["state"])),
            ("tries", lambda row: str(row["attempts"])),
            *([LABELS] if labels else []),
            ("error", lambda row: plain(row["error"] or "")),
        ],
        config=config,
        data_dir=data_dir,
        limit=limit,
        as_json=as_json,
        wanted={"state": state, "source": source, "sink": sink, "token": token, "file_id": file_id},
    )


@deliveries.command()
@click.argument("delivery_id", metavar="ID")
@settings_options
@click.pass_context
def retry(
    context: click.Context, delivery_id: str, config: Path | None, data_dir: Path | None
) -> None:
    """Try a delivery again that was rejected, exhausted, cancelled or stored.

    It is due at once, with all its attempts before it. Its file must still be in the spool.
    """
    answer = _ask(context, delivery_id, "retry", config, data_dir)
    out.print(f"{answer['id']} is due again at sink {answer['sink']}")


@deliveries.command()
@click.argument("delivery_id", metavar="ID")
@settings_options
@click.pass_context
def cancel(
    context: click.Context, delivery_id: str, config: Path | None, data_dir: Path | None
) -> None:
    """Give a delivery up that waits for its turn, its next try or its sink.

    Its file counts as not delivered there, and stays in the spool as long as others that failed.
    """
    answer = _ask(context, delivery_id, "cancel", config, data_dir)
    out.print(f"{answer['id']} is given up: sink {answer['sink']} does not get it")


def _ask(
    context: click.Context,
    delivery_id: str,
    what: str,
    config: Path | None,
    data_dir: Path | None,
) -> dict[str, Any]:
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)

    async def run() -> dict[str, Any]:
        from sinkwell.cli.client import connected

        async with connected(place) as api:
            return await api.post(f"/deliveries/{delivery_id}/{what}")

    return asyncio.run(run())
