"""Syncing a directory for many at once."""

import os
import threading


class SharedSync:
    """Makes entries of a directory durable; threads that wait together share one fsync."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._condition = threading.Condition()
        self._asked = 0
        self._settled = 0
        self._failures: dict[int, OSError] = {}
        self._running = False

    def __call__(self) -> None:
        """Return once all that was done in the directory before is durable.

        Raises ``OSError`` to everyone whom a failed fsync was for: it is not tried again.
        """
        with self._condition:
            self._asked += 1
            mine = self._asked
            self._condition.wait_for(lambda: not self._running or self._settled >= mine)
            if self._settled < mine:
                self._lead()
            if failure := self._failures.pop(mine, None):
                raise failure

    def _lead(self) -> None:
        """Sync for everyone who asked so far; the condition is let go meanwhile."""
        covered = range(self._settled + 1, self._asked + 1)
        self._running = True
        self._condition.release()
        failure: OSError | None = None
        try:
            os.fsync(self._fd)
        except OSError as error:
            failure = error
        finally:
            self._condition.acquire()
            self._running = False
        if failure is not None:
            self._failures.update(dict.fromkeys(covered, failure))
        self._settled = covered[-1]
        self._condition.notify_all()
