"""The facts that Sinkwell announces. Each class is one event type; its docstring is its meaning.

A fact is written to the event log in the transaction that makes it true, so there is no state
without its event and no event without its state. Times are seconds since 1970.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event says, beyond its envelope. Empty ``labels`` are left out."""

    TYPE: ClassVar[str]


class CallbackReceived(Fact, frozen=True, kw_only=True):
    """An authentic callback with at least one file was accepted and is durable."""

    TYPE = "callback.received"
    callback_id: str
    source: str
    provider_id: str


class CallbackDuplicate(Fact, frozen=True, kw_only=True):
    """A callback arrived that was accepted before: answered alike, nothing delivered again."""

    TYPE = "callback.duplicate"
    callback_id: str
    """The callback that was accepted."""
    source: str
    provider_id: str
    same_content: bool
    """False when the repeat carried other bytes; the first ones stand."""


class CallbackRefused(Fact, frozen=True, kw_only=True):
    """Callbacks were answered with an error of the sender's; nothing of them was kept.

    Refusals of one kind are counted, and told once a minute at most.
    """

    TYPE = "callback.refused"
    source: str
    problem: str
    """The last part of the problem's ``type``: ``not-authentic``, ``too-large`` …"""
    status: int
    detail: str
    """What the newest of them was told."""
    count: int


class CallbackProviderFailed(Fact, frozen=True, kw_only=True):
    """The provider called back to say that it has no file."""

    TYPE = "callback.provider_failed"
    callback_id: str
    source: str
    provider_id: str
    provider_status: str


class CallbackMissing(Fact, frozen=True, kw_only=True):
    """A callback that was expected did not come in time."""

    TYPE = "callback.missing"
    source: str
    provider_id: str
    """Of the capture; empty when the source as a whole is silent."""
    waited: float
    """Seconds since the last callback, or since the capture was asked for."""


class CallbackNotice(Fact, frozen=True, kw_only=True):
    """The provider called back with news that bring no file, such as the end of a batch."""

    TYPE = "callback.notice"
    callback_id: str
    source: str
    provider_id: str
    provider_status: str
    labels: dict[str, str]


class FetchAttemptFailed(Fact, frozen=True, kw_only=True):
    """A file that a callback points to could not be fetched; another attempt is due."""

    TYPE = "fetch.attempt_failed"
    file_id: str
    source: str
    attempt: int
    error: str
    due_at: float
    """When the next attempt is due, in seconds since 1970."""


class FetchRetried(Fact, frozen=True, kw_only=True):
    """A file that could not be fetched is tried again, by request or as its link was renewed."""

    TYPE = "fetch.retried"
    file_id: str
    source: str


class _OfFile(Fact, frozen=True, kw_only=True):
    file_id: str
    source: str
    provider_id: str
    labels: Mapping[str, str] = {}


class FileAccepted(_OfFile, frozen=True, kw_only=True):
    """A file is durable and its deliveries are planned."""

    TYPE = "file.accepted"
    callback_id: str
    size: int
    sha256: str
    media_type: str
    sinks: tuple[str, ...]
    """Empty when no route takes the file: ``file.unrouted`` follows."""


class FileUnrouted(_OfFile, frozen=True, kw_only=True):
    """No route takes the file: it is kept in the spool, and delivered nowhere."""

    TYPE = "file.unrouted"


class FileRouted(_OfFile, frozen=True, kw_only=True):
    """A file that no route took was kept, and one takes it now: its deliveries are planned."""

    TYPE = "file.routed"
    sinks: tuple[str, ...]


class FileQuarantined(_OfFile, frozen=True, kw_only=True):
    """A file is kept and not delivered: it is not what it should be, in the way that is told."""

    TYPE = "file.quarantined"
    reason: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """How one delivery of a file ended."""

    sink: str
    state: Literal["stored", "rejected", "exhausted", "cancelled"]
    key: str
    location: str | None
    """Where the sink has it, as a URI; None unless it is stored."""


class FileFinished(_OfFile, frozen=True, kw_only=True):
    """Every delivery of the file is final and at least one is stored."""

    TYPE = "file.finished"
    stored: int
    failed: int
    deliveries: tuple[Delivered, ...]


class FileFailed(_OfFile, frozen=True, kw_only=True):
    """Every delivery of the file is final and none is stored, or it could not be fetched.

    The spool keeps the file, or what is needed to fetch it.
    """

    TYPE = "file.failed"
    failed: int
    """How many deliveries failed: none where it could not be fetched."""
    deliveries: tuple[Delivered, ...]
    error: str | None = None
    """Why it could not be fetched."""


class _OfDelivery(_OfFile, frozen=True, kw_only=True):
    delivery_id: str
    sink: str
    key: str
    attempt: int
    """How many attempts have counted so far."""


class DeliveryStored(_OfDelivery, frozen=True, kw_only=True):
    """A sink gave a receipt for the file that agrees in size and digest."""

    TYPE = "delivery.stored"
    location: str


class DeliveryAttemptFailed(_OfDelivery, frozen=True, kw_only=True):
    """An attempt failed and another one is due."""

    TYPE = "delivery.attempt_failed"
    error: str
    due_at: float
    """When the next attempt is due."""


