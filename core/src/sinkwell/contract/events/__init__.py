"""The facts that Sinkwell announces. Each class is one event type; its docstring is its meaning.

A fact is written to the event log in the transaction that makes it true, so there is no state
without its event and no event without its state. Times are seconds since 1970.
"""

from collections.abc import Iterator

from sinkwell.contract.events.callbacks import (
    BatchFinished,
    CallbackDuplicate,
    CallbackMissing,
    CallbackNotice,
    CallbackProviderFailed,
    CallbackReceived,
    CallbackRefused,
    FetchAttemptFailed,
    FetchRetried,
)
from sinkwell.contract.events.envelope import Event
from sinkwell.contract.events.fact import Fact
from sinkwell.contract.events.files import (
    Delivered,
    DeliveryAttemptFailed,
    DeliveryCancelled,
    DeliveryExhausted,
    DeliveryFact,
    DeliveryRejected,
    DeliveryRetried,
    DeliveryStored,
    FileAccepted,
    FileFact,
    FileFailed,
    FileFinished,
    FileLink,
    FileQuarantined,
    FileRouted,
    FileUnrouted,
)
from sinkwell.contract.events.operation import (
    NotificationFailed,
    NotifierDisabled,
    NotifierEnabled,
    NotifierTest,
    SinkFailing,
    SinkMisbehaved,
    SinkPaused,
    SinkResumed,
    SinkStillPaused,
    SpoolLow,
)

__all__ = [
    "FACTS",
    "BatchFinished",
    "CallbackDuplicate",
    "CallbackMissing",
    "CallbackNotice",
    "CallbackProviderFailed",
    "CallbackReceived",
    "CallbackRefused",
    "Delivered",
    "DeliveryAttemptFailed",
    "DeliveryCancelled",
    "DeliveryExhausted",
    "DeliveryFact",
    "DeliveryRejected",
    "DeliveryRetried",
    "DeliveryStored",
    "Event",
    "Fact",
    "FetchAttemptFailed",
    "FetchRetried",
    "FileAccepted",
    "FileFact",
    "FileFailed",
    "FileFinished",
    "FileLink",
    "FileQuarantined",
    "FileRouted",
    "FileUnrouted",
    "NotificationFailed",
    "NotifierDisabled",
    "NotifierEnabled",
    "NotifierTest",
    "SinkFailing",
    "SinkMisbehaved",
    "SinkPaused",
    "SinkResumed",
    "SinkStillPaused",
    "SpoolLow",
]


def _types(of: type[Fact]) -> Iterator[type[Fact]]:
    for fact in of.__subclasses__():
        if hasattr(fact, "TYPE"):
            yield fact
        yield from _types(fact)


FACTS: dict[str, type[Fact]] = {fact.TYPE: fact for fact in _types(Fact)}
"""Every event type there is, by name."""
