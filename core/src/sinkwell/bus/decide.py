"""What follows from the outcome of a notification's attempt. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sinkwell.bus.model import (
    NotificationLease,
    NotificationSettlement,
    NotificationState,
    Trouble,
    notification_id,
)
from sinkwell.contract import Fact, GoneError
from sinkwell.contract.events import NotificationFailed
from sinkwell.delivery import decide
from sinkwell.delivery.model import Outcome
from sinkwell.delivery.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Terms:
    """How patient Sinkwell is with a notifier."""

    schedule: Schedule
    disable_after: float


def sent(
    lease: NotificationLease, terms: Terms, *, started_at: float, now: float
) -> NotificationSettlement:
    """Settle a notification that the notifier took."""
    return NotificationSettlement(
        lease=lease,
        state=NotificationState.SENT,
        due_at=None,
        attempts=lease.attempts + 1,
        started_at=started_at,
        ended_at=now,
        outcome=None,
        error=None,
        facts=(),
        disables=False,
        disable_after=terms.disable_after,
    )


def failed(
    lease: NotificationLease,
    error: Exception,
    terms: Terms,
    *,
    started_at: float,
    now: float,
    rng: random.Random,
) -> NotificationSettlement:
    """Settle an attempt that raised."""
    verdict = decide.judge(error, lease.attempts, now=now, schedule=terms.schedule, rng=rng)
    state = NotificationState(verdict.state.value)
    facts: list[Fact] = []
    # Two notifiers that reject everything would else tell each other of it for ever.
    if state.final and lease.event.type != NotificationFailed.TYPE:
        facts.append(
            NotificationFailed(
                notification_id=notification_id(lease.notifier, lease.event.position),
                notifier=lease.notifier,
                about_id=lease.event.id,
                about_type=lease.event.type,
                state="rejected" if state is NotificationState.REJECTED else "exhausted",
                attempt=verdict.attempts,
                error=verdict.error,
            )
        )
    return NotificationSettlement(
        lease=lease,
        state=state,
        due_at=verdict.due_at,
        attempts=verdict.attempts,
        started_at=started_at,
        ended_at=now,
        outcome=verdict.outcome,
        error=verdict.error,
        facts=tuple(facts),
        disables=isinstance(error, GoneError),
        disable_after=terms.disable_after,
    )


def failed_together(
    leases: Sequence[NotificationLease],
    error: Exception,
    terms: Terms,
    *,
    started_at: float,
    now: float,
    rng: random.Random,
) -> list[NotificationSettlement]:
    """Settle a call that raised; what is tried again is due together, as it was called together."""
    settlements = [
        failed(lease, error, terms, started_at=started_at, now=now, rng=rng) for lease in leases
    ]
    due_at = max((each.due_at or 0.0 for each in settlements), default=0.0)
    return [replace(each, due_at=None if each.due_at is None else due_at) for each in settlements]


def next_trouble(
    trouble: Trouble | None, settlements: Sequence[NotificationSettlement]
) -> Trouble | None:
    """Return what is to be remembered of a notifier after these attempts at it, in their order.

    A rejected event tells nothing of the notifier: it spoke to us.
    """
    for each in settlements:
        if trouble is not None and trouble.disabled_at is not None:
            return trouble
        if each.outcome in (None, Outcome.REJECTED):
            trouble = None
            continue
        since = trouble.failing_since if trouble else each.started_at
        reason = each.error or ""
        disabled_at = None
        if each.disables:
            disabled_at = each.ended_at
        elif each.ended_at - since >= each.disable_after:
            disabled_at = each.ended_at
            reason = f"nothing but failures for {_in_words(each.ended_at - since)}: {reason}"
        trouble = Trouble(since, disabled_at, reason)
    return trouble


def _in_words(seconds: float) -> str:
    days, hours = divmod(seconds / 3600, 24)
    return f"{days:.0f} days" if days else f"{hours:.1f} hours"
