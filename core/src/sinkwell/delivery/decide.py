"""What follows from the outcome of an attempt. Pure: time and chance come as arguments."""

import random
from collections.abc import Mapping

from sinkwell.contract import Fact, Receipt, RejectedError, SinkError, TransientError, UnusableError
from sinkwell.contract.events import (
    DeliveryAttemptFailed,
    DeliveryExhausted,
    DeliveryRejected,
    DeliveryStored,
    FileFailed,
    FileFinished,
    SinkMisbehaved,
)
from sinkwell.delivery.model import Attempt, Lease, Outcome, Settlement, State
from sinkwell.delivery.schedule import RetryPolicy


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


def refuse_endless_interruption(lease: Lease, policy: RetryPolicy) -> None:
    """Raise ``TransientError`` when the last attempt of the schedule never ended.

    A file that ends the process each time it is put must not be put for ever.
    """
    if lease.interrupted and lease.attempts >= policy.attempts:
        raise TransientError("the process ended in the middle of the last attempt")


def stored(lease: Lease, receipt: Receipt, *, started_at: float, now: float) -> Settlement:
    """Settle a put that gave a good receipt."""
    fact = DeliveryStored(
        delivery_id=lease.delivery_id,
        file_id=lease.file.file_id,
        sink=lease.sink,
        key=lease.key,
        location=receipt.location,
        attempt=lease.attempts + 1,
    )
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
    policy: RetryPolicy,
    rng: random.Random,
) -> Settlement:
    """Settle an attempt that raised.

    An unusable sink takes no attempt from its deliveries: they wait for it. A foreign exception
    is the plugin's bug, told as such and tried again like a transient error.
    """
    outcome, text = classify(error)
    attempt = Attempt(started_at, now, outcome, text, 0)
    if outcome is Outcome.UNUSABLE:
        return Settlement(lease, State.PENDING, now, lease.attempts, attempt, None, ())
    facts: list[Fact] = []
    if outcome is Outcome.MISBEHAVED:
        facts.append(SinkMisbehaved(sink=lease.sink, delivery_id=lease.delivery_id, error=text))
    count = lease.attempts + 1
    named = {"delivery_id": lease.delivery_id, "file_id": lease.file.file_id, "sink": lease.sink}
    if outcome is Outcome.REJECTED:
        facts.append(DeliveryRejected(**named, key=lease.key, attempt=count, error=text))
        return Settlement(lease, State.REJECTED, None, count, attempt, None, tuple(facts))
    if count >= policy.attempts:
        facts.append(DeliveryExhausted(**named, key=lease.key, attempt=count, error=text))
        return Settlement(lease, State.EXHAUSTED, None, count, attempt, None, tuple(facts))
    retry_after = error.retry_after if isinstance(error, TransientError) else None
    due_at = now + policy.wait(count, retry_after, rng)
    facts.append(DeliveryAttemptFailed(**named, attempt=count, error=text, due_at=due_at))
    return Settlement(lease, State.PENDING, due_at, count, attempt, None, tuple(facts))


def classify(error: Exception) -> tuple[Outcome, str]:
    """Tell what kind of failure an exception is, and what to say of it."""
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
    file_id: str, source: str, provider_id: str, states: Mapping[State, int]
) -> FileFinished | FileFailed | None:
    """Return the event of a file whose deliveries are all final, None while one is not."""
    if any(count and not state.final for state, count in states.items()):
        return None
    good = states.get(State.STORED, 0)
    bad = sum(states.values()) - good
    if good:
        return FileFinished(
            file_id=file_id, source=source, provider_id=provider_id, stored=good, failed=bad
        )
    return FileFailed(file_id=file_id, source=source, provider_id=provider_id, failed=bad)
