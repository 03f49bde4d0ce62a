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
    or, after ten seconds of waiting, fewer than ``min_rate`` bytes a second; 413 beyond the
    largest body there can be. Pauses and rate count the sender's time alone: while a chunk is
    written, nobody waits for the next one.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + limits.total_timeout
    received = 0
    waited = 0.0
    while True:
        since = loop.time()
        try:
            async with asyncio.timeout_at(min(since + limits.idle_timeout, end)):
                chunk = await receive_chunk()
        except TimeoutError:
            if since + limits.idle_timeout < end:
                detail = f"no more bytes came within {limits.idle_timeout:g} seconds"
            else:
                detail = f"it took more than {limits.total_timeout:g} seconds"
            raise too_slow(detail) from None
        if not chunk:
            return
        received += len(chunk)
        if received > limits.max_body_size:
            raise too_large(f"the body has more than {limits.max_body_size} bytes")
        waited += loop.time() - since
        if waited > _RATE_GRACE and received < limits.min_rate * waited:
            raise too_slow(f"fewer than {limits.min_rate} bytes came a second")
        yield chunk
