"""Recording callbacks: deduplication, files, deliveries and events in one transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, tuple_

from sinkwell.contract.events import (
    BatchFinished,
    CallbackDuplicate,
    CallbackNotice,
    CallbackProviderFailed,
    CallbackReceived,
)
from sinkwell.intake.journal import Acceptance, Notice, ProviderFailure, Recorded
from sinkwell.intake.manifest import Manifest
from sinkwell.ledger import eventlog, fetches, refetches
from sinkwell.ledger.rows import accepted, delivery_row, file_state
from sinkwell.ledger.schema import callbacks, deliveries, files
from sinkwell.ledger.schema import fetches as fetches_table

_encoder = msgspec.json.Encoder()
_insert_callbacks = insert(callbacks)
_insert_files = insert(files)
_insert_deliveries = insert(deliveries)
_insert_fetches = insert(fetches_table)
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
    fetches: list[Row] = field(default_factory=list)
    announced: list[eventlog.Announced] = field(default_factory=list)

    def write(self, connection: Connection) -> None:
        for statement, rows in (
            (_insert_callbacks, self.callbacks),
            (_insert_files, self.files),
            (_insert_deliveries, self.deliveries),
            (_insert_fetches, self.fetches),
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
    renewals = []
    for spool_id, acceptance in acceptances:
        content = _content(acceptance)
        known = standing.get(_key(acceptance))
        if known is None:
            standing[_key(acceptance)] = (acceptance.callback_id, content)
            _add(rows, acceptance, spool_id, content)
            results.append(Recorded(acceptance.callback_id, duplicate=False))
        else:
            first_id, first_content = known
            fact = _repeat(acceptance, first_id, same_content=content == first_content)
            rows.announced.append((first_id, acceptance.received_at, fact))
            results.append(Recorded(first_id, duplicate=True))
            renewals.append((first_id, acceptance))
    rows.write(connection)
    for first_id, repeat in renewals:
        links = [manifest.link for manifest, _ in repeat.files]
        if any(links) and first_id != repeat.callback_id:
            refetches.renew(connection, first_id, links, repeat.received_at)
    return results


def record_failures(
    connection: Connection, failures: Sequence[ProviderFailure]
) -> Sequence[Recorded]:
    """Record what providers say has failed; a repeat changes nothing."""
    return _record_words(connection, failures)


def record_notices(connection: Connection, notices: Sequence[Notice]) -> Sequence[Recorded]:
    """Record what else providers say; a repeat changes nothing."""
    return _record_words(connection, notices)


def _record_words(
    connection: Connection, words: Sequence[ProviderFailure | Notice]
) -> Sequence[Recorded]:
    standing = _find_standing(connection, words)
    results = []
    rows = _Rows()
    for word in words:
        known = standing.get(_key(word))
        if known is not None:
            results.append(Recorded(known[0], duplicate=True))
            continue
        standing[_key(word)] = (word.callback_id, None)
        rows.callbacks.append(_callback_row(word, content=None))
        rows.announced.append((word.callback_id, word.received_at, _told(word)))
        if isinstance(word, Notice) and word.finished_batch is not None:
            over = BatchFinished(
                callback_id=word.callback_id,
                source=word.source,
                batch_id=word.finished_batch,
                labels=word.labels,
            )
            rows.announced.append((over.batch_id, word.received_at, over))
        results.append(Recorded(word.callback_id, duplicate=False))
    rows.write(connection)
    return results


def _told(word: ProviderFailure | Notice) -> CallbackProviderFailed | CallbackNotice:
    said = {
        "callback_id": word.callback_id,
        "source": word.source,
        "provider_id": word.provider_id,
        "provider_status": word.provider_status,
    }
    if isinstance(word, Notice):
        return CallbackNotice(**said, labels=dict(word.labels))
    return CallbackProviderFailed(**said)


def _key(message: Acceptance | ProviderFailure | Notice) -> tuple[str, str]:
    """Return what a repeat has in common; a message that has no repeats is its own."""
    return message.source, message.deduplication_key or message.callback_id


def _content(acceptance: Acceptance) -> str:
    digests = "".join(manifest.sha256 for manifest, _ in acceptance.files)
    return hashlib.sha256(digests.encode()).hexdigest()


def _find_standing(
    connection: Connection, messages: Sequence[Acceptance | ProviderFailure | Notice]
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
        if manifest.link is not None:
            rows.fetches.append(fetches.fetch_row(manifest, manifest.link))
            continue
        rows.deliveries += (
            delivery_row(
                manifest.file_id,
                delivery,
                manifest.received_at,
                acceptance.leases.get(delivery.id),
            )
            for delivery in planned
        )
        rows.announced += (
            (manifest.file_id, acceptance.received_at, fact) for fact in accepted(manifest, planned)
        )


def _repeat(acceptance: Acceptance, first_id: str, *, same_content: bool) -> CallbackDuplicate:
    return CallbackDuplicate(
        callback_id=first_id,
        source=acceptance.source,
        provider_id=acceptance.provider_id,
        same_content=same_content,
    )


def _callback_row(message: Acceptance | ProviderFailure | Notice, *, content: str | None) -> Row:
    return {
        "id": message.callback_id,
        "source": message.source,
        "deduplication_key": message.deduplication_key,
        "provider_id": message.provider_id,
        "provider_status": message.provider_status,
        "succeeded": not isinstance(message, ProviderFailure),
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
        "labels": _text(manifest.labels),
        "overrides": None if manifest.overrides is None else _text(manifest.overrides),
        "received_at": manifest.received_at,
        "state": file_state(manifest, routed=routed),
        "released": False,
    }


def _text(texts: Mapping[str, str]) -> str:
    return _encoder.encode(texts).decode()
