"""Awaiting: a plugin's answer not for ever, our own half-done work to its end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from sinkwell.contract import TransientError

T = TypeVar("T")


class StrayCancelledError(Exception):
    """A plugin raised ``CancelledError`` though nobody had cancelled it."""


async def within(seconds: float, call: Awaitable[T]) -> T:
    """Await a plugin's answer for at most ``seconds``.

    Raises ``TransientError`` when none came in time, ``CancelledError`` only when the caller is
    cancelled, else what the plugin raised. A plugin that turns the interruption into an error of
    its own thus hides neither.
    """
    # A task of its own: a TaskGroup that failed leaves its task marked as cancelled (Python 3.11).
    work = asyncio.ensure_future(call)
    caller = asyncio.current_task()
    interruptions = caller.cancelling() if caller else 0
    late = False

    def too_late() -> None:
        nonlocal late
        late = work.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, too_late)
    try:
        return await work
    except BaseException as failure:
        if caller and caller.cancelling() > interruptions:
            raise asyncio.CancelledError from failure
        if late:
            raise TransientError(f"no answer within {seconds:g} s") from failure
        if isinstance(failure, asyncio.CancelledError):
            raise StrayCancelledError from failure
        raise
    finally:
        timer.cancel()


async def to_its_end(call: Awaitable[T]) -> T:
    """Await what must not be left half done: whoever is cancelled waits until it is done."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