class DeliveryRejected(_OfDelivery, frozen=True, kw_only=True):
    """The sink will never take this file under this key."""

    TYPE = "delivery.rejected"
    error: str


class DeliveryExhausted(_OfDelivery, frozen=True, kw_only=True):
    """The last attempt of the schedule failed."""

    TYPE = "delivery.exhausted"
    error: str


class DeliveryCancelled(_OfDelivery, frozen=True, kw_only=True):
    """Someone gave the delivery up."""

    TYPE = "delivery.cancelled"


class DeliveryRetried(_OfDelivery, frozen=True, kw_only=True):
    """Someone asked for a final delivery to be tried again."""

    TYPE = "delivery.retried"


class SinkPaused(Fact, frozen=True, kw_only=True):
    """A sink does not work; its deliveries wait while it is probed."""

    TYPE = "sink.paused"
    sink: str
    error: str


class SinkStillPaused(Fact, frozen=True, kw_only=True):
    """A sink has been paused for longer than ``[alerts] sink_paused``; told once a pause."""

    TYPE = "sink.still_paused"
    sink: str
    paused_for: float
    """Seconds."""
    error: str


class SinkResumed(Fact, frozen=True, kw_only=True):
    """A paused sink works again."""

    TYPE = "sink.resumed"
    sink: str
    paused_for: float
    """Seconds."""


class SinkFailing(Fact, frozen=True, kw_only=True):
    """Attempts at a sink failed one after the other, with no success between.

    Told at 50, 70, 90 and 100 percent of ``[alerts] failures``.
    """

    TYPE = "sink.failing"
    sink: str
    failures: int
    percent: int
    error: str
    """What the newest of them failed with."""


class SinkMisbehaved(Fact, frozen=True, kw_only=True):
    """A sink broke the contract: a foreign exception, or a receipt that does not agree."""

    TYPE = "sink.misbehaved"
    sink: str
    delivery_id: str
    error: str


class SpoolLow(Fact, frozen=True, kw_only=True):
    """The spool is fuller than ``[alerts] spool_full``; told again once it was emptier."""

    TYPE = "spool.low"
    used: int
    """Bytes that waiting files take."""
    free: int
    """Bytes that may still come before callbacks are answered 503."""


class NotificationFailed(Fact, frozen=True, kw_only=True):
    """A notifier will not be told of an event: it rejects it, or the last attempt failed.

    There is none of a notification that was itself about a ``notification.failed``.
    """

    TYPE = "notification.failed"
    notification_id: str
    notifier: str
    about_id: str
    """The event that is not told."""
    about_type: str
    state: Literal["rejected", "exhausted"]
    attempt: int
    error: str


class NotifierDisabled(Fact, frozen=True, kw_only=True):
    """A notifier is told nothing more until someone enables it; its notifications wait."""

    TYPE = "notifier.disabled"
    notifier: str
    reason: str


class NotifierEnabled(Fact, frozen=True, kw_only=True):
    """Someone enabled a notifier that was disabled."""

    TYPE = "notifier.enabled"
    notifier: str


class NotifierTest(Fact, frozen=True, kw_only=True):
    """Someone asks whether a notifier works. Told to that one alone; it is not in the log."""

    TYPE = "notifier.test"
    notifier: str


class BatchFinished(Fact, frozen=True, kw_only=True):
    """Every capture of a batch was called back for, failed, or is overdue."""

    TYPE = "batch.finished"
    batch_id: str
    source: str
    received: int
    failed: int
    missing: int


def _types(of: type[Fact]) -> Iterator[type[Fact]]:
    for fact in of.__subclasses__():
        if hasattr(fact, "TYPE"):
            yield fact
        yield from _types(fact)


FACTS: dict[str, type[Fact]] = {fact.TYPE: fact for fact in _types(Fact)}
"""Every event type there is, by name."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with its envelope."""

    position: int
    """Place in the event log: 1, 2, 3 … without gaps; 0 for an event that is not in the log."""
    id: str
    """Unique for ever; equal in every repeat of this event."""
    type: str
    time: float
    """When it became true, in seconds since 1970."""
    subject: str
    """Id of the callback, file or batch, or name of the sink, source or notifier, that it is
    about."""
    data: Fact

    def as_dict(self) -> dict[str, object]:
        """Return the event as plain values, ready for JSON."""
        return {
            "position": self.position,
            "id": self.id,
            "type": self.type,
            "time": self.time,
            "subject": self.subject,
            "data": msgspec.to_builtins(self.data),
        }

    def as_cloudevent(self) -> dict[str, object]:
        """Return the event as a CloudEvent 1.0, in the structured form of JSON.

        ``sequence`` is the position, in digits that sort as text (the extension "Sequence").
        """
        time = dt.datetime.fromtimestamp(self.time, dt.UTC).isoformat(timespec="milliseconds")
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": "/sinkwell",
            "type": f"dev.sinkwell.{self.type}",
            "time": time.replace("+00:00", "Z"),
            "subject": self.subject,
            "sequence": f"{self.position:020d}",
            "datacontenttype": "application/json",
            "data": msgspec.to_builtins(self.data),
        }
