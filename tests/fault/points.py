"""The points of one callback at which the process can be stopped or its calls made to fail.

strace counts the calls of each thread on its own, so a point is a thread's role, a call, and a
number. Roles are told from what the threads do while one callback passes.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fault.judge import eventually, leftovers
from fault.oracle import Oracle
from fault.strace import SYNCS, Call, calls, traced
from instances import Instance

LOOP, LEDGER, SINK, SPOOL = "loop", "ledger", "sink", "spool"
ONE_DIRECTORY_A_FILE = 'concurrency = 1\nkey = "{token}/{token}.{format}"\n'
"""Settings of the sink: it has one thread, and makes a directory for each file."""


@dataclass(frozen=True, slots=True)
class Point:
    """The ``number``-th ``call`` of the threads of a role, from the moment they are watched."""

    role: str
    call: str
    number: int
    what: str
    """What it was about when it was seen."""

    def __str__(self) -> str:
        return f"{self.role}: {self.call} {self.number} ({self.what})"


@dataclass(frozen=True, slots=True)
class Seen:
    """One callback as it passed through a process."""

    points: list[Point]
    ledger: int
    sink: int

    def threads(self, instance: Instance, role: str) -> list[int]:
        """Return the threads of a role."""
        assert instance.process is not None
        loop = instance.process.pid
        known = {LOOP: [loop], LEDGER: [self.ledger], SINK: [self.sink]}
        if role in known:
            return known[role]
        everyone = {int(task.name) for task in Path(f"/proc/{loop}/task").iterdir()}
        return sorted(everyone - {loop, self.ledger, self.sink})


def watch(instance: Instance, oracle: Oracle, log: Path) -> Seen:
    """Send one callback through a running instance at rest, and see what it does."""
    assert instance.process is not None
    with traced(instance, log):
        oracle.insist(oracle.new_id())
        instance.wait_drained()
        eventually(lambda: not leftovers(instance))
    trace = calls(log)
    ledger = _thread_that_syncs(trace, str(instance.data_dir / "ledger.sqlite3-wal"))
    sink = _thread_that_syncs(trace, str(instance.root))
    roles = {instance.process.pid: LOOP, ledger: LEDGER, sink: SINK}
    client = next(call.file for call in trace if call.file.startswith("TCP"))
    counted: Counter[tuple[int, str]] = Counter()
    points = []
    for call in trace:
        counted[call.thread, call.name] += 1
        if what := _changes(call, instance, client):
            role = roles.get(call.thread, SPOOL)
            points.append(Point(role, call.name, counted[call.thread, call.name], what))
    return Seen(points, ledger, sink)


def _thread_that_syncs(trace: list[Call], path: str) -> int:
    (thread,) = {call.thread for call in trace if call.name in SYNCS and call.file.startswith(path)}
    return thread


def _changes(call: Call, instance: Instance, client: str) -> str:
    """Say what a call changes: something on the disk, or what the client knows; or nothing."""
    if call.name == "openat" and "O_CREAT" not in call.arguments:
        return ""
    if call.file == client:
        return "the answer"
    home = str(instance.directory)
    about = [path for path in (*call.paths[-1:], call.file) if path.startswith(home)]
    return about[0].removeprefix(f"{home}/") if about else ""
