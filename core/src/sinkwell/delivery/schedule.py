"""When to try again. Pure."""

import random
from dataclasses import dataclass
from typing import Protocol

_QUICK_WAITS = 2
_TAIL_BEGINS = 60
_TAIL_GROWS = 4
_LONGEST_RETRY_AFTER = 86_400.0


class Schedule(Protocol):
    """How often, and after which waits, something is tried."""

    @property
    def attempts(self) -> int:
        """Tries in all, at least 1."""
        ...

    def wait(self, failed: int, retry_after: float | None, rng: random.Random) -> float:
        """Return the wait after the ``failed``-th try (from 1 on), in seconds.

        It is never less than ``retry_after``, up to a day of it.
        """
        ...


@dataclass(frozen=True, slots=True)
class ListedWaits:
    """Waits that are written down one by one, in seconds, each up to a tenth longer by chance."""

    waits: tuple[float, ...]

    @property
    def attempts(self) -> int:
        """One more than there are waits."""
        return len(self.waits) + 1

    def wait(self, failed: int, retry_after: float | None, rng: random.Random) -> float:
        """Return the ``failed``-th wait, or what the other side asked for if that is longer."""
        asked = min(retry_after or 0.0, _LONGEST_RETRY_AFTER)
        return max(self.waits[failed - 1], asked) * rng.uniform(1.0, 1.1)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a delivery is tried.

    ``attempts`` tries in all, at least 1. The waits between them: up to ``base`` and twice
    ``base`` seconds after the first two tries, which rides over a hiccup; then from 60 times
    ``base`` on four times more each, up to ``cap``, which rides over a night. Each wait is drawn
    between nothing and that bound ("full jitter"), so that a sink that comes back is not met by
    everyone at once.
    """

    attempts: int
    base: float
    cap: float

    @property
    def longest_wait(self) -> float:
        """The longest wait that ``wait`` ever draws, in seconds."""
        return self.cap + _LONGEST_RETRY_AFTER

    def bound(self, failed: int) -> float:
        """Return the longest wait after the ``failed``-th try (from 1 on), in seconds."""
        if failed <= _QUICK_WAITS:
            wait = self.base * 2.0 ** (failed - 1)
        else:
            doublings = min(failed - _QUICK_WAITS - 1, 32)
            wait = self.base * _TAIL_BEGINS * float(_TAIL_GROWS) ** doublings
        return min(self.cap, wait)

    def wait(self, failed: int, retry_after: float | None, rng: random.Random) -> float:
        """Draw the wait after the ``failed``-th try; never less than the sink asked for."""
        drawn = rng.uniform(0, self.bound(failed))
        asked = min(max(0.0, retry_after or 0.0), _LONGEST_RETRY_AFTER)
        return asked + drawn if asked else drawn
