"""Who may use the API: holders of the admin token or, where there is none, this machine."""

import ipaddress
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from sinkwell.contract import Secret

_MARK = "sinkwell.control"
"""In ``scope["extensions"]`` of requests that came through the control socket."""

_PROXY_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What reverse proxies add: a request with one of them began elsewhere."""

Connection = ASGIConnection[Any, Any, Any, Any]


def api_guard(admin_token: Secret | None) -> Guard:
    """Return the guard of the API and of the pages.

    Without a token, only requests to a loopback address are let in, and none that came through a
    proxy or that a browser makes for another site's page: a name that was pointed at 127.0.0.1
    does not get past the ``Host``, a form of a foreign page not past ``Origin`` and
    ``Sec-Fetch-Site``.
    """

    def guard(connection: Connection, _: BaseRouteHandler) -> None:
        if _MARK in (connection.scope.get("extensions") or {}):
            return
        if admin_token is not None:
            scheme, _space, given = connection.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not admin_token.matches(given.strip()):
                raise NotAuthorizedException(
                    "Send the admin token: 'Authorization: Bearer …'.",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        elif not (_to_loopback(connection) and _same_site(connection)):
            raise NotAuthorizedException(
                "Without [server] admin_token the API answers only this machine's own requests."
            )

    return guard


def through_control_socket(app: ASGIApp) -> ASGIApp:
    """Mark requests as coming through the control socket, which only this user can open."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {**(scope.get("extensions") or {}), _MARK: {}}
        await app(scope, receive, send)

    return marked


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address means this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _to_loopback(connection: Connection) -> bool:
    if any(name in connection.headers for name in _PROXY_HEADERS):
        return False  # its sender may be anyone
    host = connection.headers.get("host", "")
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    client = connection.scope.get("client")
    return is_loopback(name) and client is not None and is_loopback(client[0])


def _same_site(connection: Connection) -> bool:
    if connection.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origin = connection.headers.get("origin")
    return origin is None or origin == f"http://{connection.headers.get('host')}"
