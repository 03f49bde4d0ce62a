"""An instance of Sinkwell for a moment: started, used, and gone without a trace."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
from rich.markup import escape

from sinkwell.cli.common import FILES_NAME, err, out
from sinkwell.control import control_address

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READY_WITHIN = 30.0
_STOPPED_WITHIN = 10.0
_PATIENCE = 30.0
_POLL = 0.05
_DATA_NAME = "data"
_LOG_NAME = "log.txt"
_LOG_TAIL = 30


class ThrowawayError(Exception):
    """The instance does not run; the text says why."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A running Sinkwell with its embedded default."""

    data_dir: Path
    public: httpx.Client
    """Where providers call."""
    control: httpx.Client
    """Its control socket: whoever may listen on that port, this is the instance."""

    @property
    def root(self) -> Path:
        """Where its files land."""
        return self.data_dir / FILES_NAME

    def rows(self, what: str) -> list[dict[str, Any]]:
        """Return what the API lists: ``deliveries``, ``events``."""
        return list(self.control.get(f"/api/v1/{what}").raise_for_status().json())


@contextmanager
def throwaway_directory(prefix: str, *, keep: bool) -> Generator[Path, None, None]:
    """Make a directory, and remove it however this process is asked to end."""
    for number in _ENDINGS:
        signal.signal(number, _interrupt)
    with ExitStack() as stack:
        with _interrupted_later():
            directory = Path(tempfile.mkdtemp(prefix=prefix))
            stack.callback(_keep if keep else _remove, directory)
        yield directory


def _keep(directory: Path) -> None:
    place = escape(str(directory / _DATA_NAME))
    out.print(f"\nKept; look into it: sinkwell files --data-dir {place}", soft_wrap=True)


def _remove(directory: Path) -> None:
    with _interrupted_later():
        shutil.rmtree(directory)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _interrupted_later() -> Generator[None, None, None]:
    """Let the block come to its end before an interruption is heard."""
    asked: list[int] = []
    for number in _ENDINGS:
        signal.signal(number, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        for number in _ENDINGS:
            signal.signal(number, _interrupt)
    if asked:
        raise KeyboardInterrupt


@contextmanager
def throwaway_instance(directory: Path) -> Generator[Instance, None, None]:
    """Start an instance with the embedded default, and stop it in the end.

    Raises ``ThrowawayError`` when it does not come to take callbacks.
    """
    port = _free_port()
    data_dir = directory / _DATA_NAME
    data_dir.mkdir(mode=0o700)
    command = [sys.executable, "-m", "sinkwell", "serve", "--quiet"]
    place = ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(data_dir)]
    # What is set for the user's own instance is not meant for this one.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SINKWELL_")}
    with ExitStack() as stack:
        with _interrupted_later(), (directory / _LOG_NAME).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - it is ourselves
                [*command, *place],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                start_new_session=True,  # Ctrl-C reaches this process alone, which ends both
            )
            stack.callback(_stop, process)
        address = stack.enter_context(control_address(data_dir))
        control = _client("http://sinkwell", httpx.HTTPTransport(uds=address))
        public = _client(f"http://127.0.0.1:{port}", httpx.HTTPTransport())
        with control, public:
            _wait_ready(process, control)
            yield Instance(data_dir, public, control)


def _client(base_url: str, transport: httpx.HTTPTransport) -> httpx.Client:
    return httpx.Client(base_url=base_url, transport=transport, timeout=_PATIENCE, trust_env=False)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], control: httpx.Client) -> None:
    until = time.monotonic() + _READY_WITHIN
    with out.status("an instance starts"):
        while time.monotonic() < until:
            if process.poll() is not None:
                raise ThrowawayError(f"the instance ended with exit code {process.returncode}")
            with suppress(httpx.ConnectError):  # it does not listen yet
                if control.get("/readyz").is_success:
                    return
            time.sleep(_POLL)
    raise ThrowawayError(f"the instance was not ready within {_READY_WITHIN:g} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_STOPPED_WITHIN)
    finally:
        process.kill()  # which does nothing to one that has ended
        process.wait()


def show_log(directory: Path) -> None:
    """Print the end of what the instance said."""
    path = directory / _LOG_NAME
    lines = path.read_text(errors="replace").splitlines()[-_LOG_TAIL:]
    err.print(f"[dim]The last lines of {escape(path.name)}:[/]")
    err.print("\n".join(lines), markup=False, soft_wrap=True)
