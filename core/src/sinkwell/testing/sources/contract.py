"""The conformance kit for sources: subclass :class:`SourceContract` and give three fixtures."""

from sinkwell.testing.sources.meaning import SourceMeaning
from sinkwell.testing.sources.proofs import SourceProofs
from sinkwell.testing.sources.shape import SourceShape


class SourceContract(SourceProofs, SourceMeaning, SourceShape):
    """All that Sinkwell asks of a source, as tests.

    Give the fixtures ``source_type``, ``section`` (as users write it, its secrets as they are) and
    ``provider``. Requests go through the core's own reading of callbacks.
    """
