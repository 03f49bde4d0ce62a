"""The ledger's clock."""

import time


class Clock:
    """Seconds since 1970 that never jump while the process lives.

    The system's time is read once; from then on a steady clock counts, also through sleep. A
    system clock that is set wrong while Sinkwell runs thus makes no retry stall and no lease run
    out at once.
    """

    def __init__(self) -> None:
        self._offset = time.time() - _steady()

    def now(self) -> float:
        """Return the present in seconds since 1970."""
        return self._offset + _steady()


def _steady() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
