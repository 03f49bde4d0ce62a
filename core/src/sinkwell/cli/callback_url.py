"""``sinkwell callback-url``."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from sinkwell.cli.common import EXIT_USAGE, err, fail, resolve_data_dir, settings_options
from sinkwell.contract import Duration
from sinkwell.contract.settings import decode_custom


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
    try:
        seconds = float(decode_custom(Duration, expires_in))
    except ValueError as error:
        fail(f"--expires-in: {error}", code=EXIT_USAGE)
    sinks = {name: template for name, _, template in (each.partition("=") for each in named)}
    wanted = {"source": source, "sinks": sinks, "expires_in": seconds}

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(resolve_data_dir(config, data_dir)) as api:
            made = await api.post("/callback-urls", document=wanted)
        click.echo(made["url"])
        until = dt.datetime.fromtimestamp(made["expires_at"]).astimezone()
        err.print(f"good until {until:%Y-%m-%d %H:%M:%S}")

    asyncio.run(run())
