"""Errors as RFC 9457 problem documents: one shape for people and programs."""

from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

from sinkwell.outage import LedgerUnavailableError
from sinkwell.web.protocol import PROBLEM_BASE

MEDIA_TYPE = "application/problem+json"

AnyRequest = Request[Any, Any, Any]

log = structlog.get_logger()


def document(status: int, slug: str, title: str, detail: str) -> bytes:
    """Return a problem document. ``slug`` is stable: programs may tell problems by it."""
    return msgspec.json.encode(
        {"type": PROBLEM_BASE + slug, "title": title, "status": status, "detail": detail}
    )


def response(
    status: int, slug: str, title: str, detail: str, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """Return a problem as a response of the API."""
    return Response(
        document(status, slug, title, detail),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def on_http_exception(_: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Show what Litestar refuses: unknown paths, wrong methods, bad parameters."""
    slug = {
        404: "not-found",
        405: "method-not-allowed",
        409: "conflict",
        410: "events-gone",
        401: "not-authorized",
    }.get(error.status_code, "bad-request")
    detail = error.detail
    if isinstance(error.extra, list):
        detail += ": " + "; ".join(f"{e.get('key')}: {e.get('message')}" for e in error.extra)
    title = slug.replace("-", " ").capitalize()
    return response(error.status_code, slug, title, detail, error.headers)


def on_ledger_away(_: AnyRequest, error: LedgerUnavailableError) -> Response[bytes]:
    """503: the ledger cannot be read or written just now."""
    detail = str(error)
    return response(503, "ledger-unavailable", "The ledger is away", detail, {"Retry-After": "5"})


def on_fault(_: AnyRequest, error: Exception) -> Response[bytes]:
    """500: a fault of ours, told to the log and not to the caller."""
    log.error("a request broke", exc_info=error)
    return response(
        HTTP_500_INTERNAL_SERVER_ERROR,
        "internal-error",
        "Something in Sinkwell broke",
        "The log has the details.",
    )
