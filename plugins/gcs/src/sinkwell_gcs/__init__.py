"""The sink type ``gcs``: objects in a bucket of Google Cloud Storage, each put once."""

from sinkwell.contract import Capability, KeyLimits, SinkType, hookimpl
from sinkwell_gcs.names import LONGEST_NAME
from sinkwell_gcs.settings import GcsSettings
from sinkwell_gcs.sink import open_gcs

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
