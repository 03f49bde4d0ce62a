"""The sink type ``gcs``: objects in a bucket of Google Cloud Storage, each put once."""

from importlib import import_module

from sinkwell.contract import Capability, KeyLimits, Sink, SinkContext, SinkType, hookimpl
from sinkwell_gcs.names import LONGEST_NAME
from sinkwell_gcs.settings import GcsSettings


async def open_gcs(settings: GcsSettings, context: SinkContext) -> Sink:
    """Open a sink. Raises ``UnusableError`` where that cannot work now."""
    # A quarter of a second, mostly of Google's libraries: only who has such a sink waits for it.
    await context.run_blocking(import_module, "sinkwell_gcs.sink")
    from sinkwell_gcs.sink import open_sink

    return await open_sink(settings, context)


GCS = SinkType(
    name="gcs",
    summary="A bucket of Google Cloud Storage; each object is put once and its checksum verified.",
    settings=GcsSettings,
    open=open_gcs,
    capabilities=frozenset({Capability.READ, Capability.DELETE, Capability.PRESIGN}),
    key_limits=KeyLimits(key=LONGEST_NAME),
)


@hookimpl
def sinkwell_sinks() -> list[SinkType[GcsSettings]]:
    """Register the type ``gcs``."""
    return [GCS]
