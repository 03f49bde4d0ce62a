"""The facts that Sinkwell announces. Each class is one event type; its docstring is its meaning.

A fact is written to the event log in the transaction that makes it true, so there is no state
without its event and no event without its state.
"""

from typing import ClassVar

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says, beyond its envelope."""

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


class CallbackProviderFailed(Fact, frozen=True, kw_only=True):
    """The provider called back to say that it has no file."""

    TYPE = "callback.provider_failed"
    callback_id: str
    source: str
    provider_id: str
    provider_status: str


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


class FileAccepted(Fact, frozen=True, kw_only=True):
    """A file is durable and its deliveries are planned."""

    TYPE = "file.accepted"
    file_id: str
    callback_id: str
    source: str
    provider_id: str
    size: int
    sha256: str
    media_type: str
    sinks: tuple[str, ...]
    """Empty when no route takes the file: ``file.unrouted`` follows."""


class FileUnrouted(Fact, frozen=True, kw_only=True):
    """No route takes the file: it is kept in the spool, and delivered nowhere."""

    TYPE = "file.unrouted"
    file_id: str
    source: str
    provider_id: str


class FileRouted(Fact, frozen=True, kw_only=True):
    """A file that no route took was kept, and one takes it now: its deliveries are planned."""

    TYPE = "file.routed"
    file_id: str
    source: str
    provider_id: str
    sinks: tuple[str, ...]


class FileQuarantined(Fact, frozen=True, kw_only=True):
    """A file is kept and not delivered: it is not what it should be, in the way that is told."""

    TYPE = "file.quarantined"
    file_id: str
    reason: str


class FileFinished(Fact, frozen=True, kw_only=True):
    """Every delivery of the file is final and at least one is stored."""

    TYPE = "file.finished"
    file_id: str
    source: str
    provider_id: str
    stored: int
    failed: int


class FileFailed(Fact, frozen=True, kw_only=True):
    """Every delivery of the file is final and none is stored, or it could not be fetched.

    The spool keeps the file, or what is needed to fetch it.
    """

    TYPE = "file.failed"
    file_id: str
    source: str
    provider_id: str
    failed: int
    """How many deliveries failed: none where it could not be fetched."""
    error: str | None = None
    """Why it could not be fetched."""


class DeliveryStored(Fact, frozen=True, kw_only=True):
    """A sink gave a receipt for the file that agrees in size and digest."""

    TYPE = "delivery.stored"
    delivery_id: str
    file_id: str
    sink: str
    key: str
    location: str
    attempt: int


class DeliveryAttemptFailed(Fact, frozen=True, kw_only=True):
    """An attempt failed and another one is due."""

    TYPE = "delivery.attempt_failed"
    delivery_id: str
    file_id: str
    sink: str
    attempt: int
    error: str
    due_at: float
    """When the next attempt is due, in seconds since 1970."""


class DeliveryRejected(Fact, frozen=True, kw_only=True):
    """The sink will never take this file under this key."""

    TYPE = "delivery.rejected"
    delivery_id: str
    file_id: str
    sink: str
    key: str
    attempt: int
    error: str


class DeliveryExhausted(Fact, frozen=True, kw_only=True):
    """The last attempt of the schedule failed."""

    TYPE = "delivery.exhausted"
    delivery_id: str
    file_id: str
    sink: str
    key: str
    attempt: int
    error: str


class DeliveryRetried(Fact, frozen=True, kw_only=True):
    """Someone asked for a final delivery to be tried again."""

    TYPE = "delivery.retried"
    delivery_id: str
    file_id: str
    sink: str


class SinkPaused(Fact, frozen=True, kw_only=True):
    """A sink does not work; its deliveries wait while it is probed."""

    TYPE = "sink.paused"
    sink: str
    error: str


class SinkResumed(Fact, frozen=True, kw_only=True):
    """A paused sink works again."""

    TYPE = "sink.resumed"
    sink: str
    paused_for: float
    """Seconds."""


class SinkMisbehaved(Fact, frozen=True, kw_only=True):
    """A sink broke the contract: a foreign exception, or a receipt that does not agree."""

    TYPE = "sink.misbehaved"
    sink: str
    delivery_id: str
    error: str


FACTS: dict[str, type[Fact]] = {fact.TYPE: fact for fact in Fact.__subclasses__()}
"""Every event type there is, by name."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact with its envelope."""

    position: int
    """Place in the event log: 1, 2, 3 … without gaps."""
    id: str
    """Unique for ever; equal in every repeat of this event."""
    type: str
    at: float
    """When it became true, in seconds since 1970."""
    subject: str
    """Id of the callback, file or delivery, or name of the sink, that it is about."""
    data: Fact

    def as_dict(self) -> dict[str, object]:
        """Return the event as plain values, ready for JSON."""
        return {
            "position": self.position,
            "id": self.id,
            "type": self.type,
            "at": self.at,
            "subject": self.subject,
            "data": msgspec.to_builtins(self.data),
        }
