"""Lists for people and programs; nothing on a file's way reads here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, Row, bindparam, func, select

from sinkwell.delivery.model import State
from sinkwell.ledger.schema import attempts, callbacks, deliveries, fetch_attempts, fetches, files
from sinkwell.sharing.model import SharedFile

_labels = msgspec.json.Decoder(dict[str, str])
_templates = msgspec.json.Decoder(dict[str, str])
_file = select(files).where(files.c.id == bindparam("file"))
_stored = (
    select(deliveries.c.sink, deliveries.c.key)
    .where(deliveries.c.file_id == bindparam("file"), deliveries.c.state == State.STORED.value)
    .order_by(deliveries.c.sink)
)


class FetchView(msgspec.Struct, frozen=True, kw_only=True):
    """How the fetch of a file stands that a callback pointed to."""

    state: str
    attempts: int
    host: str
    """All that is shown of the link, which may hold a secret."""
    expires_at: float | None
    due_at: float | None


class FileView(msgspec.Struct, frozen=True, kw_only=True):
    """A file as lists show it."""

    id: str
    callback_id: str
    source: str
    token: str
    """The provider's id of the capture."""
    size: int
    sha256: str
    media_type: str
    extension: str
    name: str | None
    labels: dict[str, str]
    status: str
    """The provider's own word for how the capture ended."""
    overrides: dict[str, str] | None
    """Key templates by sink that its callback URL named in place of the routes."""
    state: str
    received_at: float
    in_spool: bool
    error: str | None
    """Why it could not be fetched, the last time it was tried, or is not what it should be."""
    fetch: FetchView | None
    """None where the callback brought the file itself."""


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as lists show it."""

    id: str
    file_id: str
    source: str
    token: str
    labels: dict[str, str]
    """Those of the file."""
    sink: str
    key: str
    state: str
    attempts: int
    error: str | None
    location: str | None
    due_at: float | None
    created_at: float
    settled_at: float | None


class FetchAttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try to fetch a file."""

    file_id: str
    number: int
    started_at: float
    ended_at: float
    outcome: str
    error: str | None
    bytes: int


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One try of a delivery."""

    delivery_id: str
    number: int
    started_at: float
    ended_at: float
    outcome: str
    error: str | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows a list shows, the newest first; None means any."""

    state: str | None = None
    source: str | None = None
    sink: str | None = None
    file_id: str | None = None
    token: str | None = None
    limit: int = 100
    before: str | None = None
    """Only rows with an id below this one: the last row of the page before."""


def list_files(connection: Connection, wanted: Filter) -> list[FileView]:
    """Return files, the newest first."""
    query = (
        select(
            files,
            fetches.c.url,
            fetches.c.expires_at,
            fetches.c.state.label("fetch_state"),
            fetches.c.due_at,
            fetches.c.attempts,
            fetches.c.error,
            callbacks.c.provider_status,
        )
        .join(callbacks, callbacks.c.id == files.c.callback_id)
        .outerjoin(fetches, fetches.c.file_id == files.c.id)
        .order_by(files.c.id.desc())
        .limit(wanted.limit)
    )
    for column, value in (
        (files.c.state, wanted.state),
        (files.c.source, wanted.source),
        (files.c.id, wanted.file_id),
        (files.c.provider_id, wanted.token),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.before is not None:
        query = query.where(files.c.id < wanted.before)
    return [
        FileView(
            id=row.id,
            callback_id=row.callback_id,
            source=row.source,
            token=row.provider_id,
            size=row.size,
            sha256=row.sha256,
            media_type=row.media_type,
            extension=row.extension,
            name=row.name,
            labels=_labels.decode(row.labels),
            status=row.provider_status,
            overrides=row.overrides and _templates.decode(row.overrides),
            state=row.state,
            received_at=row.received_at,
            in_spool=not row.released,
            error=row.error or _labels.decode(row.labels).get("mismatch"),
            fetch=_fetch_view(row),
        )
        for row in connection.execute(query)
    ]


def _fetch_view(row: Row[Any]) -> FetchView | None:
    if row.url is None:
        return None
    return FetchView(
        state=row.fetch_state,
        attempts=row.attempts,
        host=_host(row.url),
        expires_at=row.expires_at,
        due_at=row.due_at,
    )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a sender's text need be no URL
        return ""


def list_fetch_attempts(connection: Connection, file_id: str) -> list[FetchAttemptView]:
    """Return the tries to fetch a file, the first one first."""
    query = select(fetch_attempts).where(fetch_attempts.c.file_id == file_id)
    return [
        FetchAttemptView(
            file_id=row.file_id,
            number=row.epoch,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            error=row.error,
            bytes=row.bytes,
        )
        for row in connection.execute(query.order_by(fetch_attempts.c.epoch))
    ]


def list_deliveries(connection: Connection, wanted: Filter) -> list[DeliveryView]:
    """Return deliveries, the newest first."""
    query = (
        select(deliveries, files.c.source, files.c.provider_id, files.c.labels)
        .join(files, files.c.id == deliveries.c.file_id)
        .order_by(deliveries.c.id.desc())
        .limit(wanted.limit)
    )
    for column, value in (
        (deliveries.c.state, wanted.state),
        (files.c.source, wanted.source),
        (deliveries.c.sink, wanted.sink),
        (deliveries.c.file_id, wanted.file_id),
        (files.c.provider_id, wanted.token),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.before is not None:
        query = query.where(deliveries.c.id < wanted.before)
    return [
        DeliveryView(
            id=row.id,
            file_id=row.file_id,
            source=row.source,
            token=row.provider_id,
            labels=_labels.decode(row.labels),
            sink=row.sink,
            key=row.key,
            state=row.state,
            attempts=row.attempts,
            error=row.error,
            location=row.location,
            due_at=row.due_at,
            created_at=row.created_at,
            settled_at=row.settled_at,
        )
        for row in connection.execute(query)
    ]


def find_shared(connection: Connection, file_id: str) -> SharedFile | None:
    """Return what someone who wants its bytes must know of a file."""
    file = connection.execute(_file, {"file": file_id}).one_or_none()
    if file is None:
        return None
    stored = connection.execute(_stored, {"file": file_id}).all()
    ending = f".{file.extension}" if file.extension else ""
    return SharedFile(
        file_id=file_id,
        size=file.size,
        sha256=file.sha256,
        media_type=file.media_type,
        name=file.name or f"{file.provider_id or file_id}{ending}",
        state=file.state,
        in_spool=not file.released,
        stored=tuple((sink, key) for sink, key in stored),
    )


def list_attempts(connection: Connection, delivery_id: str) -> list[AttemptView]:
    """Return the tries of a delivery, the first one first."""
    query = select(attempts).where(attempts.c.delivery_id == delivery_id)
    return [
        AttemptView(
            delivery_id=row.delivery_id,
            number=row.epoch,
            started_at=row.started_at,
            ended_at=row.ended_at,
            outcome=row.outcome,
            error=row.error,
            bytes=row.bytes,
        )
        for row in connection.execute(query.order_by(attempts.c.epoch))
    ]


def count_states(connection: Connection) -> Sequence[tuple[str, str, int]]:
    """Return sink, state and number of deliveries for each pair that occurs."""
    query = select(deliveries.c.sink, deliveries.c.state, func.count()).group_by(
        deliveries.c.sink, deliveries.c.state
    )
    return [(sink, state, count) for sink, state, count in connection.execute(query)]
