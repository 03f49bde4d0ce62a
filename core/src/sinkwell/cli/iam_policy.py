"""``sinkwell iam-policy``: the least rights that a sink needs."""

from pathlib import Path

import rich_click as click

from sinkwell.cli.common import (
    EXIT_USAGE,
    configured_sink,
    fail,
    load_settings,
    settings_options,
)
from sinkwell.runtime import installed_plugins


@click.command("iam-policy")
@click.argument("name")
@settings_options
def iam_policy(name: str, config: Path | None, data_dir: Path | None) -> None:
    """Print the policy with the least rights that the sink NAME needs as it is configured.

    The policy alone goes to standard output, what each right is for to standard error. Nothing
    is asked of the far side.
    """
    registry = installed_plugins()
    section = configured_sink(load_settings(registry, config, data_dir), name)
    policy_for = registry.sinks[section.type].type.policy
    if policy_for is None:
        fail(f"sinks of type {section.type!r} have no policy to print", code=EXIT_USAGE)
    policy = policy_for(section)
    click.echo(policy.document)
    for note in policy.notes:
        click.echo(note, err=True)
