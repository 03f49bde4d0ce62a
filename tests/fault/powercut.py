"""What a power cut leaves: the disk rebuilt from a trace, with nothing but what was synced.

It is as strict as POSIX lets a disk be: bytes are there once their file was fsynced after they
were written, a name is there once its directory was fsynced after it was given, and everything
else is lost.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from fault.strace import SYNCS, Call

_CALLBACK_ID = re.compile(rb'\{"callback_id":"(\w+)"\}')


@dataclass(slots=True, eq=False)
class File:
    now: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    synced: int = -1
    """When the sync began that made ``durable`` so."""


@dataclass(slots=True, eq=False)
class Directory:
    now: "dict[str, File | Directory]" = field(default_factory=dict)
    durable: "dict[str, File | Directory]" = field(default_factory=dict)
    synced: int = -1


class Disk:
    """The tree below ``root``, which itself is durable and, at first, empty."""

    def __init__(self, root: Path) -> None:
        self._root_path = PurePosixPath(root)
        self._root = Directory()
        self._syncing: dict[int, tuple[File, bytes] | tuple[Directory, dict[str, File | Directory]]]
        self._syncing = {}

    def play(self, calls: Iterable[Call]) -> Iterator[int]:
        """Carry out a trace, yielding the line of each begin and each end that it has come to."""
        moments = [(call.began, False, call) for call in calls]
        moments += [(int(call.ended), True, call) for call in calls if call.result >= 0]
        for line, ends, call in sorted(moments, key=lambda moment: moment[:2]):
            if ends:
                self._end(call)
            elif call.name in SYNCS:
                self._begin_sync(call)
            yield line

    def cut(self, target: Path) -> None:
        """Lay down below ``target`` what a power cut at this moment would leave."""
        _lay_down(self._root, target)

    def _end(self, call: Call) -> None:
        match call.name:
            case "fsync" | "fdatasync":
                self._end_sync(call)
            case "write" | "writev" | "pwrite64":
                self._write(call)
            case "ftruncate":
                if isinstance(file := self._find(call.file), File):
                    length = int(call.arguments.rpartition(", ")[2])
                    file.now[:] = file.now[:length].ljust(length, b"\0")
            case _:
                self._rename(call)

    def _begin_sync(self, call: Call) -> None:
        match self._find(call.file):
            case File() as file:
                self._syncing[call.began] = file, bytes(file.now)
            case Directory() as directory:
                self._syncing[call.began] = directory, dict(directory.now)

    def _end_sync(self, call: Call) -> None:
        match self._syncing.pop(call.began, None):
            case (File() as file, bytes() as data) if file.synced < call.began:
                file.durable, file.synced = data, call.began
            case (Directory() as directory, dict() as names) if directory.synced < call.began:
                directory.durable, directory.synced = names, call.began

    def _write(self, call: Call) -> None:
        file = self._find(call.file)
        if not isinstance(file, File):
            return
        data = call.data[: call.result]
        at = len(file.now)  # all that is written without an offset is written in one go
        if call.name == "pwrite64":
            at = int(call.arguments.rpartition(", ")[2])
            file.now.extend(bytes(max(0, at - len(file.now))))
        file.now[at : at + len(data)] = data

    def _rename(self, call: Call) -> None:
        paths = [self._place(path) for path in call.paths]
        if not paths or None in paths:
            return
        (parent, name), *other = [path for path in paths if path is not None]
        match call.name:
            case "openat" if "O_CREAT" in call.arguments:
                file = parent.now.setdefault(name, File())
                if isinstance(file, File) and "O_TRUNC" in call.arguments:
                    file.now.clear()
            case "mkdir" | "mkdirat":
                parent.now[name] = Directory()
            case "unlink" | "unlinkat" | "rmdir":
                del parent.now[name]
            case "link" | "linkat":
                target, new_name = other[0]
                target.now[new_name] = parent.now[name]
            case "rename" | "renameat" | "renameat2":
                target, new_name = other[0]
                target.now[new_name] = parent.now.pop(name)

    def _place(self, path: str) -> tuple[Directory, str] | None:
        """Return the directory that a path leads to, and the name in it; None outside the tree."""
        pure = PurePosixPath(path)
        parent = self._find(str(pure.parent))
        return (parent, pure.name) if isinstance(parent, Directory) else None

    def _find(self, path: str) -> File | Directory | None:
        pure = PurePosixPath(path)
        if not pure.is_relative_to(self._root_path):
            return None
        found: File | Directory | None = self._root
        for name in pure.relative_to(self._root_path).parts:
            found = found.now.get(name) if isinstance(found, Directory) else None
        return found


def answers(calls: Iterable[Call]) -> dict[str, Call]:
    """Return the call that sent each 2xx, by the id of the callback that it answers."""
    sent: dict[str, Call] = {}
    for call in calls:
        if call.file.startswith("TCP") and (found := _CALLBACK_ID.search(call.data)):
            sent.setdefault(found[1].decode(), call)
    return sent


def _lay_down(node: File | Directory, target: Path) -> None:
    if isinstance(node, File):
        target.write_bytes(node.durable)
        return
    target.mkdir(exist_ok=True)
    for name, child in node.durable.items():
        _lay_down(child, target / name)
