"""How much of what is coming is held in memory, of all callbacks together.

A file passes by on its way to the disk; JSON and forms are held until they are whole, and who sent
them is not known until then. So it is the sum that has a bound, whoever sends how many at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sinkwell.intake.refusals import busy

Hold = Callable[[int], None]
"""Told of bytes before they are held; raises ``Refusal`` (503) where they must not be."""

_RETRY_AFTER = 5


class Holding:
    """Counts what is held, up to ``most`` bytes."""

    def __init__(self, most: int) -> None:
        self.held = 0
        self._most = most

    def check(self, size: int) -> None:
        """See that ``size`` more bytes may be held. Raises ``Refusal`` (503) when not now."""
        if self.held + size > self._most:
            raise busy(
                "more callbacks are coming in than memory is given to", retry_after=_RETRY_AFTER
            )

    @contextmanager
    def of_one(self) -> Iterator[Hold]:
        """Hold what one callback brings, until the block ends."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            self.check(size)
            held += size
            self.held += size

        try:
            yield hold
        finally:
            self.held -= held


def unbounded(size: int) -> None:
    """Hold whatever comes: of one callback, which has limits of its own."""
    del size
