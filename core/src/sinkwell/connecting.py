"""Connecting to hosts that others chose, without letting them reach into private networks.

The check is made where the connection is: every answer of the name's look-up must pass, the
socket is connected to a number that was checked, and hosts written as numbers are checked too. So
a name whose answer changes between look-up and connection gains nothing.
"""

import socket
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from sinkwell.guard import Network, check_address


def guarded_connector(
    allowed: Sequence[Network], *, limit: int, keepalive: float = 15.0
) -> aiohttp.TCPConnector:
    """Return a connector that reaches public addresses and ``allowed`` networks, no others.

    ``limit`` is the most connections at once; ``keepalive``, in seconds, how long an idle one is
    kept. What is refused raises ``aiohttp.ClientConnectorError``, whose ``os_error`` is the
    ``ForbiddenAddressError``.
    """

    def make_socket(found: tuple[object, ...]) -> socket.socket:
        family, kind, protocol, _, place = found
        number = str(place[0])  # type: ignore[index]  # what getaddrinfo gives: (host, port, …)
        check_address(number, number, allowed)
        return socket.socket(family, kind, protocol)  # type: ignore[arg-type]  # as above

    return aiohttp.TCPConnector(
        resolver=_GuardedResolver(allowed),
        socket_factory=make_socket,
        limit=limit,
        keepalive_timeout=keepalive,
    )


class _GuardedResolver(AbstractResolver):
    """Looks names up, and refuses one with any answer that is not allowed."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for each in found:
            check_address(host, each["host"], self._allowed)
        return found

    async def close(self) -> None:
        await self._resolver.close()
