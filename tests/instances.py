"""A real Sinkwell process for tests: started, asked, killed."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

SECRET = "test-secret-0123456789"
READY_WITHIN = 30.0
SINKWELL = (sys.executable, "-m", "sinkwell")

SETTINGS = """
[server]
port = {port}

[sources.shotbot]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]

[sinks.local]
type = "local"
root = "{root}"
"""


def free_port() -> int:
    """Return a port that nobody listens on just now, nor is given to a client by the system.

    A client that keeps calling a dead server is otherwise given the server's own port one day, is
    connected with itself, and the server cannot start again.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Instance:
    """One data directory and the processes that run on it, one after the other."""

    directory: Path
    extra_settings: str = ""
    prefix: Sequence[str] = ()
    """Put before the command: strace, eatmydata, …"""
    environ: Mapping[str, str] = field(default_factory=dict)
    settings: str = SETTINGS
    root_name: str = "stored"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def root(self) -> Path:
        """Where the local sink stores files."""
        return self.directory / self.root_name

    @property
    def config(self) -> Path:
        return self.directory / "sinkwell.toml"

    @property
    def log(self) -> Path:
        """Everything that the processes wrote to standard error."""
        return self.directory / "log.txt"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def callback_url(self) -> str:
        return f"{self.url}/callbacks/shotbot"

    def launch(self, *arguments: str, **popen: Any) -> subprocess.Popen[bytes]:
        """Start a process and do not wait for it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        text = self.settings.format(port=self.port, root=self.root) + self.extra_settings
        self.config.write_text(text)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.prefix,
                    *SINKWELL,
                    "serve",
                    "--quiet",
                    "--config",
                    str(self.config),
                    "--data-dir",
                    str(self.data_dir),
                    *arguments,
                ],
                stdout=log,
                stderr=log,
                env=self._environ(),
                start_new_session=True,
                **popen,
            )
        return self.process

    def start(self, *arguments: str, **popen: Any) -> None:
        """Start a process and wait until it takes callbacks."""
        self.launch(*arguments, **popen)
        self.wait_ready()

    def wait_ready(self, within: float = READY_WITHIN) -> float:
        """Wait until callbacks are taken; return how long that took, in seconds."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.log_text()}")
            try:
                if self.ask("GET", f"{self.url}/readyz", timeout=1).status_code == 200:
                    return time.monotonic() - began
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"not ready within {within:g} s:\n{self.log_text()}")

    def kill(self) -> None:
        """End it and all it started by SIGKILL."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self, within: float = 30.0) -> int:
        """End it by SIGTERM and return its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line on this data directory."""
        return subprocess.run(
            [*SINKWELL, *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True,
            text=True,
            env=self._environ(),
            timeout=60,
            check=False,
        )

    def run_plain(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command that takes no data directory, or has one in its settings."""
        return subprocess.run(
            [*SINKWELL, *arguments],
            capture_output=True,
            text=True,
            env=self._environ(),
            timeout=60,
            check=False,
        )

    def rows(self, what: str, *arguments: str) -> list[dict[str, Any]]:
        """Return what ``sinkwell files|deliveries|events --json`` lists."""
        done = self.run(what, "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return [msgspec.json.decode(line) for line in done.stdout.splitlines()]

    def post(self, token: str, body: bytes, **fields: str) -> httpx.Response:
        """Send one Shotbot callback, as the provider would."""
        given = {"callback_secret": SECRET, "status": "OK", "token": token, "format": "png"}
        return self.ask(
            "POST",
            self.callback_url,
            data={**given, **fields},
            files={"file": ("shot.png", body, "image/png")},
            timeout=30,
        )

    @staticmethod
    def ask(method: str, url: str, **options: Any) -> httpx.Response:
        """Send one request. There is no TLS here, and to prepare it would cost 25 ms each time."""
        return httpx.request(method, url, verify=False, **options)

    def wait_drained(self, within: float = 120.0) -> None:
        """Wait until no delivery is open."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            # Twice: a delivery may pass from the one state to the other between two questions.
            counts = [self._count(state) for state in ("pending", "leased") * 2]
            if not any(counts):
                return
            time.sleep(0.05)
        raise AssertionError(f"deliveries are still open after {within:g} s:\n{self.log_text()}")

    def stored(self) -> dict[str, bytes]:
        """Return every file below the sink's root by its key, none that is on its way in."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if ".sinkwell" not in path.parts and path.is_file()
        }

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""

    def _count(self, state: str) -> int:
        answer = self.ask(
            "GET", f"{self.url}/api/v1/deliveries", params={"state": state, "limit": 1}, timeout=10
        )
        answer.raise_for_status()
        return len(answer.json())

    def _environ(self) -> dict[str, str]:
        return {**os.environ, "SHOTBOT_SECRET": SECRET, **self.environ}
