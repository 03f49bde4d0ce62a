"""Recording callbacks: deduplication, files, deliveries and events in one transaction."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, tuple_

from sinkwell.contract.events import (
    CallbackDuplicate,
    CallbackProviderFailed,
    CallbackReceived,
    FileAccepted,
)
from sinkwell.delivery.model import State
from sinkwell.delivery.plan import PlannedDelivery
from sinkwell.intake.journal import Acceptance, ProviderFailure, Recorded
from sinkwell.intake.manifest import Manifest
from sinkwell.ledger import eventlog
from sinkwell.ledger.schema import callbacks, deliveries, files

_encoder = msgspec.json.Encoder()
_insert_callbacks = insert(callbacks)
_insert_files = insert(files)
_insert_deliveries = insert(deliveries)
_standing = select(
    callbacks.c.source, callbacks.c.deduplication_key, callbacks.c.id, callbacks.c.content
).where(
    tuple_(callbacks.c.source, callbacks.c.deduplication_key).in_(bindparam("keys", expanding=True))
)

Row = dict[str, object]


@dataclass(slots=True)
class _Rows:
    """What one transaction adds."""

    callbacks: list[Row] = field(default_factory=list)
    files: list[Row] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)
    announced: list[eventlog.Announced] = field(default_factory=list)

    def write(self, connection: Connection) -> None:
        for statement, rows in (
            (_insert_callbacks, self.callbacks),
            (_insert_files, self.files),
            (_insert_deliveries, self.deliveries),
        ):
            if rows:
                connection.execute(statement, rows)
        eventlog.append(connection, self.announced)


def record_acceptances(
    connection: Connection, acceptances: Sequence[tuple[str, Acceptance]]
) -> Sequence[Recorded]:
    """Record callbacks whose files lie in the spool named; a repeat adds but an event."""
    standing = _find_standing(connection, [acceptance for _, acceptance in acceptances])
    results = []
    rows = _Rows()
    for spool_id, acceptance in acceptances:
        content = _content(acceptance)
        known = standing.get(_key(acceptance))
        if known is None:
            standing[_key(acceptance)] = (acceptance.callback_id, content)
            _add(rows, acceptance, spool_id, content)
            results.append(Recorded(acceptance.callback_id, duplicate=False))
        else:
            first_id, first_content = known
            repeat = _repeat(acceptance, first_id, same_content=content == first_content)
            rows.announced.append((first_id, acceptance.received_at, repeat))
            results.append(Recorded(first_id, duplicate=True))
    rows.write(connection)
    return results


def record_failures(
    connection: Connection, failures: Sequence[ProviderFailure]
) -> Sequence[Recorded]:
    """Record what providers say has failed; a repeat changes nothing."""
    standing = _find_standing(connection, failures)
    results = []
    rows = _Rows()
    for failure in failures:
        known = standing.get(_key(failure))
        if known is not None:
            results.append(Recorded(known[0], duplicate=True))
            continue
        standing[_key(failure)] = (failure.callback_id, None)
        rows.callbacks.append(_callback_row(failure, content=None))
        fact = CallbackProviderFailed(
            callback_id=failure.callback_id,
            source=failure.source,
            provider_id=failure.provider_id,
            provider_status=failure.provider_status,
        )
        rows.announced.append((failure.callback_id, failure.received_at, fact))
        results.append(Recorded(failure.callback_id, duplicate=False))
    rows.write(connection)
    return results


def _key(message: Acceptance | ProviderFailure) -> tuple[str, str]:
    """Return what a repeat has in common; a message that has no repeats is its own."""
    return message.source, message.deduplication_key or message.callback_id


def _content(acceptance: Acceptance) -> str:
    digests = "".join(manifest.sha256 for manifest, _ in acceptance.files)
    return hashlib.sha256(digests.encode()).hexdigest()


def _find_standing(
    connection: Connection, messages: Sequence[Acceptance | ProviderFailure]
) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Return id and content of callbacks that these messages repeat, by source and key."""
    keys = [(m.source, m.deduplication_key) for m in messages if m.deduplication_key]
    if not keys:
        return {}
    found = connection.execute(_standing, {"keys": keys})
    return {(source, key): (callback_id, content) for source, key, callback_id, content in found}


def _add(rows: _Rows, acceptance: Acceptance, spool_id: str, content: str) -> None:
    rows.callbacks.append(_callback_row(acceptance, content=content))
    fact = CallbackReceived(
        callback_id=acceptance.callback_id,
        source=acceptance.source,
        provider_id=acceptance.provider_id,
    )
    rows.announced.append((acceptance.callback_id, acceptance.received_at, fact))
    for manifest, planned in acceptance.files:
        rows.files.append(_file_row(manifest, spool_id, routed=bool(planned)))
        rows.deliveries += (
            _delivery_row(manifest, delivery, acceptance.leases.get(delivery.id))
            for delivery in planned
        )
        rows.announced.append(
            (manifest.file_id, acceptance.received_at, _accepted(manifest, planned))
        )


def _repeat(acceptance: Acceptance, first_id: str, *, same_content: bool) -> CallbackDuplicate:
    return CallbackDuplicate(
        callback_id=first_id,
        source=acceptance.source,
        provider_id=acceptance.provider_id,
        same_content=same_content,
    )


def _accepted(manifest: Manifest, planned: Sequence[PlannedDelivery]) -> FileAccepted:
    return FileAccepted(
        file_id=manifest.file_id,
        callback_id=manifest.callback_id,
        source=manifest.source,
        provider_id=manifest.provider_id,
        labels=manifest.labels,
        size=manifest.size,
        sha256=manifest.sha256,
        media_type=manifest.media_type,
        sinks=tuple(delivery.sink for delivery in planned),
    )


def _callback_row(message: Acceptance | ProviderFailure, *, content: str | None) -> Row:
    return {
        "id": message.callback_id,
        "source": message.source,
        "deduplication_key": message.deduplication_key,
        "provider_id": message.provider_id,
        "provider_status": message.provider_status,
        "succeeded": content is not None,
        "received_at": message.received_at,
        "content": content,
    }


def _file_row(manifest: Manifest, spool_id: str, *, routed: bool) -> Row:
    return {
        "id": manifest.file_id,
        "callback_id": manifest.callback_id,
        "source": manifest.source,
        "provider_id": manifest.provider_id,
        "spool_id": spool_id,
        "size": manifest.size,
        "sha256": manifest.sha256,
        "media_type": manifest.media_type,
        "extension": manifest.extension,
        "name": manifest.name,
        "labels": _encoder.encode(manifest.labels).decode(),
        "received_at": manifest.received_at,
        "state": "open" if routed else "unrouted",
        "released": False,
    }


def _delivery_row(manifest: Manifest, delivery: PlannedDelivery, lease_for: float | None) -> Row:
    leased = lease_for is not None
    return {
        "id": delivery.id,
        "file_id": manifest.file_id,
        "sink": delivery.sink,
        "key": delivery.key,
        "state": (State.LEASED if leased else State.PENDING).value,
        "due_at": manifest.received_at + (lease_for or 0.0),
        "epoch": 1 if leased else 0,
        "attempts": 0,
        "created_at": manifest.received_at,
    }
