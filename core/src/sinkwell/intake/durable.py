"""A file that is durable, as the planner and the workers see it."""

import msgspec
import structlog

from sinkwell.contract import OnMismatch
from sinkwell.delivery.condition import RoutedFile
from sinkwell.delivery.model import LeasedFile
from sinkwell.delivery.plan import PlannedDelivery, Planner
from sinkwell.intake.manifest import Manifest
from sinkwell.intake.refusals import mismatched
from sinkwell.intake.verify import Content, find_doubt
from sinkwell.naming import KeyValues

UNKNOWN_TYPE = "application/octet-stream"

log = structlog.get_logger()


def plan_deliveries(planner: Planner, manifest: Manifest) -> tuple[PlannedDelivery, ...]:
    """Plan where a file goes; what is but a reference yet, or is kept in doubt, goes nowhere."""
    return (
        ()
        if manifest.link or manifest.quarantined
        else planner.plan(routed_file(manifest), manifest.overrides)
    )


def judged(manifest: Manifest, content: Content, policy: OnMismatch) -> Manifest:
    """Say what the content is, and what follows where that is not what is claimed.

    The manifest holds the claims. Raises ``Refusal`` (422) where the source wants no such file.
    """
    seen = content.kind
    known = msgspec.structs.replace(
        manifest,
        media_type=seen.media_type if seen else manifest.media_type or UNKNOWN_TYPE,
        extension=seen.extension if seen else manifest.extension,
    )
    doubt = find_doubt(manifest.media_type, manifest.extension, content)
    if doubt is None or policy is OnMismatch.ACCEPT:
        return known
    if policy is OnMismatch.REJECT:
        raise mismatched(doubt)
    log.warning(
        "a file is not what it should be",
        source=manifest.source,
        file=manifest.file_id,
        reason=doubt,
        policy=policy.value,
    )
    return msgspec.structs.replace(
        known,
        labels=manifest.labels | {"mismatch": doubt},
        quarantined=doubt if policy is OnMismatch.QUARANTINE else None,
    )


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


def routed_file(manifest: Manifest) -> RoutedFile:
    """Return what routes look at, and key templates may use, of a file."""
    return RoutedFile(
        media_type=manifest.media_type,
        size=manifest.size,
        status=manifest.provider_status,
        values=_key_values(manifest),
    )


def _key_values(manifest: Manifest) -> KeyValues:
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
