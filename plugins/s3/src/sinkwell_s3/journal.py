"""The uploads in parts that were begun, on disk, so that a crash leaves none behind unknown.

Each upload is one small file, written and synced before its first part is sent, and removed when
the upload has ended. Whoever works on an upload holds a lock on its file, which ends with the
process: a file that nobody holds is of one that was killed.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sinkwell.contract import SharedSync, TransientError
from sinkwell.contract.sink import RunBlocking

_ENTRY = ".upload"
_UNFINISHED = ".new"


class Entry(msgspec.Struct, frozen=True):
    """One upload that was begun."""

    url: str
    """Of the bucket; the settings may name another one by now."""
    name: str
    """Of the object."""
    upload: str
    """Id that the store gave it; empty while it is about to be asked for one."""
    began: float
    """When, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Held:
    """An entry, and the lock on its file."""

    path: Path
    fd: int
    entry: Entry


class Journal:
    """The entries of one sink. Raises ``TransientError`` when the disk does not take them."""

    def __init__(self, directory: Path, run_blocking: RunBlocking) -> None:
        self._directory = directory
        self._run_blocking = run_blocking
        self._sync = SharedSync()

    async def write(self, entry: Entry, label: str) -> Held:
        """Record an upload, durably, and hold it."""
        return await self._run_blocking(self._write, entry, label)

    async def amend(self, held: Held, entry: Entry, label: str) -> Held:
        """Record more of an upload, durably."""
        return await self._run_blocking(self._amend, held, entry, label)

    async def remove(self, held: Held) -> None:
        """Forget an upload that has ended."""
        await self._run_blocking(_remove, held)

    async def release(self, held: Held) -> None:
        """Let go of an upload that could not be ended; a later sweep takes it."""
        await self._run_blocking(os.close, held.fd)

    async def left(self) -> list[Held]:
        """Return the uploads that nobody works on, and hold them."""
        return await self._run_blocking(lambda: list(self._left()))

    def _write(self, entry: Entry, label: str, path: Path | None = None) -> Held:
        path = path or self._directory / f"{secrets.token_hex(16)}{_ENTRY}"
        new = path.with_name(f"{secrets.token_hex(16)}{_UNFINISHED}")
        try:
            fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(fd, msgspec.json.encode(entry))
                os.fsync(fd)
                new.replace(path)
                self._make_durable()
            except BaseException:
                new.unlink(missing_ok=True)
                os.close(fd)
                raise
        except OSError as error:
            raise TransientError(
                f"{label} failed: the upload cannot be recorded in {self._directory}: "
                f"{error.strerror}. It is tried again; if it stays, look at the disk of the data "
                f"directory."
            ) from error
        return Held(path, fd, entry)

    def _amend(self, held: Held, entry: Entry, label: str) -> Held:
        amended = self._write(entry, label, held.path)
        os.close(held.fd)
        return amended

    def _make_durable(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._sync(fd)
        finally:
            os.close(fd)

    def _left(self) -> Iterator[Held]:
        for path in self._directory.iterdir():
            if path.suffix not in {_ENTRY, _UNFINISHED}:
                continue
            held = _taken(path)
            if held is None:
                continue
            if held.path.suffix == _ENTRY and held.entry.name:
                yield held
            else:
                _remove(held)  # it never became an entry, so nothing was begun


def _taken(path: Path) -> Held | None:
    """Take over an entry, unless someone holds it or has just ended it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with path.open("rb") as file:
            same = os.path.sameopenfile(fd, file.fileno())
            entry = msgspec.json.decode(file.read(), type=Entry) if same else None
    except (BlockingIOError, FileNotFoundError):
        entry = None
    except msgspec.DecodeError:
        entry = Entry("", "", "", 0)
    if entry is None:
        os.close(fd)
        return None
    return Held(path, fd, entry)


def _remove(held: Held) -> None:
    held.path.unlink(missing_ok=True)
    os.close(held.fd)
