"""A tool for whoever keeps files on a disk: syncing a directory for many at once."""

import os
import threading


class SharedSync:
    """Makes the entries of directories durable; threads that wait for the same one share a call.

    An fsync of a directory covers all that was done in it before, by whomever, so of eight
    threads that ask together, one or two need to call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[tuple[int, int], _Group] = {}

    def __call__(self, fd: int) -> None:
        """Return once all that was done in the directory ``fd`` before this call is durable.

        Raises ``OSError`` to everyone whom a failed fsync was for: it is not tried again, as a
        later one may succeed without the data being on the disk.
        """
        found = os.fstat(fd)
        directory = (found.st_dev, found.st_ino)
        with self._lock:
            group = self._groups.setdefault(directory, _Group())
            group.users += 1
        try:
            group.sync(fd)
        finally:
            with self._lock:
                group.users -= 1
                if not group.users:
                    del self._groups[directory]


class _Group:
    """Those who want one directory synced, numbered in the order in which they asked."""

    def __init__(self) -> None:
        self.users = 0
        self._condition = threading.Condition()
        self._asked = 0
        self._settled = 0
        self._failures: dict[int, OSError] = {}
        self._running = False

    def sync(self, fd: int) -> None:
        with self._condition:
            self._asked += 1
            mine = self._asked
            self._condition.wait_for(lambda: not self._running or self._settled >= mine)
            if self._settled < mine:
                self._lead(fd)
            if failure := self._failures.pop(mine, None):
                raise failure

    def _lead(self, fd: int) -> None:
        """Sync for everyone who asked so far; the condition is let go meanwhile."""
        covered = range(self._settled + 1, self._asked + 1)
        self._running = True
        self._condition.release()
        failure: OSError | None = None
        try:
            os.fsync(fd)
        except OSError as error:
            failure = error
        finally:
            self._condition.acquire()
            self._running = False
        if failure is not None:
            self._failures.update(dict.fromkeys(covered, failure))
        self._settled = covered[-1]
        self._condition.notify_all()
