"""``sinkwell check``: whether it would work."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import rich_click as click

from sinkwell.cli.common import EXIT_FAILED, load_settings, settings_options
from sinkwell.cli.findings import show_finding
from sinkwell.contract import Finding, SinkError
from sinkwell.intake.spool import Spool
from sinkwell.parts import sink_plan
from sinkwell.plugins import Registry
from sinkwell.runtime import installed_plugins
from sinkwell.settings import Settings


@click.command()
@settings_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_context
def check(
    context: click.Context, config: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """Try settings, plugins, disk, and every sink by a real write.

    Exit code 0 when all is well, 1 when a check failed, 2 when the settings cannot be read.
    """
    registry = installed_plugins()
    settings = load_settings(registry, config, data_dir)
    findings = {
        "settings": _check_settings(settings),
        "plugins": _check_plugins(registry),
        "disk": _check_disk(settings),
        **asyncio.run(_check_sinks(settings, registry)),
    }
    for area, found in findings.items():
        for finding in found:
            show_finding(area, finding, as_json=as_json)
    if any(finding.level == "failed" for found in findings.values() for finding in found):
        context.exit(EXIT_FAILED)


def _check_settings(settings: Settings) -> list[Finding]:
    warnings = [
        Finding("warning", f"{warning.place}: {warning.message}", warning.advice)
        for warning in settings.warnings
    ]
    where = settings.path or "the built-in default"
    counted = f"{len(settings.sources)} sources, {len(settings.sinks)} sinks"
    return [*warnings, Finding("ok", f"{where} is valid: {counted}")]


def _check_plugins(registry: Registry) -> list[Finding]:
    kinds = {
        "sources": registry.sources,
        "sinks": registry.sinks,
        "notifiers": registry.notifiers,
    }
    told = "; ".join(f"{kind} {', '.join(sorted(types))}" for kind, types in kinds.items())
    return [
        *(
            Finding("failed", f"{p.plugin} ({p.distribution}): {p.what}", p.advice)
            for p in registry.problems
        ),
        Finding("ok", told),
    ]


def _check_disk(settings: Settings) -> list[Finding]:
    try:
        spool = Spool(settings.data_dir / "spool")
        try:
            spool.probe()
        finally:
            spool.close()
    except OSError as error:
        return [
            Finding(
                "failed",
                f"{settings.data_dir}: {error.strerror}",
                "name a directory that this user can write, with --data-dir",
            )
        ]
    return [Finding("ok", f"{settings.data_dir} takes and syncs files")]


async def _check_sinks(settings: Settings, registry: Registry) -> dict[str, list[Finding]]:
    async with AsyncExitStack() as stack:
        plans = {name: sink_plan(settings, registry, name, stack) for name in settings.sinks}

        async def check_one(name: str) -> list[Finding]:
            plan = plans[name]
            try:
                async with asyncio.timeout(plan.timeout):
                    sink = await plan.open()
                    try:
                        return list(await sink.check())
                    finally:
                        await sink.close()
            except TimeoutError:
                return [Finding("failed", f"no answer within {plan.timeout:g} s")]
            except SinkError as error:
                return [Finding("failed", str(error))]

        found = await asyncio.gather(*map(check_one, plans))
    return {f"sink {name}": findings for name, findings in zip(plans, found, strict=True)}
