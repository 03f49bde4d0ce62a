"""What passes between the fetcher and the ledger. A fetch is a delivery in miniature.

::

    pending ──claim──▶ leased ──┬─▶ fetched    the bytes are in the spool, deliveries planned
       ▲                        └─▶ failed     the last try failed, or none can succeed
       └── later, handed back, retried, its link renewed

Leases and epochs are as with deliveries.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sinkwell.contract import TransientError
from sinkwell.delivery.model import Attempt, Outcome
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.intake.manifest import Manifest
from sinkwell.intake.refusals import Refusal

_SHORTEST_WAIT = 1.0
_BEFORE_EXPIRY = 10.0


class FetchState(StrEnum):
    """Where a fetch stands."""

    PENDING = "pending"
    LEASED = "leased"
    FETCHED = "fetched"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FetchLease:
    """A fetch that the fetcher may work on for as long as it asked."""

    file_id: str
    source: str
    url: str = field(repr=False)
    expires_at: float | None
    epoch: int
    attempts: int
    """Attempts that counted so far."""
    interrupted: bool
    """Whether the last attempt began and was never heard of again."""


@dataclass(frozen=True, slots=True)
class FetchClaims:
    """The answer to a claim."""

    leases: tuple[FetchLease, ...]
    next_due: float | None
    """When more could be claimed, where fewer were found than asked for."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file whose bytes are durable in the spool now, with its deliveries."""

    lease: FetchLease
    manifest: Manifest
    planned: tuple[PlannedDelivery, ...]
    attempt: Attempt
    leases: Mapping[str, float] = field(default_factory=dict)
    """As in ``Acceptance``."""


@dataclass(frozen=True, slots=True)
class Unfetched:
    """A failed attempt, and what follows: another one, or none where ``due_at`` is None."""

    lease: FetchLease
    provider_id: str
    attempt: Attempt
    attempts: int
    due_at: float | None


def unfetched(
    lease: FetchLease,
    error: Exception,
    *,
    provider_id: str,
    started_at: float,
    now: float,
    policy: RetryPolicy,
    rng: random.Random,
) -> Unfetched:
    """Say what follows from a failed attempt.

    No room in the spool takes no attempt from a fetch. A link that expires is tried once more
    shortly before it does, rather than after.
    """

    def result(outcome: Outcome, attempts: int, due_at: float | None) -> Unfetched:
        attempt = Attempt(started_at, now, outcome, _told(error, lease, now), 0)
        return Unfetched(lease, provider_id, attempt, attempts, due_at)

    if isinstance(error, Refusal) and error.retry_after is not None:
        wait = error.retry_after
        return result(Outcome.UNUSABLE, lease.attempts, now + wait)
    attempts = lease.attempts + 1
    if not isinstance(error, TransientError):
        return result(Outcome.REJECTED, attempts, None)
    if attempts >= policy.attempts or _expired(lease, now):
        return result(Outcome.TRANSIENT, attempts, None)
    due_at = now + policy.wait(attempts, error.retry_after, rng)
    if lease.expires_at is not None and due_at > lease.expires_at:
        due_at = max(now + _SHORTEST_WAIT, lease.expires_at - _BEFORE_EXPIRY)
    return result(Outcome.TRANSIENT, attempts, due_at)


def _expired(lease: FetchLease, now: float) -> bool:
    return lease.expires_at is not None and now >= lease.expires_at - _SHORTEST_WAIT


def _told(error: Exception, lease: FetchLease, now: float) -> str:
    if isinstance(error, TransientError) and _expired(lease, now):
        return f"{error}; by now the link has expired, and only a new callback brings another"
    return str(error)


class FetchQueue(Protocol):
    """The ledger, as the fetcher sees it. What it returns is durable."""

    async def claim_fetches(self, source: str, *, limit: int, lease_for: float) -> FetchClaims:
        """Lease fetches of a source that are due, the longest due first."""
        ...

    async def record_fetched(self, fetched: Fetched) -> bool:
        """Write file, deliveries and events at once. False when the lease had run out."""
        ...

    async def record_unfetched(self, unfetched: Unfetched) -> bool:
        """Write a failed attempt. False when the lease had run out."""
        ...

    async def hand_back_fetch(self, lease: FetchLease) -> None:
        """End a lease as if it had never been: due at once, no attempt lost."""
        ...

    async def lose_file(self, file_id: str, reason: str) -> None:
        """Make visible that the spool's reference to a file is gone or damaged."""
        ...
