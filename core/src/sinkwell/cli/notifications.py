"""``sinkwell notifications`` and ``sinkwell notifications replay``."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import rich_click as click

from sinkwell.cli.common import EXIT_USAGE, fail, out, plain, resolve_data_dir, settings_options
from sinkwell.cli.listing import coloured, local_time, show


class Moment(click.ParamType[float]):
    """A time: seconds since 1970, or as ISO 8601 has it, on this machine's clock."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return seconds since 1970."""
        try:
            return float(value)
        except ValueError:
            pass
        try:
            return dt.datetime.fromisoformat(value).timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-11-25T06:00 or 1795586400", param, ctx)


_notifier = click.option("--notifier", help="Only notifications of this notifier.")
_state = click.option(
    "--state",
    type=click.Choice(["pending", "leased", "sent", "rejected", "exhausted"]),
    help="Only notifications in this state.",
)
_type = click.option("--type", "event_type", help="Only events of this type; * matches anything.")
_since = click.option("--since", type=Moment(), help="Only events of this time or later.")
_until = click.option("--until", type=Moment(), help="Only events before this time.")


@click.group(invoke_without_command=True)
@settings_options
@_notifier
@_state
@_type
@_since
@_until
@click.option("--limit", type=click.IntRange(min=1), help="How many; JSON shows all by default.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def notifications(
    context: click.Context,
    config: Path | None,
    data_dir: Path | None,
    notifier: str | None,
    state: str | None,
    event_type: str | None,
    since: float | None,
    until: float | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List notifications, the newest event first, or tell some again."""
    context.obj = (config, data_dir)
    if context.invoked_subcommand is not None:
        return
    show(
        "/notifications",
        [
            ("notification", lambda row: row["id"]),
            ("planned", lambda row: local_time(row["created_at"])),
            ("event", lambda row: row["event_type"]),
            ("subject", lambda row: plain(row["subject"])),
            ("state", lambda row: coloured(row["state"])),
            ("tries", lambda row: str(row["attempts"])),
            ("error", lambda row: plain(row["error"] or "")),
        ],
        config=config,
        data_dir=data_dir,
        limit=limit,
        as_json=as_json,
        wanted=_wanted(notifier, state, event_type, since, until),
    )


@notifications.command()
@click.argument("notification_id", metavar="[ID]", required=False)
@settings_options
@_notifier
@_state
@_type
@_since
@_until
@click.pass_context
def replay(
    context: click.Context,
    notification_id: str | None,
    config: Path | None,
    data_dir: Path | None,
    notifier: str | None,
    state: str | None,
    event_type: str | None,
    since: float | None,
    until: float | None,
) -> None:
    """Tell again what was sent, rejected or exhausted: one by its ID, or all that match."""
    wanted = _wanted(notifier, state, event_type, since, until)
    chosen = {name: value for name, value in wanted.items() if value is not None}
    if (notification_id is None) != bool(chosen):
        fail("name one ID, or say which by the options", code=EXIT_USAGE)
    outer_config, outer_data_dir = context.obj
    place = resolve_data_dir(config or outer_config, data_dir or outer_data_dir)

    async def run() -> None:
        from sinkwell.cli.client import connected

        async with connected(place) as api:
            if notification_id is not None:
                answer = await api.post(f"/notifications/{notification_id}/replay")
                out.print(f"{answer['id']} is due again")
            else:
                answer = await api.post("/notifications/replay", chosen)
                out.print(f"{answer['replayed']} notifications are due again")

    asyncio.run(run())


def _wanted(
    notifier: str | None,
    state: str | None,
    event_type: str | None,
    since: float | None,
    until: float | None,
) -> dict[str, str | None]:
    return {
        "notifier": notifier,
        "state": state,
        "type": event_type,
        "since": None if since is None else str(since),
        "until": None if until is None else str(until),
    }
