"""``sinkwell doctor``: whether the far side of a sink is set up well."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import rich_click as click

from sinkwell.cli.common import (
    EXIT_FAILED,
    EXIT_USAGE,
    configured_sink,
    fail,
    load_settings,
    settings_options,
)
from sinkwell.cli.findings import show_finding
from sinkwell.contract import Finding, SinkError
from sinkwell.parts import Examine, examine_sink
from sinkwell.runtime import installed_plugins
from sinkwell.settings import Settings


@click.command()
@click.argument("type_", metavar="TYPE")
@click.argument("name")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def doctor(
    context: click.Context,
    type_: str,
    name: str,
    config: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Examine how the far side of the sink NAME, which is of that TYPE, is set up.

    Is it open to anyone, are old versions kept, may the key do more than it needs? It changes
    nothing, and it says what it is not permitted to see. `sinkwell check` tells whether files
    can be put.

    Exit code 0 when nothing failed, 1 when something did, 2 when there is no such sink.
    """
    registry = installed_plugins()
    settings = load_settings(registry, config, data_dir)
    section = configured_sink(settings, name)
    examine = registry.sinks[section.type].type.examine
    if examine is None:
        having = " ".join(each for each, found in registry.sinks.items() if found.type.examine)
        what = f"sinks of type {section.type!r} cannot be examined"
        which = f", those of these types can: {having}" if having else ""
        fail(f"{what}{which}. sinkwell check tries {name!r}.", code=EXIT_USAGE)
    if section.type != type_:
        cure = f"sinkwell doctor {section.type} {name}"
        fail(f"sink {name!r} is of type {section.type!r}, not {type_!r}: {cure}", code=EXIT_USAGE)
    findings = asyncio.run(_findings(settings, name, examine))
    for finding in findings:
        show_finding(f"sink {name}", finding, as_json=as_json)
    if any(finding.level == "failed" for finding in findings):
        context.exit(EXIT_FAILED)


async def _findings(settings: Settings, name: str, examine: Examine) -> Sequence[Finding]:
    timeout = settings.sinks[name].timeout
    try:
        async with asyncio.timeout(timeout):
            return await examine_sink(settings, name, examine)
    except TimeoutError:
        return [Finding("failed", f"no answer within {timeout:g} s")]
    except SinkError as error:
        return [Finding("failed", str(error))]
