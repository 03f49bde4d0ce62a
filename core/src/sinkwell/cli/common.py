"""What commands share: options, settings, exit codes, the way errors are shown."""

import os
import secrets
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec
import rich_click as click
from rich.console import Console

from sinkwell.contract import Duration, SinkSettings
from sinkwell.contract.settings import decode_custom
from sinkwell.directories import make_directory
from sinkwell.plugins import Registry
from sinkwell.settings import Settings, SettingsError, load

EXIT_FAILED = 1
"""A check failed, or what was asked for could not be done."""
EXIT_USAGE = 2
"""The call or the settings are wrong."""

DATA_DIR = Path("sinkwell-data")
SECRET_NAME = "shotbot.secret"  # noqa: S105 - the name of a file
FILES_NAME = "files"

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

F = TypeVar("F", bound=Callable[..., object])


def settings_options(function: F) -> F:
    """Add ``--config`` and ``--data-dir``."""
    function = click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where ledger and spool lie.  [default: ./sinkwell-data]",
    )(function)
    return click.option(
        "--config",
        "-c",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="SINKWELL_CONFIG",
        help="The settings file; without one, one Shotbot source and one local sink.",
    )(function)


def load_settings(
    registry: Registry,
    config: Path | None,
    data_dir: Path | None,
    host: str | None = None,
    port: int | None = None,
) -> Settings:
    """Load the settings, or end with exit code 2 and all that is wrong with them."""
    default_text = None
    if config is None:
        default_text = embedded_default(
            data_dir or Path(os.environ.get("SINKWELL_DATA_DIR") or DATA_DIR)
        )
    try:
        return load(
            registry,
            path=config,
            default_text=default_text,
            data_dir=data_dir,
            host=host,
            port=port,
            environ=os.environ,
        )
    except SettingsError as error:
        fail(str(error), code=EXIT_USAGE)


def resolve_data_dir(config: Path | None, data_dir: Path | None) -> Path:
    """Return the data directory that the options, the settings or the environment name."""
    if data_dir is not None:
        return data_dir
    if config is None:
        return Path(os.environ.get("SINKWELL_DATA_DIR") or DATA_DIR)
    from sinkwell.runtime import installed_plugins

    return load_settings(installed_plugins(), config, None).data_dir


def embedded_default(data_dir: Path) -> str:
    """Return the settings that hold without a file, making the secret they need if missing."""
    data_dir = data_dir.absolute()
    try:
        _make_secret(data_dir / SECRET_NAME)
    except OSError as error:
        fail(f"{data_dir} cannot be used: {error.strerror}. Name another with --data-dir.")
    return f"""
[sources.shotbot]
type = "shotbot"
secrets = [{_toml(f"file:{data_dir / SECRET_NAME}")}]

[sinks.local]
type = "local"
root = {_toml(str(data_dir / FILES_NAME))}

[notifiers.log]
type = "log"
"""


def configured_sink(settings: Settings, name: str) -> SinkSettings:
    """Return the section of a sink, or end with exit code 2 and the names that there are."""
    section = settings.sinks.get(name)
    if section is None:
        close = get_close_matches(name, settings.sinks, n=1)
        cure = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(settings.sinks)}"
        fail(f"there is no sink {name!r} in the settings: {cure}", code=EXIT_USAGE)
    return section


def seconds(written: str, option: str) -> float:
    """Return the seconds of a time such as ``2h``, or end with exit code 2."""
    try:
        return float(decode_custom(Duration, written))
    except ValueError as error:
        fail(f"{option}: {error}", code=EXIT_USAGE)


def show_warnings(registry: Registry, settings: Settings) -> None:
    """Say what is doubtful, on standard error."""
    for problem in (*registry.problems, *settings.warnings):
        err.print(f"[bold yellow]warning:[/] {_lines(str(problem))}", soft_wrap=True)


def fail(message: str, *, code: int = EXIT_FAILED) -> NoReturn:
    """Say what is wrong on standard error, and exit."""
    err.print(f"[bold red]error:[/] {_lines(message)}", soft_wrap=True)
    sys.exit(code)


def _make_secret(path: Path) -> None:
    make_directory(path.parent)
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(fd, "w") as file:
        file.write(secrets.token_urlsafe(24))  # no newline: curl can send it as it is
        file.flush()
        os.fsync(fd)


def _toml(text: str) -> str:
    return msgspec.json.encode(text).decode()


def plain(text: str) -> str:
    """Return what others wrote as markup that shows it and does nothing else, in one line.

    What a terminal would obey, or nobody would see, is shown as Python writes it.
    """
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


def _lines(text: str) -> str:
    return "\n".join(map(plain, text.split("\n")))
