"""``sinkwell events``: the event log, in order."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
from rich.markup import escape

from sinkwell.cli.common import out, resolve_data_dir, settings_options
from sinkwell.cli.listing import local_time

_PAGE = 1000


@click.command()
@settings_options
@click.option("--after", type=click.IntRange(min=0), default=0, help="Begin behind this position.")
@click.option("--limit", type=click.IntRange(min=1), help="How many; all by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def events(
    config: Path | None, data_dir: Path | None, after: int, limit: int | None, as_json: bool
) -> None:
    """Show the event log, the oldest first."""

    async def run() -> None:
        from sinkwell.cli.client import connected

        position, left = after, limit
        async with connected(resolve_data_dir(config, data_dir)) as api:
            while left is None or left > 0:
                page = _PAGE if left is None else min(_PAGE, left)
                found = await api.events(position, page)
                for event in found:
                    _show(event, as_json=as_json)
                if len(found) < page:
                    return
                position = found[-1]["position"]
                left = None if left is None else left - len(found)

    asyncio.run(run())


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(event).decode())
        return
    facts = " ".join(f"{name}={value}" for name, value in event["data"].items())
    out.print(
        f"[dim]{event['position']:>6} {local_time(event['time'])}[/] [bold]{event['type']}[/] "
        f"{escape(facts)}",
        soft_wrap=True,
    )
