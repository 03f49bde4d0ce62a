"""Lists for people and programs; nothing on a file's way reads here."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, func, select

from sinkwell.ledger.schema import attempts, deliveries, files

_labels = msgspec.json.Decoder(dict[str, str])


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
    name: str | None
    labels: dict[str, str]
    state: str
    received_at: float
    in_spool: bool


class DeliveryView(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery as lists show it."""

    id: str
    file_id: str
    source: str
    token: str
    sink: str
    key: str
    state: str
    attempts: int
    error: str | None
    location: str | None
    due_at: float | None
    created_at: float
    settled_at: float | None


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
    query = select(files).order_by(files.c.id.desc()).limit(wanted.limit)
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
            name=row.name,
            labels=_labels.decode(row.labels),
            state=row.state,
            received_at=row.received_at,
            in_spool=not row.released,
        )
        for row in connection.execute(query)
    ]


def list_deliveries(connection: Connection, wanted: Filter) -> list[DeliveryView]:
    """Return deliveries, the newest first."""
    query = (
        select(deliveries, files.c.source, files.c.provider_id)
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
