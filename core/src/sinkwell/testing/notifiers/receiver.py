"""What the author of a notifier gives to the kit: somebody who listens outside."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum

from sinkwell.testing.sources.requests import NotOffered


class NotifierFault(Enum):
    """What may be wrong outside, and what ``notify`` must raise then."""

    UNREACHABLE = "unreachable"
    """Nobody takes the connection: ``TransientError``."""
    BUSY = "busy"
    """Everything is answered with "not now": ``TransientError``. Where the far side names a time
    to wait, the context manager yields it in seconds, and the error has to carry it."""
    REFUSED = "refused"
    """This event is not taken and never will be: ``RejectedError``."""
    FORBIDDEN = "forbidden"
    """Our credentials are not taken: ``UnusableError``."""
    GONE = "gone"
    """The address is no more: ``UnusableError``."""
    HANG = "hang"
    """It is connected to and never answers: ``notify`` waits until it is cancelled, or raises
    ``TransientError``, and holds up nobody else."""


NotifierFaults = Mapping[
    NotifierFault, Callable[[], AbstractContextManager[float | None]] | NotOffered
]
"""What makes each fault: it is there within the ``with``, and over at its end, which may come in
another thread."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event as it arrived outside."""

    event_id: str
    event_type: str = ""
    """Empty where the notifier's format has no place for it."""


class Receiver(ABC):
    """Listens where the notifier talks to."""

    @abstractmethod
    def received(self) -> Sequence[Arrival]:
        """Return all that arrived so far and was taken, in order, repeats too."""

    def faults(self) -> NotifierFaults:
        """Return how to make each fault.

        One that is missing or :class:`NotOffered` is listed as *not shown*.
        """
        return {}
