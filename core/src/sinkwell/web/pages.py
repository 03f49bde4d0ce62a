"""The dashboard at ``/``: how the sinks stand and what came last."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping

from jinja2 import Environment, PackageLoader
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Guard

from sinkwell.delivery.model import State
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.reads import Filter

_NEWEST = 20
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def overview_page(
    ledger: Ledger,
    guard: Guard,
    *,
    trouble: Callable[[], str | None],
    sink_troubles: Callable[[], Mapping[str, str | None]],
    version: str,
) -> HTTPRouteHandler:
    """Return the handler of the page. ``sink_troubles`` says of each sink why it is paused."""
    pages = Environment(loader=PackageLoader("sinkwell.web"), autoescape=True)
    pages.filters["utc"] = _utc
    template = pages.get_template("overview.html")

    @get("/", guards=[guard], media_type=MediaType.HTML, include_in_schema=False)
    async def overview() -> Response[str]:
        counts: dict[str, dict[str, int]] = defaultdict(dict)
        for sink, state, count in await ledger.count_states():
            counts[sink][state] = count
        sinks = [
            {"name": name, "trouble": why, "counts": counts[name]}
            for name, why in sink_troubles().items()
        ]
        page = template.render(
            version=version,
            trouble=trouble(),
            states=[state.value for state in State],
            sinks=sinks,
            deliveries=await ledger.list_deliveries(Filter(limit=_NEWEST)),
            files=await ledger.list_files(Filter(limit=_NEWEST)),
        )
        return Response(page, headers=_HEADERS)

    return overview


def _utc(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
