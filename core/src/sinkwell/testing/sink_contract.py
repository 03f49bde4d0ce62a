"""The conformance kit for sinks: subclass :class:`SinkContract` and give three fixtures."""

from sinkwell.testing.sink_bytes import SinkBytes
from sinkwell.testing.sink_capabilities import SinkCapabilities
from sinkwell.testing.sink_faults import SinkFaults
from sinkwell.testing.sink_keys import SinkKeys
from sinkwell.testing.sink_manners import SinkManners
from sinkwell.testing.sink_presence import SinkPresence
from sinkwell.testing.sink_shape import SinkShape


class SinkContract(  # pytest runs what is inherited from the last one first
    SinkShape, SinkManners, SinkFaults, SinkCapabilities, SinkKeys, SinkPresence, SinkBytes
):
    """All that Sinkwell asks of a sink, as tests.

    Give the fixtures ``section`` (the keys of ``[sinks.NAME]`` for a fresh, empty place, as users
    write them, secrets as they are), ``sink_type`` and ``destination``; and, where the sink cuts
    files into parts, ``part_size``.
    """
