"""``sinkwell ledger rebuild``."""

import asyncio
import time
from pathlib import Path

import rich_click as click

from sinkwell.cli.common import fail, load_settings, out, settings_options
from sinkwell.control import LEDGER_NAME
from sinkwell.ledger.database import LedgerOwnedError, Ownership
from sinkwell.outage import LedgerUnavailableError
from sinkwell.runtime import installed_plugins, opened

_PARTS = ("", "-wal", "-shm")


@click.group()
def ledger() -> None:
    """Look after the ledger."""


@ledger.command()
@settings_options
def rebuild(config: Path | None, data_dir: Path | None) -> None:
    """Make a new ledger from the spool, when the old one is lost or damaged.

    The old one is set aside, not removed. Every file of the spool is delivered again: sinks find
    what they have already and keep it. What had left the spool is in the sinks; its records are in
    the old ledger only. By what its repeats are known is taken over, as far as it can be read.
    """
    registry = installed_plugins()
    settings = load_settings(registry, config, data_dir)

    async def run(aside: Path | None) -> tuple[int, int, int]:
        async with opened(settings, registry) as store:
            found = await store.reconcile()
            remembered = await store.ledger.remember(aside) if aside else 0
        return found.adopted, found.quarantined, remembered

    try:
        aside = _set_aside(settings.data_dir)
        adopted, quarantined, remembered = asyncio.run(run(aside))
    except (LedgerOwnedError, LedgerUnavailableError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{settings.data_dir} does not work: {error}")
    if aside is not None:
        out.print(f"the old ledger is kept as {aside}", soft_wrap=True)
        out.print(f"{remembered} callbacks that were dealt with are still known by their repeats")
    out.print(f"{adopted} files recorded anew; they are delivered when Sinkwell runs")
    if quarantined:
        place = settings.data_dir / "spool" / "quarantine"
        out.print(f"[yellow]{quarantined} damaged files set aside in {place}[/]", soft_wrap=True)


def _set_aside(data_dir: Path) -> Path | None:
    ownership = Ownership(data_dir)
    try:
        old = data_dir / LEDGER_NAME
        aside = old.with_name(f"{LEDGER_NAME}.{time.strftime('%Y%m%dT%H%M%S')}.old")
        present = [part for part in _PARTS if old.with_name(old.name + part).exists()]
        for part in present:
            old.with_name(old.name + part).rename(aside.with_name(aside.name + part))
        return aside if present else None
    finally:
        ownership.release()
