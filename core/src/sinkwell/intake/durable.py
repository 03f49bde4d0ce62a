"""A file that is durable, as the planner and the workers see it."""

from sinkwell.delivery.model import LeasedFile
from sinkwell.delivery.plan import PlannedDelivery, Planner
from sinkwell.intake.manifest import Manifest
from sinkwell.naming import KeyValues


def plan_deliveries(planner: Planner, manifest: Manifest) -> tuple[PlannedDelivery, ...]:
    """Plan where a file goes; a mere reference goes nowhere until it was fetched."""
    return () if manifest.link else planner.plan(manifest.source, key_values(manifest))


def leased_file(manifest: Manifest) -> LeasedFile:
    """Return what workers must know of a file."""
    return LeasedFile(
        file_id=manifest.file_id,
        source=manifest.source,
        provider_id=manifest.provider_id,
        size=manifest.size,
        sha256=manifest.sha256,
        media_type=manifest.media_type,
        name=manifest.name,
        labels=manifest.labels,
    )


def key_values(manifest: Manifest) -> KeyValues:
    """Return what key templates may use of a file."""
    return KeyValues(
        id=manifest.provider_id,
        file_id=manifest.file_id,
        source=manifest.source,
        received_at=manifest.received_at,
        ext=manifest.extension,
        sha256=manifest.sha256,
        name=manifest.name,
        url=manifest.labels.get("url"),
        tags=tuple(manifest.labels.get("tags", "").split(",")),
        labels=manifest.labels,
    )
