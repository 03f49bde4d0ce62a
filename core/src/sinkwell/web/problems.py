"""Errors as RFC 9457 problem documents: one shape for people and programs."""

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR

import structlog

from sinkwell.outage import LedgerUnavailableError

BASE = "https://sinkwell.dev/problems/"
"""Prefix of every problem's ``type``; a name, not a page that must exist."""
MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger()


def document(status: int, slug: str, title: str, detail: str) -> bytes:
    """Return a problem document. ``slug`` is stable: programs may tell problems by it."""
    return msgspec.json.encode(
        {"type": BASE + slug, "title": title, "status": status, "detail": detail}
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


def on_http_exception(_: Request[object, object, object], error: HTTPException) -> Response[bytes]:
    """Show what Litestar refuses: unknown paths, wrong methods, bad parameters."""
    slug = {404: "not-found", 405: "method-not-allowed", 401: "not-authorized"}.get(
        error.status_code, "bad-request"
    )
    detail = error.detail
    if isinstance(error.extra, list):
        detail += ": " + "; ".join(f"{e.get('key')}: {e.get('message')}" for e in error.extra)
    title = slug.replace("-", " ").capitalize()
    return response(error.status_code, slug, title, detail, error.headers)


def on_ledger_away(
    _: Request[object, object, object], error: LedgerUnavailableError
) -> Response[bytes]:
    """503: the ledger cannot be read or written just now."""
    detail = str(error)
    return response(503, "ledger-unavailable", "The ledger is away", detail, {"Retry-After": "5"})


def on_fault(_: Request[object, object, object], error: Exception) -> Response[bytes]:
    """500: a fault of ours, told to the log and not to the caller."""
    log.error("a request broke", exc_info=error)
    return response(
        HTTP_500_INTERNAL_SERVER_ERROR,
        "internal-error",
        "Something in Sinkwell broke",
        "The log has the details.",
    )
