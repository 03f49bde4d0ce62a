"""What intake asks of the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.intake.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A callback whose files, or references to them, are durable in the spool."""

    callback_id: str
    source: str
    provider_id: str
    provider_status: str
    deduplication_key: str | None
    received_at: float
    files: tuple[tuple[Manifest, tuple[PlannedDelivery, ...]], ...]
    """Each with its deliveries; a reference has none until it was fetched."""
    leases: Mapping[str, float] = field(default_factory=dict)
    """Deliveries that a worker holds a slot for, by id, with the time it needs, in seconds: they
    are recorded as leased, which saves a claim."""


@dataclass(frozen=True, slots=True)
class ProviderFailure:
    """A callback in which the provider says that it has no file."""

    callback_id: str
    source: str
    provider_id: str
    provider_status: str
    deduplication_key: str | None
    received_at: float


@dataclass(frozen=True, slots=True)
class Notice:
    """A callback that brings no file and reports no failure, such as the end of a batch."""

    callback_id: str
    source: str
    provider_id: str
    provider_status: str
    deduplication_key: str | None
    received_at: float
    labels: Mapping[str, str]
    finished_batch: str | None = None
    """Id of the batch whose end it tells."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger made of a callback."""

    callback_id: str
    """The callback that stands: for a repeat, the first one's id."""
    duplicate: bool


class Journal(Protocol):
    """The ledger, as intake sees it. What it returns is durable."""

    async def record_acceptance(self, acceptance: Acceptance) -> Recorded:
        """Write callback, files, deliveries and events at once, or find that it is a repeat."""
        ...

    async def record_failure(self, failure: ProviderFailure) -> Recorded:
        """Write that the provider failed, or find that it said so before."""
        ...

    async def record_notice(self, notice: Notice) -> Recorded:
        """Write what the provider said, or find that it said so before."""
        ...
