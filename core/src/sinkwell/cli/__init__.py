"""The command line. Each command's module is imported when it is used, so that help is quick."""

from importlib import import_module

import rich_click as click

COMMANDS = {
    "serve": ("sinkwell.cli.serve", "Receive callbacks and deliver their files."),
    "demo": ("sinkwell.cli.demo", "See it work: a throw-away instance, a few real callbacks."),
    "check": ("sinkwell.cli.check", "Try settings, plugins, disk and every sink."),
    "doctor": ("sinkwell.cli.doctor", "Examine how the far side of a sink is set up."),
    "iam-policy": ("sinkwell.cli.iam_policy", "Print the least rights that a sink needs."),
    "files": ("sinkwell.cli.files", "List files; fetch one again, or make a link to one."),
    "deliveries": ("sinkwell.cli.deliveries", "List deliveries; try one again, or give one up."),
    "events": ("sinkwell.cli.events", "Show the event log, or follow it."),
    "notifiers": ("sinkwell.cli.notifiers", "List notifiers; test or enable one."),
    "notifications": ("sinkwell.cli.notifications", "List notifications, or tell some again."),
    "sources": ("sinkwell.cli.sources", "List presets, or try a callback without storing it."),
    "routes": ("sinkwell.cli.routes", "Explain which sinks a file goes to, and why."),
    "callback-url": ("sinkwell.cli.callback_url", "Make a callback URL that names sinks and keys."),
    "keys": ("sinkwell.cli.keys", "Try a key template with values of your own."),
    "plugins": ("sinkwell.cli.plugins", "List plugins, or begin one of your own."),
    "ledger": ("sinkwell.cli.ledger", "Rebuild the ledger from the spool."),
}


class LazyGroup(click.RichGroup):
    """A group whose commands are imported when they are run; help shows the lines above."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Describe a command, for the help, without importing it."""
        if cmd_name not in COMMANDS:
            return None
        return click.RichCommand(name=cmd_name, short_help=COMMANDS[cmd_name][1])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Import the command that is called."""
        name, described, rest = super().resolve_command(ctx, args)
        if name is None or described is None:
            return name, described, rest
        command: click.Command = getattr(import_module(COMMANDS[name][0]), name.replace("-", "_"))
        return name, command, rest


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sinkwell", message="sinkwell %(version)s")
def main() -> None:
    """Receive callbacks, put their files into your buckets, announce each outcome."""
