"""What is tidied up after a call has ended, well or not."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from sinkwell.contract.errors import SinkError

_log = logging.getLogger(__name__)
_WITHIN = 5.0
"""Seconds that tidying up may take while the sink is open."""
_AT_THE_END = 1.5
"""Seconds that it may take when the sink is closed: closing as a whole is given 2."""


class Background:
    """Short work that outlives the call that left it, and is waited for at the end.

    A put that is cancelled must end at once; what it leaves behind is removed from here.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[None]":
        """Begin, and return what can be waited for; a failure is a line in the log."""
        task = asyncio.create_task(_done(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def ended(self) -> None:
        """Wait for all that was begun, a moment at most; what takes longer is given up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_AT_THE_END)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


async def _done(work: Coroutine[Any, Any, object]) -> None:
    try:
        async with asyncio.timeout(_WITHIN):
            await work
    except TimeoutError:
        _log.warning("tidying up took too long and was given up; nothing depends on it")
    except SinkError as error:
        _log.warning("tidying up failed, and nothing depends on it: %s", error)
