"""``sinkwell events``: the event log, in order; as it grows; and what events look like."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from sinkwell.cli.common import EXIT_USAGE, fail, out, plain, resolve_data_dir, settings_options
from sinkwell.cli.listing import local_time

_PAGE = 1000
_SHOWN_FIRST = 10

_type = click.option("--type", "types", multiple=True, help="Only this type; * matches anything.")
_source = click.option("--source", "sources", multiple=True, help="Only events of this source.")
_sink = click.option("--sink", "sinks", multiple=True, help="Only events of this sink.")


@click.group(invoke_without_command=True)
@settings_options
@click.option("--after", type=click.IntRange(min=0), default=0, help="Begin behind this position.")
@click.option("--limit", type=click.IntRange(min=1), help="How many; all by default.")
@_type
@_source
@_sink
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def events(
    context: click.Context,
    config: Path | None,
    data_dir: Path | None,
    after: int,
    limit: int | None,
    types: tuple[str, ...],
    sources: tuple[str, ...],
    sinks: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the event log, the oldest first."""
    context.obj = (config, data_dir)
    if context.invoked_subcommand is not None:
        return
    wanted = {"type": types, "source": sources, "sink": sinks}

    async def run() -> None:
        from sinkwell.cli.client import connected

        position, left = after, limit
        async with connected(resolve_data_dir(config, data_dir)) as api:
            while left is None or left > 0:
                page = _PAGE if left is None else min(_PAGE, left)
                found = await api.events(position, page, wanted)
                for event in found:
                    _show(event, as_json=as_json)
                if len(found) < page:
                    return
                position = found[-1]["position"]
                left = None if left is None else left - len(found)

    asyncio.run(run())


@events.command()
@settings_options
@click.option("--after", type=click.IntRange(min=0), help="Begin behind this position.")
@click.option(
    "--last",
    type=click.IntRange(0, 1000),
    default=_SHOWN_FIRST,
    help="Begin with so many of the newest events.  [default: 10]",
)
@_type
@_source
@_sink
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def tail(
    context: click.Context,
    config: Path | None,
    data_dir: Path | None,
    after: int | None,
    last: int,
    types: tuple[str, ...],
    sources: tuple[str, ...],
    sinks: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show events as they happen, until Ctrl-C, also through restarts of the instance."""
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)
    begin = {"last": str(last)} if after is None else {"after": str(after)}

    async def run() -> None:
        from sinkwell.cli.client import stream_events

        wanted = {**begin, "type": types, "source": sources, "sink": sinks}
        async for event in stream_events(place, wanted):
            _show(event, as_json=as_json)

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return


@events.command()
@click.argument("event_type", metavar="[TYPE]", required=False)
def schema(event_type: str | None) -> None:
    """Print the JSON Schema of one event type, or of all of them by name."""
    from sinkwell.bus.schema import event_schemas

    schemas = event_schemas()
    if event_type is not None and event_type not in schemas:
        fail(
            f"there is no event type {event_type}; there are {', '.join(schemas)}",
            code=EXIT_USAGE,
        )
    shown = schemas if event_type is None else schemas[event_type]
    click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(event).decode())
        return
    facts = " ".join(f"{name}={_text(value)}" for name, value in event["data"].items())
    out.print(
        f"[dim]{event['position']:>6} {local_time(event['time'])}[/] [bold]{event['type']}[/] "
        f"{plain(facts)}",
        soft_wrap=True,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
