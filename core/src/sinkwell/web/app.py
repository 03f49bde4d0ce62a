"""The Litestar application: callbacks, health, the API."""

from collections.abc import Callable, Mapping

from litestar import Litestar, Response, get
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.types import ASGIApp, ExceptionHandlersMap

from sinkwell.bus.bus import Bus
from sinkwell.bus.refusals import RefusalTally
from sinkwell.contract import Secret
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.intake.fetch_worker import FetchWorker
from sinkwell.intake.reading import OpenSource
from sinkwell.intake.receive import Intake
from sinkwell.ledger.ledger import Ledger
from sinkwell.outage import LedgerUnavailableError
from sinkwell.web import problems
from sinkwell.web.access import api_guard, through_control_socket
from sinkwell.web.api import api_router
from sinkwell.web.callback_urls import Minter, callback_urls_router
from sinkwell.web.callbacks import callback_handler
from sinkwell.web.downloads import Downloads, download_handlers
from sinkwell.web.notifications import public_keys_handler
from sinkwell.web.pages import overview_page

_EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    HTTPException: problems.on_http_exception,
    LedgerUnavailableError: problems.on_ledger_away,
    Exception: problems.on_fault,
}


def create_app(
    *,
    intake: Intake,
    sources: Mapping[str, OpenSource],
    ledger: Ledger,
    admin_token: Secret | None,
    dispatch: Dispatch,
    fetchers: Mapping[str, FetchWorker],
    minter: Minter,
    downloads: Downloads,
    bus: Bus,
    refusals: RefusalTally,
    unready: Callable[[], str | None],
    version: str,
) -> Litestar:
    """Return the application. ``unready`` says why callbacks are not taken, if they are not.

    ``state.end_streams`` is to be called before the end, so that nobody is waited for in vain.
    """

    @get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @get("/readyz", include_in_schema=False)
    async def readyz() -> Response[bytes] | dict[str, str]:
        reason = unready()
        if reason is None:
            return {"status": "ready"}
        return problems.response(
            503, "not-ready", "Callbacks are not taken just now", reason, {"Retry-After": "1"}
        )

    guard = api_guard(admin_token)
    app = Litestar(
        route_handlers=[
            callback_handler(intake, sources, minter.urls, minter.clock, refusals),
            healthz,
            readyz,
            public_keys_handler(bus),
            api_router(ledger, bus, dispatch.wake, fetchers, guard),
            callback_urls_router(minter, guard),
            *download_handlers(downloads, guard),
            overview_page(
                ledger,
                guard,
                trouble=unready,
                sink_troubles=dispatch.troubles,
                version=version,
            ),
        ],
        exception_handlers=_EXCEPTION_HANDLERS,
        openapi_config=OpenAPIConfig(
            title="Sinkwell",
            version=version,
            path="/api/v1/openapi",
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        logging_config=None,
    )
    app.state.end_streams = bus.end_streams
    return app


def create_offline_app(ledger: Ledger, bus: Bus) -> ASGIApp:
    """Return the API alone, open to its caller: for commands that find no instance running."""
    return through_control_socket(
        Litestar(
            route_handlers=[api_router(ledger, bus, lambda _: None, {}, api_guard(None))],
            exception_handlers=_EXCEPTION_HANDLERS,
            openapi_config=None,
            logging_config=None,
        )
    )
