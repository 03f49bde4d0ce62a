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
    interruption: asyncio.CancelledError | None = None
    try:
        await asyncio.wait([work], timeout=seconds)
    except asyncio.CancelledError as error:
        interruption = error
    late = not work.done()
    if late:
        work.cancel()
        await asyncio.wait([work])
    failure = None if work.cancelled() else work.exception()
    if failure is None and not work.cancelled():
        return work.result()
    if interruption is not None:
        raise interruption from failure
    if late:
        raise TransientError(f"no answer within {seconds:g} s") from failure
    raise failure or StrayCancelledError


async def to_its_end(call: Awaitable[T]) -> T:
    """Await what must not be left half done: whoever is cancelled waits until it is done."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
