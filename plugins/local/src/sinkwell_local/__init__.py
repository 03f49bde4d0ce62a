"""The sink type ``local``: files below one directory of this machine, durable and contained."""

from sinkwell.contract import Capability, KeyLimits, SinkType, hookimpl
from sinkwell_local.containment import LONGEST_KEY, LONGEST_NAME
from sinkwell_local.settings import LocalSettings
from sinkwell_local.sink import open_local

LOCAL = SinkType(
    name="local",
    summary="A directory on this machine; each file is fsynced and never lands outside of it.",
    settings=LocalSettings,
    open=open_local,
    capabilities=frozenset({Capability.READ, Capability.DELETE}),
    key_limits=KeyLimits(key=LONGEST_KEY, segment=LONGEST_NAME),
)


@hookimpl
def sinkwell_sinks() -> list[SinkType[LocalSettings]]:
    """Register the type ``local``."""
    return [LOCAL]
