"""``sinkwell files``."""

from pathlib import Path

import rich_click as click
from rich.markup import escape

from sinkwell.cli.common import settings_options
from sinkwell.cli.listing import coloured, human_size, local_time, show


@click.command()
@settings_options
@click.option(
    "--state",
    type=click.Choice(["open", "finished", "failed", "unrouted", "quarantined"]),
    help="Only files in this state.",
)
@click.option("--source", help="Only files of this source.")
@click.option("--token", help="Only files of this capture.")
@click.option("--limit", type=click.IntRange(min=1), help="How many; JSON shows all by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def files(
    config: Path | None,
    data_dir: Path | None,
    state: str | None,
    source: str | None,
    token: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List files, the newest first."""
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
        ],
        config=config,
        data_dir=data_dir,
        limit=limit,
        as_json=as_json,
        wanted={"state": state, "source": source, "token": token},
    )
