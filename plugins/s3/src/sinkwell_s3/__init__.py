"""The sink type ``s3``: a bucket of any store that speaks S3, each object put once."""

from collections.abc import Sequence
from importlib import import_module

from sinkwell.contract import (
    Capability,
    Finding,
    KeyLimits,
    Sink,
    SinkContext,
    SinkType,
    hookimpl,
)
from sinkwell_s3.keys import LONGEST_KEY
from sinkwell_s3.policy import policy_for
from sinkwell_s3.settings import S3Settings


async def open_s3(settings: S3Settings, context: SinkContext) -> Sink:
    """Open a sink. Raises ``UnusableError`` where that cannot work now."""
    # Boto3 and aiohttp take a while to load: only who has such a sink waits for them.
    await context.run_blocking(import_module, "sinkwell_s3.sink")
    from sinkwell_s3.sink import open_sink

    return await open_sink(settings, context)


async def examine_s3(settings: S3Settings, context: SinkContext) -> Sequence[Finding]:
    """Look at how the bucket is set up. Raises ``SinkError``."""
    await context.run_blocking(import_module, "sinkwell_s3.doctor")
    from sinkwell_s3.doctor import examine

    return await examine(settings, context)


S3 = SinkType(
    name="s3",
    summary="A bucket of any store that speaks S3; each object is put once and verified.",
    settings=S3Settings,
    open=open_s3,
    capabilities=frozenset({Capability.READ, Capability.DELETE, Capability.PRESIGN}),
    key_limits=KeyLimits(key=LONGEST_KEY),
    examine=examine_s3,
    policy=policy_for,
)


@hookimpl
def sinkwell_sinks() -> list[SinkType[S3Settings]]:
    """Register the type ``s3``."""
    return [S3]
