"""Notifiers and their notifications over HTTP."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from sinkwell.bus.bus import Bus
from sinkwell.bus.model import NotificationState
from sinkwell.delivery.decide import classify
from sinkwell.ledger.notified import (
    NotificationAttemptView,
    NotificationFilter,
    NotificationView,
)
from sinkwell.ledger.outbox import LedgerOutbox
from sinkwell.web import problems

_MOST = 2**63 - 1

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="The most rows to return.")]
Time = Annotated[float | None, QueryParameter(description="Of the event, seconds since 1970.")]
Type = Annotated[
    str | None, QueryParameter(name="type", description="Of the event; * stands for anything.")
]
InState = Annotated[NotificationState | None, QueryParameter(name="state")]


class NotifierView(msgspec.Struct, frozen=True, kw_only=True):
    """A notifier as lists show it."""

    id: str
    """Its name."""
    type: str
    state: Literal["working", "waiting", "disabled"]
    """Waiting: it does not work just now, and is tried again by itself."""
    trouble: str | None
    notifications: dict[str, int]
    """How many are in which state; none where they are not recorded."""
    public_keys: Sequence[str]


def notifier_handlers(bus: Bus, outbox: LedgerOutbox) -> Sequence[HTTPRouteHandler]:
    """Return the routes of notifiers."""

    @get("/notifiers", summary="Notifiers and how they stand")
    async def list_notifiers() -> list[NotifierView]:
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for name, state, count in await outbox.count_states():
            counts[name][state] = count
        troubles = await outbox.troubles()
        views = []
        for name, notifier in bus.notifiers.items():
            worker = bus.workers.get(name)
            trouble = worker.trouble if worker else None
            known = troubles.get(name)
            disabled = known is not None and known.disabled_at is not None
            views.append(
                NotifierView(
                    id=name,
                    type=notifier.type,
                    state="disabled" if disabled else "waiting" if trouble else "working",
                    trouble=known.reason if known and disabled else trouble,
                    notifications=counts[name],
                    public_keys=notifier.public_keys,
                )
            )
        return views

    @post("/notifiers/{name:str}/test", status_code=200, summary="Tell a notifier something now")
    async def test_notifier(name: FromPath[str]) -> Response[Any]:
        _known(bus, name)
        try:
            event = await bus.test(name)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was asked for
            _, text = classify(error)
            return problems.response(
                502, "notifier-failed", "The notifier does not work", f"{name}: {text}"
            )
        return Response({"id": name, "event_id": event.id})

    @post("/notifiers/{name:str}/enable", status_code=200, summary="Enable a disabled notifier")
    async def enable_notifier(name: FromPath[str]) -> dict[str, Any]:
        _known(bus, name)
        was_disabled = await outbox.enable(name)
        if worker := bus.workers.get(name):
            worker.enable()
        return {"id": name, "was_disabled": was_disabled}

    return [list_notifiers, test_notifier, enable_notifier]


def public_keys_handler(bus: Bus) -> HTTPRouteHandler:
    """Return the one route of the bus that is open to all: keys that verify signatures."""

    @get("/.well-known/webhook-keys", include_in_schema=False)
    async def list_public_keys() -> dict[str, list[str]]:
        return {"keys": [key for each in bus.notifiers.values() for key in each.public_keys]}

    return list_public_keys


def notification_handlers(bus: Bus, outbox: LedgerOutbox) -> Sequence[HTTPRouteHandler]:
    """Return the routes of notifications."""

    @get("/notifications", summary="Notifications, the newest event first")
    async def list_notifications(
        notifier: FromQuery[str | None] = None,
        in_state: InState = None,
        event_type: Type = None,
        since: Time = None,
        until: Time = None,
        limit: Limit = 100,
        before: FromQuery[str | None] = None,
    ) -> list[NotificationView]:
        return await outbox.list_notifications(
            NotificationFilter(
                notifier=notifier,
                state=in_state,
                type=event_type,
                since=since,
                until=until,
                limit=limit,
                before=None if before is None else _parsed(before),
            )
        )

    @get("/notifications/{notification:str}/attempts", summary="The tries of a notification")
    async def list_attempts(notification: FromPath[str]) -> list[NotificationAttemptView]:
        return await outbox.list_attempts(*_parsed(notification))

    @post("/notifications/{notification:str}/replay", status_code=202, summary="Tell one again")
    async def replay_one(notification: FromPath[str]) -> dict[str, Any]:
        notifier, position = _parsed(notification)
        wanted = NotificationFilter(notifier=notifier, position=position)
        if not await outbox.replay(wanted):
            found = await outbox.list_notifications(wanted)
            if not found:
                raise NotFoundException(f"There is no notification {notification}.")
            detail = f"Notification {notification} is {found[0].state}: it is told by itself."
            raise ClientException(detail, status_code=409)
        bus.wake(notifier)
        return {"id": notification, "state": NotificationState.PENDING}

    @post("/notifications/replay", status_code=202, summary="Tell many again, by time and type")
    async def replay_many(
        notifier: FromQuery[str | None] = None,
        in_state: InState = None,
        event_type: Type = None,
        since: Time = None,
        until: Time = None,
    ) -> dict[str, int]:
        wanted = NotificationFilter(
            notifier=notifier, state=in_state, type=event_type, since=since, until=until
        )
        if not wanted.conditions():
            raise ClientException("Say which: by notifier, state, type, since or until.")
        count = await outbox.replay(wanted)
        for name in bus.workers if notifier is None else [notifier]:
            bus.wake(name)
        return {"replayed": count}

    return [list_notifications, list_attempts, replay_one, replay_many]


def _known(bus: Bus, name: str) -> None:
    if name not in bus.notifiers:
        raise NotFoundException(f"There is no notifier {name[:64]!r} in this running Sinkwell.")


def _parsed(notification: str) -> tuple[str, int]:
    """Return notifier and position of a notification's id."""
    notifier, _, digits = notification.rpartition(":")
    if not (notifier and digits.isascii() and digits.isdigit() and int(digits) <= _MOST):
        raise NotFoundException(f"{notification[:80]!r} is no id of a notification.")
    return notifier, int(digits)
