"""What each call of a local sink does on the disk: blocking, to be run in threads.

Nothing stays open between two calls. Each opens the root anew and, in it, ``.sinkwell``, which is
made once, when the sink is opened. So a root that was removed, replaced or unmounted is noticed
at once (the mark is not there), nothing is written into the empty mount point, and all works
again as soon as the disk is back. It also means that a thread which a cancelled call left running
never finds its descriptors closed or, worse, given to another file.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, Self
from urllib.parse import quote

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    SharedSync,
    SinkContext,
    Stat,
    TransientError,
    UnusableError,
)
from sinkwell_local import containment, staging
from sinkwell_local.containment import STAGING, Directories, Opener, held
from sinkwell_local.settings import LocalSettings

P = ParamSpec("P")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""How a stored file is opened: a link is refused, a named pipe does not block."""
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What opening a root, or ``.sinkwell`` in it, says when that is not there."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The descriptors that one call works from: the root, and ``.sinkwell`` in it."""

    root: int
    staging: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a key lies: a directory beneath the root, and a name in it."""

    directory: bytes
    name: bytes


class Store:
    """The files below one root. Raises ``SinkError`` and, where the disk refuses, ``OSError``."""

    def __init__(self, settings: LocalSettings, context: SinkContext, opener: Opener) -> None:
        self.context = context
        self.root = Path(settings.root).absolute()
        self.opener = opener
        self.published_by = "nothing yet"
        """The call that gave the last new file its name, for a check."""
        self._file_mode, directory_mode = settings.modes()
        self._directories = Directories(opener, directory_mode)
        self._sync = SharedSync()
        self._uri = f"file://{quote(os.fsencode(self.root))}"

    @classmethod
    def open(cls, settings: LocalSettings, context: SinkContext) -> Self:
        """Make the root and ``.sinkwell`` if need be; sweep what killed processes left."""
        root = Path(settings.root).absolute()
        _, directory_mode = settings.modes()
        missing = [path for path in (root, *root.parents) if not path.exists()]
        for path in reversed(missing):
            with held(os.open(path.parent, _DIRECTORY)) as parent:
                containment.make(parent, os.fsencode(path.name), directory_mode)
                os.fsync(parent)
        with held(os.open(root, _DIRECTORY)) as fd:
            containment.make(fd, STAGING, 0o700)
            with held(containment.enter(fd, STAGING)) as aside:
                staging.sweep(aside)
            return cls(settings, context, containment.best_opener(fd))

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Open the root as it is now. Raises ``UnusableError`` when it is not ours any more."""
        with (
            held(self._ours(os.open, self.root, _DIRECTORY)) as root,
            held(self._ours(containment.enter, root, STAGING)) as aside,
        ):
            yield Opened(root, aside)

    def put(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        """Store the blob, or find it stored already; return once that is durable."""
        label = self.context.label("putting", key)
        place = _place(key, label)
        with self.opened() as opened:
            sha256 = self._kept(opened, place, blob, if_present, label)
            try:
                sha256 = sha256 or self._write(opened, place, blob, if_present, label)
            except FileExistsError as error:  # another writer was quicker: compare with its file
                sha256 = self._kept(opened, place, blob, if_present, label)
                if sha256 is None:
                    raise TransientError(
                        f"{label} failed: another file was there and went. It is tried again."
                    ) from error
        return Receipt(key, blob.size, sha256, f"{self._uri}/{quote(key)}")

    def stat(self, key: str) -> Stat | None:
        """Return the size of a stored file. The digest would have to be computed."""
        place = _place(key, self.context.label("looking at", key))
        with self.opened() as opened:
            found = self._found(opened, place)
        return Stat(found.st_size) if found and stat.S_ISREG(found.st_mode) else None

    def read(self, key: str) -> int:
        """Open a stored file; the caller closes it. Raises ``RejectedError`` when none is there."""
        label = self.context.label("reading", key)
        place = _place(key, label)
        with self.opened() as opened:
            found = self._found(opened, place)
            if found is None or not stat.S_ISREG(found.st_mode):
                raise RejectedError(f"{label} failed: there is no such file. Was it moved?")
            with held(self._directories.open(opened.root, place.directory)) as parent:
                return os.open(place.name, _FILE, dir_fd=parent)

    def delete(self, key: str) -> None:
        """Remove a stored file, durably. The directories that held it stay."""
        place = _place(key, self.context.label("deleting", key))
        with self.opened() as opened:
            if self._found(opened, place) is None:
                return
            with held(self._directories.open(opened.root, place.directory)) as parent:
                with suppress(FileNotFoundError):  # someone else was quicker
                    os.unlink(place.name, dir_fd=parent)
                os.fsync(parent)

    def _ours(self, enter: Callable[P, int], *args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return enter(*args, **kwargs)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            raise UnusableError(
                f"sink {self.context.name!r}: its root {self.root} is not there, or is not the "
                f"directory that was opened (it holds no {STAGING.decode()!r}). Mount its disk or "
                f"bring it back; to go on with what is there now, start Sinkwell again."
            ) from error

    def _found(self, opened: Opened, place: _Place) -> os.stat_result | None:
        try:
            with held(self._directories.open(opened.root, place.directory)) as parent:
                return os.stat(place.name, dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _kept(
        self, opened: Opened, place: _Place, blob: Blob, if_present: IfPresent, label: str
    ) -> str | None:
        """Return the digest of the same bytes under the key, now durable; None to write them.

        Raises ``RejectedError`` when something else is there, or anything that is to be refused.
        """
        found = None if if_present is IfPresent.REPLACE else self._found(opened, place)
        if found is None:
            return None
        if if_present is IfPresent.REFUSE:
            raise RejectedError(
                f"{label} failed: something is there already, and if_present is 'refuse'. "
                f"Remove it, or choose another key."
            )
        sha256 = None
        if stat.S_ISREG(found.st_mode) and found.st_size == blob.size:
            # An earlier try may have died just before its last fsyncs.
            with (
                held(self._directories.open_or_make(opened.root, place.directory)) as parent,
                held(os.open(place.name, _FILE, dir_fd=parent)) as fd,
            ):
                sha256 = _digest(fd)
                os.fsync(fd)
                os.fsync(parent)
        if sha256 != blob.sha256:
            raise RejectedError(
                f"{label} failed: another file is there already. Remove it, choose another key, "
                f"or set if_present to 'replace'."
            )
        return sha256

    def _write(
        self, opened: Opened, place: _Place, blob: Blob, if_present: IfPresent, label: str
    ) -> str:
        """Write aside, fsync, name, fsync the directory; return the digest of what was written.

        Raises ``FileExistsError`` when the name is taken and not to be replaced.
        """
        with staging.aside(opened.staging) as source:
            sha256 = staging.fill(source, blob, self._file_mode, label)
            with held(self._directories.open_or_make(opened.root, place.directory)) as parent:
                if if_present is IfPresent.REPLACE:
                    staging.publish_over(source, parent, place.name)
                else:
                    self.published_by = staging.publish_new(source, parent, place.name)
                self._sync(parent)
        return sha256


def _place(key: str, label: str) -> _Place:
    flaw = containment.flaw(key)
    if flaw:
        raise RejectedError(f"{label} failed: the key {flaw}. Change the key template.")
    directory, _, name = key.encode().rpartition(b"/")
    return _Place(directory or b".", name)


def _digest(fd: int) -> str:
    with os.fdopen(fd, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
