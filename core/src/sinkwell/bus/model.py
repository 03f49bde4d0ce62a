"""The states of a notification and what passes between the bus and the ledger.

A notification is one event to one notifier: a delivery in miniature.

::

    pending ──claim──▶ leased ──┬─▶ sent        the notifier took the event
       ▲                        ├─▶ rejected    this event never there
       ├── later, handed back ──┤
       │                        └─▶ exhausted   the last try failed
       └─────── replay ── any final state
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sinkwell.contract import Event, Fact, NotifierBatch
from sinkwell.delivery.model import Outcome


class NotificationState(StrEnum):
    """Where a notification stands."""

    PENDING = "pending"
    LEASED = "leased"
    SENT = "sent"
    REJECTED = "rejected"
    EXHAUSTED = "exhausted"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (NotificationState.PENDING, NotificationState.LEASED)


def notification_id(notifier: str, position: int) -> str:
    """Return the id of a notification: there is one of each event for each notifier."""
    return f"{notifier}:{position}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Notifications of events that follow the cursors, and how far these then are."""

    notifications: Sequence[tuple[str, Event]]
    cursors: Mapping[str, int]
    now: float


@dataclass(frozen=True, slots=True)
class NotificationClaim:
    """What the worker of a notifier asks for."""

    notifier: str
    now: float
    limit: int
    lease_for: float
    ordered: bool
    batch: NotifierBatch | None
    """With it, either one whole batch is leased or nothing."""


@dataclass(frozen=True, slots=True)
class NotificationLease:
    """A notification that a worker may work on for as long as it asked."""

    notifier: str
    epoch: int
    attempts: int
    """Attempts that counted so far."""
    interrupted: bool
    """Whether the last attempt began and was never heard of again."""
    event: Event


@dataclass(frozen=True, slots=True)
class NotificationClaims:
    """The answer to a claim."""

    leases: tuple[NotificationLease, ...]
    next_due: float | None
    """When more could be claimed, where fewer were found than asked for."""


@dataclass(frozen=True, slots=True)
class NotificationSettlement:
    """What a try makes of a notification: its next state, its record and its events."""

    lease: NotificationLease
    state: NotificationState
    due_at: float | None
    attempts: int
    started_at: float
    ended_at: float
    outcome: Outcome | None
    """None when the notifier took the event."""
    error: str | None
    facts: tuple[Fact, ...]
    disables: bool
    """Whether the notifier said that it is gone."""
    disable_after: float
    """After how long a time of nothing but failures the notifier is told no more."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What the ledger remembers of a notifier that does not work."""

    failing_since: float
    disabled_at: float | None
    reason: str


class Outbox(Protocol):
    """The ledger, as the bus sees it. What it returns is durable."""

    async def plan(self, plan: Plan) -> None:
        """Write notifications and cursors at once."""
        ...

    async def claim(self, claim: NotificationClaim) -> NotificationClaims:
        """Lease notifications that are due, the longest due first."""
        ...

    async def settle(self, settlements: Sequence[NotificationSettlement]) -> Sequence[bool]:
        """Write outcomes whose lease still holds, and tell which those were."""
        ...

    async def hand_back(self, leases: Sequence[NotificationLease]) -> None:
        """End leases as if they had never been: due at once, no attempt lost."""
        ...

    async def forget_events(
        self, older_than: float, most: int, notifiers: Sequence[str]
    ) -> tuple[int, int]:
        """Remove events older than so many seconds, but none that these notifiers still need.

        Return how many events went, and how many notifications of theirs were still open.
        """
        ...

    async def troubles(self) -> Mapping[str, Trouble]:
        """Return what is remembered of notifiers that do not work, by name."""
        ...
