"""``sinkwell notifiers``: how they stand; ``test`` and ``enable``."""

import asyncio
from pathlib import Path

import rich_click as click

from sinkwell.cli.common import out, plain, resolve_data_dir, settings_options
from sinkwell.cli.listing import show_all


@click.group(invoke_without_command=True)
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def notifiers(
    context: click.Context, config: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """List the notifiers of a running instance, or see to one of them."""
    context.obj = (config, data_dir)
    if context.invoked_subcommand is not None:
        return
    show_all(
        "/notifiers",
        [
            ("notifier", lambda row: row["id"]),
            ("type", lambda row: row["type"]),
            ("state", lambda row: _coloured(row["state"])),
            ("notifications", lambda row: _counts(row["notifications"])),
            ("public key", lambda row: " ".join(row["public_keys"])),
            ("trouble", lambda row: plain(row["trouble"] or "")),
        ],
        config=config,
        data_dir=data_dir,
        as_json=as_json,
    )


@notifiers.command()
@click.argument("name")
@settings_options
@click.pass_context
def test(context: click.Context, name: str, config: Path | None, data_dir: Path | None) -> None:
    """Tell a notifier of an event `notifier.test`, now, and say what became of it."""
    answer = _ask(context, config, data_dir, f"/notifiers/{name}/test")
    out.print(f"{answer['id']} took the event {answer['event_id']}")


@notifiers.command()
@click.argument("name")
@settings_options
@click.pass_context
def enable(context: click.Context, name: str, config: Path | None, data_dir: Path | None) -> None:
    """Tell a notifier again that was disabled, beginning with what waited for it."""
    answer = _ask(context, config, data_dir, f"/notifiers/{name}/enable")
    was = "is enabled again" if answer["was_disabled"] else "was not disabled; it is tried now"
    out.print(f"{answer['id']} {was}")


def _ask(
    context: click.Context, config: Path | None, data_dir: Path | None, path: str
) -> dict[str, object]:
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)

    async def run() -> dict[str, object]:
        from sinkwell.cli.client import connected

        async with connected(place) as api:
            return await api.post(path)

    return asyncio.run(run())


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))


def _coloured(state: str) -> str:
    colour = {"working": "green", "waiting": "yellow"}.get(state, "red")
    return f"[{colour}]{state}[/]"
