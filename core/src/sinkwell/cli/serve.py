"""``sinkwell serve``."""

import asyncio
import os
import shlex
import signal
import socket
import sys
import threading
from pathlib import Path

import rich_click as click
import uvloop
from rich.markup import escape

from sinkwell import samples
from sinkwell.cli.common import (
    SECRET_NAME,
    err,
    fail,
    load_settings,
    out,
    settings_options,
    show_warnings,
)
from sinkwell.ledger.database import LedgerOwnedError
from sinkwell.logs import configure, secrets_in
from sinkwell.memory import keep_buffers, spare_the_collector
from sinkwell.outage import LedgerUnavailableError
from sinkwell.plugins import Registry
from sinkwell.runtime import installed_plugins, running
from sinkwell.settings import Settings
from sinkwell.web.server import bind, bind_control, serving

_REQUESTS_GRACE = 10.0
_SAMPLE_NAME = "sample.png"


@click.command()
@settings_options
@click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 8080]")
@click.option("--quiet", "-q", is_flag=True, help="Print no welcome.")
def serve(
    config: Path | None, data_dir: Path | None, host: str | None, port: int | None, quiet: bool
) -> None:
    """Receive callbacks and deliver their files, until SIGTERM or Ctrl-C."""
    registry = installed_plugins()
    settings = load_settings(registry, config, data_dir, host, port)
    configure(settings.log.format, settings.log.level, secrets_in(settings))
    show_warnings(registry, settings)
    try:
        public = bind(settings.server.host, settings.server.port)
    except OSError as error:
        fail(
            f"cannot listen on {settings.server.host} port {settings.server.port}: "
            f"{error.strerror}. Choose another with --port."
        )
    keep_buffers()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, registry, public, welcome=not quiet))
    except (LedgerOwnedError, LedgerUnavailableError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{settings.data_dir} does not work: {error}")
    _leave_stuck_threads()


async def _serve(
    settings: Settings, registry: Registry, public: socket.socket, *, welcome: bool
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        running(settings, registry) as app,
        serving(
            app,
            public,
            bind_control(settings.data_dir),
            body_idle=settings.intake.idle_timeout,
            grace=_REQUESTS_GRACE,
        ),
    ):
        spare_the_collector()
        if welcome:
            _welcome(settings, public)
        await stop.wait()
        app.state.end_streams()
        if welcome:
            out.print("Stopping: what is under way is finished or handed back.")


def _welcome(settings: Settings, public: socket.socket) -> None:
    host, port = public.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    out.print("[bold green]Sinkwell is ready.[/]\n")
    if settings.path is not None:
        out.print(f"  Settings      {escape(str(settings.path))}", soft_wrap=True)
    for name in settings.sources:
        out.print(f"  Callback URL  [bold cyan]{base}/callbacks/{name}[/]", soft_wrap=True)
    if settings.path is None:
        secret_file = _nearest(settings.data_dir / SECRET_NAME)
        secret = (settings.data_dir / SECRET_NAME).read_text().strip()
        kept = escape(f"(kept in {secret_file})")
        out.print(f"  Secret        [bold]{secret}[/]  {kept}", soft_wrap=True)
    for name, sink in settings.sinks.items():
        root = getattr(sink, "root", None)
        place = _nearest(Path(root)) if sink.type == "local" and root else f"sink {name}"
        out.print(f"  Files         {escape(str(place))}", soft_wrap=True)
    out.print(f"  Dashboard     [cyan]{base}/[/]")
    if settings.path is None:
        proof = shlex.quote(f"callback_secret=<{secret_file}")
        picture = shlex.quote(f"file=@{_nearest(_sample(settings.data_dir))}")
        out.print("\nTry it, in another terminal:\n")
        command = (
            f"curl -F {proof} -F status=OK -F token=$(date +%s) -F format=png -F {picture} "
            f"{shlex.quote(f'{base}/callbacks/shotbot')}"
        )
        out.print(f"  {command}\n", soft_wrap=True, markup=False)
    sys.stdout.flush()


def _sample(data_dir: Path) -> Path:
    """Make sure that there is a picture to send."""
    path = data_dir / _SAMPLE_NAME
    if not path.exists():
        path.write_bytes(samples.png("sinkwell"))
    return path


def _nearest(path: Path) -> Path:
    """Return a path as it is best read: relative where it lies below this directory."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _leave_stuck_threads() -> None:
    """Exit although a thread hangs in a sink's disk or SDK: Python would wait for it for ever."""
    stuck = [t.name for t in threading.enumerate() if t.name.startswith("sink-") and t.is_alive()]
    if stuck:
        err.print(
            f"[yellow]warning:[/] left {len(stuck)} hanging attempts behind; they were "
            "handed back and are tried again after the next start"
        )
        sys.stdout.flush()
        os._exit(0)
