"""Programs of the run: started in sessions of their own, measured from /proc, ended for sure."""

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Program:
    """What to start."""

    name: str
    command: list[str]
    log: Path
    """Takes its output."""
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    grace: float = 15
    """Seconds that it gets to end by itself."""


@dataclass(frozen=True)
class Tree:
    """A running program with all its processes: those of the session that it leads."""

    leader: int

    def members(self) -> list[int]:
        """List the processes that live now."""
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _session(int(entry.name)) == self.leader
        ]

    def cpu_seconds(self) -> float:
        """User and system time so far, of processes that live and of children that ended."""
        ticks = 0
        for pid in self.members():
            ticks += sum(map(int, _stat(pid)[11:15]))
        return ticks / TICK

    def memory_bytes(self) -> int:
        """Sum the proportional set sizes: pages that processes share are counted once."""
        return sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in self.members()) * 1024

    def resident(self, peak: bool) -> dict[int, int]:
        """Bytes resident in each process: now, or the most that there ever were."""
        name = "VmHWM:" if peak else "VmRSS:"
        return {pid: _kilobytes(pid, "status", name) * 1024 for pid in self.members()}

    def wait_idle(self, seconds: float = 60) -> None:
        """Wait until hardly any CPU is used; raise ``RuntimeError`` after ``seconds``."""
        ends = time.monotonic() + seconds
        before = self.cpu_seconds()
        while time.monotonic() < ends:
            time.sleep(0.4)
            now = self.cpu_seconds()
            if now - before <= 2 / TICK:
                return
            before = now
        raise RuntimeError(f"session {self.leader} does not come to rest")


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on; none where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _session(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[3]) if fields else 0


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)


@contextmanager
def running(program: Program, port: int, path: str, seconds: float = 60) -> Iterator[Tree]:
    """Run ``program`` until the block ends; it is ready once ``path`` answers on ``port``.

    Raises ``RuntimeError`` with the end of its output where it does not become ready.
    """
    with program.log.open("ab") as output:
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **program.env},
            cwd=program.cwd,
            start_new_session=True,
        )
    try:
        ends = time.monotonic() + seconds
        while not _answers(port, path):
            if process.poll() is not None or time.monotonic() > ends:
                told = program.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{program.name} did not start:\n{told}")
            time.sleep(0.05)
        yield Tree(process.pid)
    finally:
        _end(process, program.grace)


def _answers(port: int, path: str) -> bool:
    try:
        httpx.get(f"http://127.0.0.1:{port}{path}", timeout=2)
    except httpx.TransportError:
        return False
    return True


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    """Ask the program to end, then end all that is left of its session."""
    tree = Tree(process.pid)
    process.terminate()
    ends = time.monotonic() + grace
    while (process.poll() is None or tree.members()) and time.monotonic() < ends:
        time.sleep(0.02)
    for pid in tree.members():
        os.kill(pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """Return a loopback port that nobody listens on, nor is given to a client by the system."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
