"""The spool: the durable place where files wait until every sink has them.

::

    spool/id            who this spool is, made once
    spool/tmp/          being written; swept at start
    spool/files/        complete and durable, one file each, named by file id
    spool/quarantine/   damaged or doubtful, kept for people to look at, never delivered

A file becomes durable by the only sequence that makes it so: write under ``tmp/``, fsync,
rename into ``files/``, fsync the directory. A failed fsync is final: a later one may succeed
without the bytes being on the disk, so the file goes to quarantine and the sender is told to
try again.
"""

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

from sinkwell.contract import SharedSync
from sinkwell.directories import make_directory, sync_directory
from sinkwell.intake.manifest import Manifest, encode_trailer

_MOST_PIECES = 64
"""More pieces than these are joined before they are written."""


class Spool:
    """One spool directory. All methods may block on the disk; threads may call them together."""

    def __init__(self, directory: Path) -> None:
        """Make the directory where it is missing, and read or make its id.

        Raises ``OSError`` when that cannot be done.
        """
        self.directory = directory
        self.tmp = directory / "tmp"
        self.files = directory / "files"
        self.quarantined = directory / "quarantine"
        for path in (directory, self.tmp, self.files, self.quarantined):
            make_directory(path)
        self.id = self._persistent_id()
        self.tmp_fd = os.open(self.tmp, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.files_fd = os.open(self.files, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._sync = SharedSync()

    def close(self) -> None:
        """Let go of the directories."""
        os.close(self.tmp_fd)
        os.close(self.files_fd)

    def path(self, file_id: str) -> Path:
        """Where a complete file lies."""
        return self.files / file_id

    def release(self, file_id: str) -> None:
        """Remove a file. A file that is gone already is fine: a crash may have come between."""
        with suppress(FileNotFoundError):
            os.unlink(file_id, dir_fd=self.files_fd)

    def quarantine(self, path: Path) -> Path:
        """Set a file aside under a name that is free, and return where it now lies."""
        target = self.quarantined / path.name
        while os.path.lexists(target):
            target = self.quarantined / f"{path.name}.{secrets.token_hex(4)}"
        path.rename(target)
        return target

    def sweep(self) -> int:
        """Remove what an earlier process left half written, and say how many files that were.

        A directory is nothing that a process left: it goes to quarantine.
        """
        leftovers = list(self.tmp.iterdir())
        for path in leftovers:
            if path.is_dir() and not path.is_symlink():
                self.quarantine(path)
            else:
                path.unlink()
        return len(leftovers)

    def probe(self) -> None:
        """Write, sync and remove a small file. Raises ``OSError`` when the disk is sick."""
        path = self.tmp / f"probe-{secrets.token_hex(8)}"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, bytes(4096))
            os.fsync(fd)
        finally:
            os.close(fd)
            path.unlink()

    def sync_files(self) -> None:
        """Make renames into ``files/`` durable."""
        self._sync(self.files_fd)

    def _persistent_id(self) -> str:
        path = self.directory / "id"
        if not path.exists():
            fresh = self.directory / "tmp" / "id"
            fresh.write_text(f"{secrets.token_hex(8)}\n")
            with fresh.open() as file:
                os.fsync(file.fileno())
            fresh.rename(path)
        # Always: the process before may have been killed just before it did.
        sync_directory(self.directory)
        return path.read_text().strip()


class SpoolWriter:
    """One file on its way into the spool. Used by one thread at a time."""

    def __init__(self, spool: Spool, file_id: str) -> None:
        self.file_id = file_id
        self.size = 0
        self._spool = spool
        self._digest = hashlib.sha256()
        self._fd: int | None = None
        self.begun = False
        """Whether there is something under ``tmp/`` that ``discard`` would have to remove."""

    def write(self, chunks: list[bytes]) -> None:
        """Append. Raises ``OSError``; the writer is then only good for ``discard``."""
        self._count(chunks)
        self._append(chunks)

    def finish(self, chunks: list[bytes], manifest: Manifest) -> Manifest:
        """Append the last bytes and make the file durable.

        Returns the manifest with size and digest filled in. Raises ``OSError``: nothing is then
        left under ``files/``, and what could not be synced is in quarantine.
        """
        self._count(chunks)
        manifest = msgspec.structs.replace(
            manifest, size=self.size, sha256=self._digest.hexdigest()
        )
        fd = self._append([*chunks, encode_trailer(manifest)])
        try:
            os.fsync(fd)
        except OSError:
            self._close()
            self._spool.quarantine(self._spool.tmp / self.file_id)
            raise
        self._close()
        os.rename(
            self.file_id,
            self.file_id,
            src_dir_fd=self._spool.tmp_fd,
            dst_dir_fd=self._spool.files_fd,
        )
        self.begun = False
        try:
            self._spool.sync_files()
        except OSError:
            self._spool.quarantine(self._spool.path(self.file_id))
            raise
        return manifest

    def discard(self) -> None:
        """Remove what was written. Called more than once, it does nothing more."""
        self._close()
        with suppress(FileNotFoundError):
            os.unlink(self.file_id, dir_fd=self._spool.tmp_fd)
        self.begun = False

    def _count(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            self._digest.update(chunk)
            self.size += len(chunk)

    def _append(self, chunks: list[bytes]) -> int:
        """Write in one call where the kernel takes it so, and return the descriptor."""
        fd = self._opened()
        rest = memoryview(b"".join(chunks)) if len(chunks) > _MOST_PIECES else None
        if rest is None:
            total = sum(map(len, chunks))
            written = os.writev(fd, chunks)
            if written < total:
                rest = memoryview(b"".join(chunks))[written:]
        while rest:
            rest = rest[os.write(fd, rest) :]
        return fd

    def _opened(self) -> int:
        if self._fd is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self.file_id, flags, 0o600, dir_fd=self._spool.tmp_fd)
            self.begun = True
        return self._fd

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
