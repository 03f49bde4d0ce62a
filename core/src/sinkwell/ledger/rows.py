"""What a recorded callback and a fetched file write alike."""

from collections.abc import Sequence
from typing import Any

from sinkwell.contract import Fact
from sinkwell.contract.events import FileAccepted, FileQuarantined, FileUnrouted
from sinkwell.delivery.model import State
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.intake.manifest import Manifest


def accepted(manifest: Manifest, planned: Sequence[PlannedDelivery]) -> list[Fact]:
    """Return the events of a file that is durable now: it has deliveries, or is kept without."""
    whose: dict[str, Any] = {
        "file_id": manifest.file_id,
        "source": manifest.source,
        "provider_id": manifest.provider_id,
        "labels": manifest.labels,
    }
    if manifest.quarantined is not None:
        return [FileQuarantined(**whose, reason=manifest.quarantined)]
    fact = FileAccepted(
        **whose,
        callback_id=manifest.callback_id,
        size=manifest.size,
        sha256=manifest.sha256,
        media_type=manifest.media_type,
        sinks=tuple(delivery.sink for delivery in planned),
    )
    return [fact] if planned else [fact, FileUnrouted(**whose)]


def file_state(manifest: Manifest, *, routed: bool) -> str:
    """Return the state of a file that was just recorded."""
    if manifest.link is not None:
        return "fetching"
    if manifest.quarantined is not None:
        return "quarantined"
    return "open" if routed else "unrouted"


def delivery_row(
    file_id: str, delivery: PlannedDelivery, now: float, lease_for: float | None
) -> dict[str, object]:
    """Return the row of a delivery: due now, or leased already by the worker that waits for it."""
    leased = lease_for is not None
    return {
        "id": delivery.id,
        "file_id": file_id,
        "sink": delivery.sink,
        "key": delivery.key,
        "state": (State.LEASED if leased else State.PENDING).value,
        "due_at": now + (lease_for or 0.0),
        "epoch": 1 if leased else 0,
        "attempts": 0,
        "created_at": now,
    }
