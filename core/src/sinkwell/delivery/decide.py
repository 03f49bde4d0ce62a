"""What follows from the outcome of an attempt. Pure: time and chance come as arguments."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sinkwell.contract import Fact, Receipt, RejectedError, SinkError, TransientError, UnusableError
from sinkwell.contract.events import (
    Delivered,
    DeliveryAttemptFailed,
    DeliveryExhausted,
    DeliveryRejected,
    DeliveryStored,
    FileFailed,
    FileFinished,
    SinkMisbehaved,
)
from sinkwell.delivery.model import Attempt, Lease, Outcome, Settlement, Standing, State
from sinkwell.delivery.schedule import Schedule
from sinkwell.masking import without_signatures


class ReceiptError(Exception):
    """A receipt does not agree with the file: the sink's fault."""


def verify_receipt(lease: Lease, receipt: Receipt) -> None:
    """Raise ``ReceiptError`` unless the receipt is for this file under this key."""
    for what, expected, found in (
        ("size", lease.file.size, receipt.size),
        ("sha256", lease.file.sha256, receipt.sha256),
        ("key", lease.key, receipt.key),
    ):
        if expected != found:
            raise ReceiptError(f"its receipt says {what} {found}; the file has {expected}")


def refuse_endless_interruption(*, interrupted: bool, attempts: int, schedule: Schedule) -> None:
    """Raise ``TransientError`` when the last attempt of the schedule never ended.

    What ends the process each time it is tried must not be tried for ever.
    """
    if interrupted and attempts >= schedule.attempts:
        raise TransientError("the process ended in the middle of the last attempt")


def stored(lease: Lease, receipt: Receipt, *, started_at: float, now: float) -> Settlement:
    """Settle a put that gave a good receipt."""
    fact = DeliveryStored(**_named(lease, lease.attempts + 1), location=receipt.location)
    return Settlement(
        lease=lease,
        state=State.STORED,
        due_at=None,
        attempts=lease.attempts + 1,
        attempt=Attempt(started_at, now, Outcome.STORED, None, receipt.size),
        location=receipt.location,
        facts=(fact,),
    )


def failed(
    lease: Lease,
    error: Exception,
    *,
    started_at: float,
    now: float,
    schedule: Schedule,
    rng: random.Random,
) -> Settlement:
    """Settle an attempt that raised."""
    verdict = judge(error, lease.attempts, now=now, schedule=schedule, rng=rng)
    facts: list[Fact] = []
    if verdict.outcome is Outcome.MISBEHAVED:
        facts.append(
            SinkMisbehaved(sink=lease.sink, delivery_id=lease.delivery_id, error=verdict.error)
        )
    named = {**_named(lease, verdict.attempts), "error": verdict.error}
    if verdict.state is State.REJECTED:
        facts.append(DeliveryRejected(**named))
    elif verdict.state is State.EXHAUSTED:
        facts.append(DeliveryExhausted(**named))
    elif verdict.due_at is not None and verdict.outcome is not Outcome.UNUSABLE:
        facts.append(DeliveryAttemptFailed(**named, due_at=verdict.due_at))
    return Settlement(
        lease=lease,
        state=verdict.state,
        due_at=verdict.due_at,
        attempts=verdict.attempts,
        attempt=Attempt(started_at, now, verdict.outcome, verdict.error, 0),
        location=None,
        facts=tuple(facts),
    )


def _named(lease: Lease, attempts: int) -> dict[str, Any]:
    """Return what every event of a delivery says."""
    return {
        "delivery_id": lease.delivery_id,
        "file_id": lease.file.file_id,
        "source": lease.file.source,
        "provider_id": lease.file.provider_id,
        "labels": lease.file.labels,
        "sink": lease.sink,
        "key": lease.key,
        "attempt": attempts,
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a failed attempt leads to, be it of a delivery or of a notification."""

    outcome: Outcome
    error: str
    state: State
    """Pending, rejected or exhausted."""
    due_at: float | None
    attempts: int
    """Attempts that have counted, this one included if it does."""


def judge(
    error: Exception, attempts: int, *, now: float, schedule: Schedule, rng: random.Random
) -> Verdict:
    """Decide what follows from an attempt that raised, after ``attempts`` that counted.

    What is unusable takes no attempt: deliveries wait for their sink. A foreign exception is the
    plugin's bug, told as such and tried again like a transient error.
    """
    outcome, text = classify(error)
    if outcome is Outcome.UNUSABLE:
        return Verdict(outcome, text, State.PENDING, now, attempts)
    count = attempts + 1
    if outcome is Outcome.REJECTED:
        return Verdict(outcome, text, State.REJECTED, None, count)
    if count >= schedule.attempts:
        return Verdict(outcome, text, State.EXHAUSTED, None, count)
    retry_after = error.retry_after if isinstance(error, TransientError) else None
    due_at = now + schedule.wait(count, retry_after, rng)
    return Verdict(outcome, text, State.PENDING, due_at, count)


def classify(error: Exception) -> tuple[Outcome, str]:
    """Tell what kind of failure an exception is, and what to say of it."""
    outcome, text = _classified(error)
    return outcome, without_signatures(text)


def _classified(error: Exception) -> tuple[Outcome, str]:
    match error:
        case TransientError():
            return Outcome.TRANSIENT, str(error)
        case RejectedError():
            return Outcome.REJECTED, str(error)
        case UnusableError():
            return Outcome.UNUSABLE, str(error)
        case ReceiptError():
            return Outcome.MISBEHAVED, str(error)
        case SinkError():
            return Outcome.MISBEHAVED, f"it raised a bare SinkError: {error}"
        case _:
            # Not the text of a foreign exception: it may hold a secret of the sink's.
            return Outcome.MISBEHAVED, f"it raised {type(error).__name__}, which is no SinkError"


def file_outcome(
    file_id: str,
    source: str,
    provider_id: str,
    labels: Mapping[str, str],
    standings: Sequence[Standing],
) -> FileFinished | FileFailed | None:
    """Return the event of a file whose deliveries are all final, None while one is not."""
    if not all(each.state.final for each in standings):
        return None
    deliveries = tuple(
        Delivered(
            sink=each.sink,
            state=cast("Any", each.state.value),  # final, as said above
            key=each.key,
            location=each.location,
        )
        for each in sorted(standings)
    )
    stored = sum(each.state is State.STORED for each in standings)
    named: dict[str, Any] = {
        "file_id": file_id,
        "source": source,
        "provider_id": provider_id,
        "labels": labels,
        "failed": len(standings) - stored,
        "deliveries": deliveries,
    }
    return FileFinished(**named, stored=stored) if stored else FileFailed(**named)
