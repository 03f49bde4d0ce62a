"""One measurement: the sender against one receiver, until all of it is stored and at rest."""

import json
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from bench.compare.processes import Tree
from bench.compare.receivers import SECRET, Receiver
from bench.compare.storage import NullStorage

LOAD = Path(__file__).parent.parent / "load.py"
MEMORY_EVERY = 0.25
"""Seconds between two looks at the memory: a look is not free."""


@dataclass(frozen=True)
class Running:
    """A receiver that runs."""

    receiver: Receiver
    tree: Tree
    port: int


@dataclass(frozen=True)
class Round:
    """What one measurement gave, or the medians of several."""

    per_second: float
    """Callbacks answered a second."""
    cpu_ms: float
    """User and system time of all its processes a callback, its storing included."""
    p50_ms: float
    p99_ms: float
    memory_mb: float
    """The most memory that its processes had together, in 10⁶ bytes."""
    drained_s: float
    """From the last answer until the store had acknowledged the last file."""
    requests: float
    """Requests to the store a callback."""


@dataclass(frozen=True)
class Large:
    """What one large file did to the memory, in 10⁶ bytes."""

    before_mb: float
    growth_mb: float
    """Beyond that, at most: of each process the most that was ever resident, so that no moment
    is missed."""

    @property
    def peak_mb(self) -> float:
        """Return the sum of both."""
        return self.before_mb + self.growth_mb


def median(rounds: list[Round]) -> Round:
    """Take the median of each figure."""
    values = [asdict(one) for one in rounds]
    return Round(**{f.name: statistics.median(v[f.name] for v in values) for f in fields(Round)})


def send(port: int, count: int, clients: int, size: int, seconds: float = 240) -> dict[str, float]:
    """Run the sender as a process of its own and return what it prints."""
    numbers = [str(number) for number in (port, count, clients, size)]
    done = subprocess.run(
        [sys.executable, str(LOAD), *numbers, SECRET],
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    if done.returncode:
        raise RuntimeError(f"the sender failed: {done.stderr[-1500:]}")
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure(running: Running, storage: NullStorage, count: int, clients: int, size: int) -> Round:
    """Send ``count`` callbacks, wait until all is stored and at rest, and tell what it took."""
    bucket = running.receiver.id
    before = storage.counts(bucket)
    cpu = running.tree.cpu_seconds()
    with _peak_memory(running.tree) as peak:
        sent = send(running.port, count, clients, size)
        callbacks = int(sent["callbacks"])
        after = storage.wait_for(bucket, before.objects + callbacks, 240)
    running.tree.wait_idle()
    return Round(
        per_second=sent["per_second"],
        cpu_ms=1000 * (running.tree.cpu_seconds() - cpu) / callbacks,
        p50_ms=sent["p50_ms"],
        p99_ms=sent["p99_ms"],
        memory_mb=max(peak) / 1e6,
        drained_s=max(0.0, after.last - sent["ended"]),
        requests=(after.requests - before.requests) / callbacks,
    )


def measure_large(running: Running, storage: NullStorage, size: int) -> Large:
    """Send one callback of ``size`` bytes and tell how much memory it took at most."""
    bucket = running.receiver.id
    objects = storage.counts(bucket).objects
    memory = running.tree.memory_bytes()
    before = running.tree.resident(peak=False)
    send(running.port, 1, 1, size)
    storage.wait_for(bucket, objects + 1, 240)
    after = running.tree.resident(peak=True)
    growth = sum(most - before.get(pid, 0) for pid, most in after.items())
    return Large(memory / 1e6, growth / 1e6)


@contextmanager
def _peak_memory(tree: Tree) -> Iterator[list[int]]:
    """Look at the memory until the block ends; the largest values are added to the list."""
    seen = [tree.memory_bytes()]
    done = threading.Event()

    def look() -> None:
        while not done.wait(MEMORY_EVERY):
            seen.append(tree.memory_bytes())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
