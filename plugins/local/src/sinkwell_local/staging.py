"""Files on their way in: written aside under a name of their own, then given the name they keep.

A file aside is locked (``flock``) for as long as its writer lives, whatever ends it, so what is
found unlocked was left by a process that was killed, and only that is swept.
"""

import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from sinkwell.contract import Blob, RejectedError, TransientError
from sinkwell_local import syscalls
from sinkwell_local.containment import held

PIECE = 256 * 1024
"""Bytes per read and write. Pieces that stay in the processor's cache between being read, hashed
and written were as cheap as any other way: ``copy_file_range`` and ``sendfile`` cost more, as
hashing then maps or reads the file a second time."""

_SUFFIX = b".part"
_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


@dataclass(frozen=True, slots=True)
class Aside:
    """A file on its way in: ``name`` in the directory ``staging``, open as ``fd``."""

    staging: int
    name: bytes
    fd: int


@contextmanager
def aside(staging: int) -> Iterator[Aside]:
    """Make an empty file, locked and readable by nobody else; it is gone at the end."""
    name = secrets.token_hex(8).encode() + _SUFFIX
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=staging)
    try:
        with held(fd):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield Aside(staging, name, fd)
    finally:
        with suppress(FileNotFoundError):  # it was renamed into its place
            os.unlink(name, dir_fd=staging)


def sweep(staging: int) -> None:
    """Remove what killed processes left aside, and nothing that a living one writes."""
    for name in os.listdir(staging):
        if not name.endswith(_SUFFIX.decode()):
            continue
        with suppress(FileNotFoundError):  # its writer, or another sweeper, was quicker
            fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=staging)
            with held(fd), suppress(BlockingIOError):  # a living writer holds the lock
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=staging)


def write(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data``."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def fill(target: Aside, blob: Blob, mode: int, label: str) -> str:
    """Copy the payload aside, durable and with exactly ``mode``; return the digest of the copy.

    Raises ``RejectedError`` when the spool's copy is not what the blob says it is, and
    ``TransientError`` when it cannot be read (``label`` begins their messages); ``OSError`` is
    about the target alone.
    """
    digest = hashlib.sha256()
    size = 0
    with closing(_pieces(blob, label)) as pieces:
        for piece in pieces:
            digest.update(piece)
            write(target.fd, piece)
            size += len(piece)
    sha256 = digest.hexdigest()
    if (size, sha256) != (blob.size, blob.sha256):
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} is damaged. It holds {size} bytes with "
            f"sha256 {sha256}; received were {blob.size} bytes with {blob.sha256}. Nothing was "
            f"stored; ask the provider for the file again."
        )
    os.fchmod(target.fd, mode)
    os.fsync(target.fd)
    return sha256


def publish_new(source: Aside, parent: int, name: bytes) -> Literal["link", "renameat2"]:
    """Give a file its name in ``parent`` unless the name is taken: ``FileExistsError``.

    Returns which call did it: file systems without hard links need the second.
    """
    try:
        os.link(
            source.name,
            name,
            src_dir_fd=source.staging,
            dst_dir_fd=parent,
            follow_symlinks=False,
        )
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        syscalls.rename_new(source.staging, source.name, parent, name)
        return "renameat2"
    return "link"


def publish_over(source: Aside, parent: int, name: bytes) -> None:
    """Give a file its name in ``parent``; what had it is gone in the same instant."""
    os.rename(source.name, name, src_dir_fd=source.staging, dst_dir_fd=parent)


def _pieces(blob: Blob, label: str) -> Generator[memoryview, None, None]:
    """Yield the payload, each piece valid until the next one; fewer bytes if the file ends."""
    buffer = memoryview(bytearray(min(PIECE, blob.size)))
    position = 0
    try:
        with held(os.open(blob.path, os.O_RDONLY)) as fd:
            while position < blob.size:
                window = buffer[: blob.size - position]
                count = os.preadv(fd, [window], blob.offset + position)
                if not count:
                    return
                yield window[:count]
                position += count
    except FileNotFoundError as error:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} is gone, so there is nothing to store. "
            f"Ask the provider for the file again."
        ) from error
    except OSError as error:
        raise TransientError(
            f"{label} failed: the spool's copy {blob.path} cannot be read: {error.strerror}. It "
            f"is tried again; if it stays, look at the disk of the spool."
        ) from error
