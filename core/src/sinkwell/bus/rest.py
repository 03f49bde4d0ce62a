"""When a notifier is left in peace as a whole, not one notification of it."""

import asyncio

from sinkwell.contract import TransientError, UnusableError
from sinkwell.delivery.decide import classify

_FIRST, _LAST = 1.0, 300.0
_LONGEST_ASKED = 86_400.0


class Rest:
    """The rests of one notifier: longer each time that it is found not to work."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """Why it rests, or rested when it last was tried; None while it works."""
        self._until = 0.0
        self._next = _FIRST
        self._ended = asyncio.Event()

    def begin(self, reason: str) -> None:
        """Rest as long as is due; one that rests already rests no longer for it."""
        self.reason = reason
        if not self._left():
            self._for(self._next)
            self._next = min(_LAST, self._next * 2)

    def after(self, error: Exception) -> None:
        """Rest if that is what a failed call asks for."""
        if isinstance(error, UnusableError):
            self.begin(classify(error)[1])
        elif isinstance(error, TransientError) and error.retry_after:
            self._for(min(error.retry_after, _LONGEST_ASKED))

    def worked(self) -> None:
        """Note that a call succeeded. A time that the other side asked for is obeyed still."""
        if self.reason is not None:
            self.end()

    def end(self) -> None:
        """Rest no longer, and begin with short rests the next time."""
        self.reason = None
        self._next = _FIRST
        self._until = 0.0
        self._ended.set()

    async def over(self) -> None:
        """Return once there is no rest any more."""
        while left := self._left():
            self._ended.clear()
            try:
                async with asyncio.timeout(left):
                    await self._ended.wait()
            except TimeoutError:
                continue

    def _for(self, seconds: float) -> None:
        self._until = max(self._until, asyncio.get_running_loop().time() + seconds)

    def _left(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())
