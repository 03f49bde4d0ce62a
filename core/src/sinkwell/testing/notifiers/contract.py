"""The conformance kit for notifiers: subclass :class:`NotifierContract`, give three fixtures."""

from sinkwell.testing.notifiers.faults import NotifierFaults
from sinkwell.testing.notifiers.telling import NotifierTelling


class NotifierContract(NotifierTelling, NotifierFaults):
    """All that Sinkwell asks of a notifier, as tests.

    Give the fixtures ``notifier_type``, ``section`` (as users write it, its secrets as they are)
    and ``receiver``.
    """
