"""strace on the real process: what it did in which order, and faults in its system calls."""

import ast
import math
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from instances import Instance

SYNCS = ("fsync", "fdatasync")
CHANGES = (
    *("openat", "write", "writev", "pwrite64", "ftruncate"),
    *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "link", "linkat"),
    *SYNCS,
)
"""The calls by which the process changes a disk or answers."""

_LONGEST_DATA = 1 << 20
_ATTACHES_WITHIN = 30.0
_PLAIN = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")
_UNFINISHED = re.compile(r"(\d+) +(\w+)\((.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+|\?)")
_TOKEN = re.compile(
    r"""(?:\d+|AT_FDCWD)<(?P<fd>[A-Za-z0-9]+:\[[^]]*\]|[^>]*)>(?P<gone>\(deleted\))?"""
    r"""|"(?P<text>(?:[^"\\]|\\.)*)"(?P<cut>\.\.\.)?"""
)


@dataclass
class Call:
    """One system call. ``began`` and ``ended`` are line numbers of the trace: one order for all."""

    thread: int
    name: str
    arguments: str
    began: int
    ended: float = math.inf
    """``inf`` when the process ended in the middle of it."""
    result: int = -1

    @cached_property
    def file(self) -> str:
        """What its first descriptor is: a path, or a socket's two ends; nothing once removed."""
        found = _TOKEN.search(self.arguments)
        return (found["fd"] or "") if found and not found["gone"] else ""

    @cached_property
    def data(self) -> bytes:
        """The bytes that it writes."""
        return b"".join(_bytes(found) for found in _TOKEN.finditer(self.arguments) if _text(found))

    @cached_property
    def paths(self) -> list[str]:
        """The paths that it names, each seen from the descriptor before it."""
        paths: list[str] = []
        if "write" in self.name:
            return paths
        place = PurePosixPath("/")
        for found in _TOKEN.finditer(self.arguments):
            if _text(found):
                paths.append(str(place / _bytes(found).decode()))
                place = PurePosixPath("/")
            else:
                place = PurePosixPath(found["fd"])
        return paths


def recording(log: Path) -> Sequence[str]:
    """Return the prefix of a command under which all its changes are written down.

    strace stays out of the command's process group, which the tests kill.
    """
    return _strace(log, "-f", "-DD", "--seccomp-bpf", "-yy", "-s", str(_LONGEST_DATA))


def _strace(log: Path, *options: str) -> Sequence[str]:
    return ("strace", *options, "-e", f"trace={','.join(CHANGES)}", "-o", str(log))


@contextmanager
def traced(instance: Instance, log: Path) -> Iterator[None]:
    """Write down the changes that a running instance makes during the block."""
    assert instance.process is not None
    command = _strace(log, "-f", "-yy", "-s", "0", "-p", str(instance.process.pid))
    with attached(command):
        yield


@contextmanager
def injected(threads: Sequence[int], fault: str) -> Iterator[None]:
    """Have calls fail during the block, e.g. ``fsync:error=EIO:when=2``.

    Each thread counts its own calls, from the beginning of the block on.
    """
    which = [part for thread in threads for part in ("-p", str(thread))]
    only = f"trace={fault.partition(':')[0]}"
    with attached(("strace", "-e", only, "-e", f"inject={fault}", "-o", "/dev/null", *which)):
        yield


@contextmanager
def attached(command: Sequence[str]) -> Iterator[None]:
    """Run strace on processes that run already; it lets go of those that live when this ends."""
    wanted = command.count("-p")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        for line in strace.stderr:
            wanted -= " attached" in line
            if not wanted:
                break
        assert not wanted, "strace could not attach to all it was asked to"
        try:
            yield
        finally:
            strace.terminate()
            strace.stderr.read()


def wait_recorded(log: Path, instance: Instance) -> None:
    """Wait until the whole trace of a process that has ended is written."""
    assert instance.process is not None
    last = re.compile(rf"^{instance.process.pid} +\+\+\+ ", re.MULTILINE)
    until = time.monotonic() + _ATTACHES_WITHIN
    while not last.search(log.read_text(errors="replace")[-1000:]):
        assert time.monotonic() < until, "strace does not come to an end"
        time.sleep(0.05)


def calls(log: Path) -> list[Call]:
    """Read a trace: its calls, in the order in which they began."""
    read: list[Call] = []
    open_calls: dict[int, Call] = {}
    with log.open(encoding="latin-1") as lines:
        for number, line in enumerate(lines):
            if found := _PLAIN.match(line):
                thread, name, arguments, result = found.groups()
                read.append(Call(int(thread), name, arguments, number, number, _result(result)))
            elif found := _UNFINISHED.match(line):
                thread, name, arguments = found.groups()
                read.append(Call(int(thread), name, arguments, number))
                open_calls[int(thread)] = read[-1]
            elif found := _RESUMED.match(line):
                thread, rest, result = found.groups()
                call = open_calls.pop(int(thread))
                call.arguments += rest
                call.ended, call.result = number, _result(result)
    return read


def _result(text: str) -> int:
    return -1 if text == "?" else int(text)


def _text(found: re.Match[str]) -> bool:
    return found["text"] is not None


def _bytes(found: re.Match[str]) -> bytes:
    assert not found["cut"], "the trace holds but a part of the data"
    return bytes(ast.literal_eval(f'b"{found["text"]}"'))
