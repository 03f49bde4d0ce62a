"""The far side of a sink, as someone sees it who does not use the sink."""

import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from enum import Enum

_FETCHES_WITHIN = 10.0


class Fault(Enum):
    """What can go wrong at the far side, and what the sink has to make of it.

    The kit makes one at a time, while the sink is open, and ends it again: then the same sink has
    to work as if nothing had been.
    """

    UNREACHABLE = "unreachable"
    """Nobody answers, or the connection is refused or reset at once: ``TransientError``."""
    BUSY = "busy"
    """Everything is answered with "not now": ``TransientError``. Where the far side names a time
    to wait, the context manager yields it in seconds, and the error has to carry it."""
    FULL = "full"
    """There is no room, not for a single file: ``UnusableError``."""
    FORBIDDEN = "forbidden"
    """Writing is no longer allowed: ``UnusableError``."""
    GONE = "gone"
    """The place is not there any more, bucket, directory or disk: ``UnusableError``."""
    REFUSED = "refused"
    """Any file of :data:`LARGE` bytes or more is refused for what it is: ``RejectedError``."""
    CUT = "cut"
    """Each put of :data:`LARGE` bytes or more breaks in the middle: ``TransientError``; nothing
    is visible, and nothing is left over once the next put has succeeded."""
    HANG = "hang"
    """A put of :data:`LARGE` bytes or more is never answered until the fault ends. Cancelled, it
    ends soon; once the far side is back, there is nothing or the complete object."""


LARGE = 1024 * 1024
"""Bytes of a file, at least, that the faults in the middle of a put have to strike."""

Faults = Mapping[Fault, Callable[[], AbstractContextManager[float | None]]]
"""What makes each fault: it is there within the ``with``, and over at its end."""


class Destination(ABC):
    """What the author of a sink tells the kit of the far side. All methods may block.

    The kit calls them in a thread, several at once too.
    """

    @abstractmethod
    def keys(self) -> Collection[str]:
        """Return the key of every complete object that a user would find."""

    @abstractmethod
    def read(self, key: str) -> bytes:
        """Return the bytes of an object; any exception when there is none."""

    @abstractmethod
    def leftovers(self) -> Collection[str]:
        """Return what else lies there: parts, temporary files, uploads that nobody finished.

        Only what one put leaves behind counts, not what belongs to the place and stays.
        """

    def faults(self) -> Faults:
        """Return how to make each fault. One that is not in it is listed as *not shown*."""
        return {}

    def fetch(self, url: str) -> bytes:
        """Return what a presigned URL gives to anyone. Raises ``OSError`` when it is refused."""
        # The URL is the sink's own, and the author of the sink runs this.
        with urllib.request.urlopen(url, timeout=_FETCHES_WITHIN) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content
