"""The notifications of a ledger as the rest of Sinkwell sees them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection

from sinkwell.bus.model import (
    NotificationClaim,
    NotificationClaims,
    NotificationLease,
    NotificationSettlement,
    Plan,
    Trouble,
)
from sinkwell.clock import Clock
from sinkwell.ledger import notified, notifying, outcomes
from sinkwell.ledger.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

_SHORT_PATIENCE = 0.005
"""How long, in seconds, an idle worker may wait for a commit to share."""
_PATIENCE = 0.02
"""How long, in seconds, what nobody waits for may wait for a commit to share."""


class Read(Protocol):
    """Runs a query on a reading connection, in a thread."""

    def __call__(
        self, query: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]: ...


class LedgerOutbox:
    """The ``Outbox`` of the bus, and what people ask of notifications."""

    def __init__(self, writer: Writer, read: Read, clock: Clock) -> None:
        self._writer = writer
        self._read = read
        self._clock = clock

    async def plan(self, plan: Plan) -> None:
        """Write notifications and cursors at once."""
        await self._writer.write(notifying.plan, plan, patience=_PATIENCE)

    async def claim(self, claim: NotificationClaim) -> NotificationClaims:
        """Lease notifications that are due, the longest due first."""
        return await self._writer.write(notifying.claim, claim, patience=_SHORT_PATIENCE)

    async def settle(self, settlements: Sequence[NotificationSettlement]) -> Sequence[bool]:
        """Write outcomes whose lease still holds, and tell which those were."""
        return await self._writer.write(outcomes.settle, settlements, patience=_PATIENCE)

    async def hand_back(self, leases: Sequence[NotificationLease]) -> None:
        """End leases as if they had never been."""
        handed = (leases, self._clock.now())
        await self._writer.write(notifying.hand_back, handed, patience=_PATIENCE)

    async def take_over(self, longest_wait: float) -> None:
        """End the leases of the process before, whose place this one takes."""
        await self._writer.write(notified.take_over, (self._clock.now(), longest_wait))

    async def troubles(self) -> Mapping[str, Trouble]:
        """Return what is remembered of notifiers that do not work, by name."""
        return await self._read(notified.find_troubles)

    async def enable(self, notifier: str) -> bool:
        """Enable a notifier, and tell whether it was disabled."""
        return await self._writer.write(notified.enable, (notifier, self._clock.now()))

    async def replay(self, wanted: notified.NotificationFilter) -> int:
        """Make final notifications due again, and tell how many."""
        return await self._writer.write(notified.replay, (wanted, self._clock.now()))

    async def forget_events(
        self, older_than: float, most: int, notifiers: Sequence[str]
    ) -> tuple[int, int]:
        """Remove events older than so many seconds, but none that these notifiers still need.

        Return how many events went, and how many notifications of theirs were still open.
        """
        wanted = notified.Forgetting(self._clock.now() - older_than, most, notifiers)
        return await self._writer.write(notified.forget_events, wanted, patience=_PATIENCE)

    async def list_notifications(
        self, wanted: notified.NotificationFilter
    ) -> list[notified.NotificationView]:
        """Return notifications, the newest event first."""
        return await self._read(notified.list_notifications, wanted)

    async def list_attempts(
        self, notifier: str, position: int
    ) -> list[notified.NotificationAttemptView]:
        """Return the tries of a notification, the first one first."""
        return await self._read(notified.list_attempts, notifier, position)

    async def count_states(self) -> Sequence[tuple[str, str, int]]:
        """Return notifier, state and number of notifications for each pair that occurs."""
        return await self._read(notified.count_states)
