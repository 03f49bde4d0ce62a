"""The API under ``/api/v1``."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Literal

from litestar import Router, get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.types import Guard

from sinkwell.bus.bus import Bus
from sinkwell.delivery.model import State
from sinkwell.intake.fetch_worker import FetchWorker
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.reads import AttemptView, DeliveryView, FileView, Filter
from sinkwell.ledger.requests import WrongStateError
from sinkwell.web.events import event_handlers
from sinkwell.web.fetches import fetch_handlers
from sinkwell.web.notifications import notification_handlers, notifier_handlers

Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="The most rows to return.")]
Before = Annotated[
    str | None,
    QueryParameter(description="Only rows with a lower id: the last one of the page before."),
]
FileState = Literal["fetching", "open", "finished", "failed", "unrouted", "quarantined"]


def api_router(
    ledger: Ledger,
    bus: Bus,
    wake: Callable[[str], None],
    fetchers: Mapping[str, FetchWorker],
    guard: Guard,
) -> Router:
    """Return the routes over this ledger. What is retried wakes its sink or its fetcher."""

    @get("/files", summary="Files, the newest first")
    async def list_files(
        in_state: Annotated[FileState | None, QueryParameter(name="state")] = None,
        source: FromQuery[str | None] = None,
        token: FromQuery[str | None] = None,
        limit: Limit = 100,
        before: Before = None,
    ) -> list[FileView]:
        return await ledger.list_files(
            Filter(state=in_state, source=source, token=token, limit=limit, before=before)
        )

    @get("/files/{file_id:str}", summary="One file")
    async def show_file(file_id: FromPath[str]) -> FileView:
        found = await ledger.list_files(Filter(file_id=file_id, limit=1))
        return _only(found, f"There is no file {file_id}.")

    @get("/deliveries", summary="Deliveries, the newest first")
    async def list_deliveries(
        in_state: Annotated[State | None, QueryParameter(name="state")] = None,
        source: FromQuery[str | None] = None,
        sink: FromQuery[str | None] = None,
        file_id: FromQuery[str | None] = None,
        token: FromQuery[str | None] = None,
        limit: Limit = 100,
        before: Before = None,
    ) -> list[DeliveryView]:
        return await ledger.list_deliveries(
            Filter(
                state=in_state,
                source=source,
                sink=sink,
                file_id=file_id,
                token=token,
                limit=limit,
                before=before,
            )
        )

    @get("/deliveries/{delivery_id:str}/attempts", summary="The tries of a delivery")
    async def list_attempts(delivery_id: FromPath[str]) -> list[AttemptView]:
        return await ledger.list_attempts(delivery_id)

    @post("/deliveries/{delivery_id:str}/retry", status_code=202, summary="Try a final one again")
    async def retry_delivery(delivery_id: FromPath[str]) -> dict[str, str]:
        sink = await _asked(ledger.retry(delivery_id))
        wake(sink)
        return {"id": delivery_id, "sink": sink, "state": State.PENDING}

    @post("/deliveries/{delivery_id:str}/cancel", status_code=200, summary="Give a waiting one up")
    async def cancel_delivery(delivery_id: FromPath[str]) -> dict[str, str]:
        sink = await _asked(ledger.cancel(delivery_id))
        return {"id": delivery_id, "sink": sink, "state": State.CANCELLED}

    return Router(
        "/api/v1",
        guards=[guard],
        route_handlers=[
            list_files,
            show_file,
            *fetch_handlers(ledger, fetchers),
            list_deliveries,
            list_attempts,
            retry_delivery,
            cancel_delivery,
            *event_handlers(bus.feed),
            *notifier_handlers(bus, ledger.outbox),
            *notification_handlers(bus, ledger.outbox),
        ],
    )


def _only(found: Sequence[FileView], otherwise: str) -> FileView:
    if not found:
        raise NotFoundException(otherwise)
    return found[0]


async def _asked(doing: Awaitable[str]) -> str:
    try:
        return await doing
    except LookupError as error:
        raise NotFoundException(str(error)) from error
    except WrongStateError as error:
        raise ClientException(str(error), status_code=409) from error
