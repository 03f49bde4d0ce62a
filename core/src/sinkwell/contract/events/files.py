"""Files and their deliveries."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from sinkwell.contract.events.fact import Fact


class FileLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link by which anyone can download a file for a while. It is as good as a password."""

    url: str
    expires_at: float
    """When it stops working, in seconds since 1970."""


class FileFact(Fact, frozen=True, kw_only=True):
    """What happened to a file."""

    file_id: str
    source: str
    provider_id: str
    labels: Mapping[str, str] = {}
    link: FileLink | None = None
    """For a notifier whose ``links`` ask for one, made anew for each attempt; never in the log."""


class FileAccepted(FileFact, frozen=True, kw_only=True):
    """A file is durable and its deliveries are planned."""

    TYPE = "file.accepted"
    callback_id: str
    size: int
    sha256: str
    media_type: str
    sinks: tuple[str, ...]
    """Empty when no route takes the file: ``file.unrouted`` follows."""


class FileUnrouted(FileFact, frozen=True, kw_only=True):
    """No route takes the file: it is kept in the spool, and delivered nowhere."""

    TYPE = "file.unrouted"


class FileRouted(FileFact, frozen=True, kw_only=True):
    """A file that no route took was kept, and one takes it now: its deliveries are planned."""

    TYPE = "file.routed"
    sinks: tuple[str, ...]


class FileQuarantined(FileFact, frozen=True, kw_only=True):
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


class FileFinished(FileFact, frozen=True, kw_only=True):
    """Every delivery of the file is final and at least one is stored."""

    TYPE = "file.finished"
    stored: int
    failed: int
    deliveries: tuple[Delivered, ...]


class FileFailed(FileFact, frozen=True, kw_only=True):
    """Every delivery of the file is final and none is stored, or it could not be fetched.

    The spool keeps the file, or what is needed to fetch it.
    """

    TYPE = "file.failed"
    failed: int
    """How many deliveries failed: none where it could not be fetched."""
    deliveries: tuple[Delivered, ...]
    error: str | None = None
    """Why it could not be fetched."""


class DeliveryFact(FileFact, frozen=True, kw_only=True):
    """What happened to a delivery."""

    delivery_id: str
    sink: str
    key: str
    attempt: int
    """How many attempts have counted so far."""


class DeliveryStored(DeliveryFact, frozen=True, kw_only=True):
    """A sink gave a receipt for the file that agrees in size and digest."""

    TYPE = "delivery.stored"
    location: str


class DeliveryAttemptFailed(DeliveryFact, frozen=True, kw_only=True):
    """An attempt failed and another one is due."""

    TYPE = "delivery.attempt_failed"
    error: str
    due_at: float
    """When the next attempt is due."""


class DeliveryRejected(DeliveryFact, frozen=True, kw_only=True):
    """The sink will never take this file under this key."""

    TYPE = "delivery.rejected"
    error: str


class DeliveryExhausted(DeliveryFact, frozen=True, kw_only=True):
    """The last attempt of the schedule failed."""

    TYPE = "delivery.exhausted"
    error: str


class DeliveryCancelled(DeliveryFact, frozen=True, kw_only=True):
    """Someone gave the delivery up."""

    TYPE = "delivery.cancelled"


class DeliveryRetried(DeliveryFact, frozen=True, kw_only=True):
    """Someone asked for a final delivery to be tried again."""

    TYPE = "delivery.retried"
