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
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await call
    except (Exception, asyncio.CancelledError) as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        if deadline.expired():
            raise TransientError(f"no answer within {seconds:g} s") from error
        if isinstance(error, asyncio.CancelledError):
            raise StrayCancelledError from error
        raise


async def to_its_end(call: Awaitable[T]) -> T:
    """Await what must not be left half done: whoever is cancelled waits until it is done."""
    work = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
