"""``sinkwell callback-url``."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from sinkwell.cli.common import err, resolve_data_dir, seconds, settings_options
from sinkwell.cli.listing import local_time


@click.command()
@click.argument("source")
@click.option(
    "--sink",
    "named",
    multiple=True,
    required=True,
    metavar="NAME[=TEMPLATE]",
    help="A sink that the files go to, and their key there; several may be given.",
)
@click.option("--expires-in", default="1d", show_default=True, help="How long it is good for.")
@settings_options
def callback_url(
    source: str,
    named: Sequence[str],
    expires_in: str,
    config: Path | None,
    data_dir: Path | None,
) -> None:
    """Make a callback URL for one capture of SOURCE, which says where its files go.

    The running instance makes it; give it to the provider with the capture. Its token is signed,
    so nobody can change it.
    """
    sinks = {name: template for name, _, template in (each.partition("=") for each in named)}
    wanted = {"source": source, "sinks": sinks, "expires_in": seconds(expires_in, "--expires-in")}

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(resolve_data_dir(config, data_dir), offline=False) as api:
            made = await api.post("/callback-urls", document=wanted)
        click.echo(made["url"])
        err.print(f"good until {local_time(made['expires_at'])}")

    asyncio.run(run())
