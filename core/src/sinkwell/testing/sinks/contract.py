"""The conformance kit for sinks: subclass :class:`SinkContract` and give three fixtures."""

from sinkwell.testing.sinks.bytes import SinkBytes
from sinkwell.testing.sinks.capabilities import SinkCapabilities
from sinkwell.testing.sinks.faults import SinkFaults
from sinkwell.testing.sinks.keys import SinkKeys
from sinkwell.testing.sinks.manners import SinkManners
from sinkwell.testing.sinks.presence import SinkPresence
from sinkwell.testing.sinks.shape import SinkShape


class SinkContract(  # pytest runs what is inherited from the last one first
    SinkShape, SinkManners, SinkFaults, SinkCapabilities, SinkKeys, SinkPresence, SinkBytes
):
    """All that Sinkwell asks of a sink, as tests.

    Give the fixtures ``section`` (the keys of ``[sinks.NAME]`` for a fresh, empty place, as users
    write them, secrets as they are), ``sink_type`` and ``destination``; and, where the sink cuts
    files into parts, ``part_size``.
    """
