"""Opening and making directories beneath a root, without ever leaving it.

A key is cut into plain names (:func:`flaw` refuses all others), so there is no way up; what is
left are symbolic links, which anyone who may write below the root can put in a directory's place
at any moment. Neither way of opening follows one: ``openat2`` has the kernel refuse it, and the
walk enters one directory at a time. Whatever is done then is done relative to the descriptor.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sinkwell_local import syscalls

STAGING = b".sinkwell"
"""The directory directly below the root where files wait until they are complete."""

Opener = Callable[[int, bytes], int]
"""Opens the directory at a relative path beneath a root; the descriptor can be fsynced."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_BENEATH = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS
LONGEST_NAME = 255
LONGEST_KEY = 4095
"""Bytes of a name, and of a path with the NUL at its end left out (``NAME_MAX``, ``PATH_MAX``)."""


def flaw(key: str) -> str | None:
    """Say why ``key`` cannot be a file below the root, or None when it can.

    It must be relative, its names separated by ``/``: each 1 to 255 bytes of UTF-8, at most 4,095
    in all, none ``.`` or ``..``, none with a NUL, the first not the sink's own ``.sinkwell``.
    """
    try:
        path = key.encode()
    except UnicodeEncodeError:
        return "holds a character that UTF-8 cannot write"
    names = path.split(b"/")
    if len(path) > LONGEST_KEY or max(map(len, names)) > LONGEST_NAME:
        return f"is longer than {LONGEST_KEY} bytes, or one of its names than {LONGEST_NAME}"
    if b"" in names:
        return "is empty, or begins or ends with '/', or holds '//'"
    if b"." in names or b".." in names:
        return "holds a name '.' or '..'"
    if b"\0" in path:
        return "holds a NUL"
    if names[0].lower() == STAGING:  # some file systems do not tell A from a
        return f"begins with {STAGING.decode()!r}, which is the sink's own"
    return None


@contextmanager
def held(fd: int) -> Iterator[int]:
    """Close ``fd`` at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def enter(parent: int, name: bytes) -> int:
    """Open the directory ``name`` in ``parent``; a symbolic link is refused with ``ELOOP``."""
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except NotADirectoryError:
        # The kernel's answer for a link as well, when a directory is asked for.
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None
        raise


def by_walk(root: int, path: bytes) -> int:
    """Open a directory beneath ``root`` name by name."""
    fd = os.dup(root)
    for name in path.split(b"/"):
        with held(fd):
            fd = enter(fd, name)
    return fd


def by_openat2(root: int, path: bytes) -> int:
    """Open a directory beneath ``root`` in one call that the kernel confines."""
    return syscalls.openat2(root, path, flags=_DIRECTORY, resolve=_BENEATH)


def best_opener(root: int) -> Opener:
    """Return ``by_openat2`` where that works, else ``by_walk``.

    Kernels before 5.6 answer ENOSYS, and the seccomp filters of some containers EPERM.
    """
    try:
        os.close(by_openat2(root, b"."))
    except OSError as error:
        if error.errno not in {errno.ENOSYS, errno.EPERM}:
            raise
        return by_walk
    return by_openat2


def make(parent: int, name: bytes, mode: int) -> bool:
    """Make a directory with exactly ``mode``; return False when something is there already."""
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        return False
    with held(enter(parent, name)) as fd:
        os.fchmod(fd, mode | (os.fstat(fd).st_mode & stat.S_ISGID))
    return True


class Directories:
    """The directories below the root of one sink: opened, or made durably."""

    REMEMBERED = 10_000
    """How many durable directories are remembered; then it starts afresh."""

    def __init__(self, opener: Opener, mode: int) -> None:
        self.open = opener
        self._mode = mode
        self._durable: set[bytes] = set()

    def open_or_make(self, root: int, path: bytes) -> int:
        """Open the directory at ``path``, made if need be, its own entry durable.

        The first visit fsyncs the way to a directory even where it stands already: another
        thread, or a process that was killed, may have made it a moment ago and not come to its
        fsync, and a file in it would be promised that a power cut takes away.
        """
        if path in self._durable:
            try:
                return self.open(root, path)
            except FileNotFoundError:  # somebody tidies up: trust nothing that is remembered
                self._durable.clear()
        return self._walk_and_make(root, path)

    def _walk_and_make(self, root: int, path: bytes) -> int:
        fd = os.dup(root)
        names = path.split(b"/")
        for depth, name in enumerate(names, start=1):
            below = b"/".join(names[:depth])
            with held(fd):
                if make(fd, name, self._mode):
                    self._durable.discard(below)
                if below not in self._durable:
                    os.fsync(fd)
                    self._remember(below)
                fd = enter(fd, name)
        return fd

    def _remember(self, path: bytes) -> None:
        if len(self._durable) >= self.REMEMBERED:
            self._durable.clear()
        self._durable.add(path)
