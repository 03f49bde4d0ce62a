"""The body of a callback as it arrives, with a watch on its pace."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.refusals import too_large, too_slow

_RATE_GRACE = 10.0

ReceiveChunk = Callable[[], Awaitable[bytes]]
"""Returns the next bytes of a body, ``b""`` at its end. Raises ``ClientGoneError``."""


async def paced(receive_chunk: ReceiveChunk, limits: IntakeLimits) -> AsyncIterator[bytes]:
    """Yield the body's chunks.

    Raises ``Refusal``: 408 for a pause beyond ``idle_timeout``, a whole beyond ``total_timeout``
    or, after the first ten seconds, fewer than ``min_rate`` bytes a second; 413 beyond the
    largest body there can be.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    received = 0
    waiting_since = began
    while True:
        patience = min(limits.idle_timeout, began + limits.total_timeout - waiting_since)
        try:
            async with asyncio.timeout_at(waiting_since + patience):
                chunk = await receive_chunk()
        except TimeoutError:
            raise too_slow(f"no more bytes came within {patience:.0f} seconds") from None
        if not chunk:
            return
        received += len(chunk)
        if received > limits.max_body_size:
            raise too_large(f"the body has more than {limits.max_body_size} bytes")
        waiting_since = loop.time()
        elapsed = waiting_since - began
        if elapsed > _RATE_GRACE and received < limits.min_rate * elapsed:
            raise too_slow(f"fewer than {limits.min_rate} bytes came a second")
        yield chunk
