"""What the three kits share."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import pytest

from sinkwell.pytest_plugin import NOT_SHOWN

P = ParamSpec("P")

ENDS_WITHIN = 120.0
"""Seconds after which a test that still waits has failed."""


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a plain test of an async one, with an event loop of its own and a deadline.

    So the kits need no other pytest plugin, and hypothesis can call what they are made of.
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(_in_time(test(*args, **kwargs)))

    return run


async def _in_time(test: Coroutine[Any, Any, None]) -> None:
    try:
        async with asyncio.timeout(ENDS_WITHIN) as deadline:
            await test
    except TimeoutError:
        if not deadline.expired():
            raise
        pytest.fail(f"after {ENDS_WITHIN:.0f} s the test still waited for something")


def own_time() -> float:
    """Return seconds of a clock that stands while this thread waits for a CPU, on Linux.

    So a busy machine is not taken for someone who holds up the thread.
    """
    waited = 0
    with suppress(OSError):  # other systems do not tell
        waited = int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    return time.monotonic() - waited / 1e9


def not_shown(reason: str) -> NoReturn:
    """End a test whose promise cannot be put to the test, and say what would let it be.

    The summary lists it as *not shown*: neither held nor broken.
    """
    pytest.skip(f"{NOT_SHOWN}{reason}")
