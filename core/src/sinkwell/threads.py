"""Threads for work that blocks on our own disk."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A pool whose work is never left behind: whoever is cancelled waits until it is done.

    So nobody closes a descriptor or removes a file that a thread still works on.
    """

    def __init__(self, name: str, count: int) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``function`` in a thread and return what it returns, or raise what it raises."""
        work = asyncio.wrap_future(self._executor.submit(function, *args, **kwargs))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise

    def close(self) -> None:
        """Wait for all work and end the threads."""
        self._executor.shutdown()
