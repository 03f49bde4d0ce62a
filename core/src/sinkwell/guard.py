"""Connecting to addresses that others chose, without letting them reach into private networks.

The check is made where the connection is: every answer of the name's look-up must pass, the
socket is connected to a number that was checked, and hosts written as numbers are checked too. So
a name whose answer changes between look-up and connection gains nothing.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The special-purpose registries of IANA (RFC 6890 and what followed), and 168.63.129.16, at which
# a cloud answers its own machines. ``is_global`` of Python 3.11 lets several of these pass.
_PRIVATE_4 = tuple(
    IPv4Network(written)
    for written in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_PRIVATE_6 = tuple(
    IPv6Network(written) for written in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


class ForbiddenAddressError(OSError):
    """A host has an address that is not public and that no setting allows."""


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public internet, as opposed to anything nearer."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PRIVATE_4)
    return address in _GLOBAL_6 and not any(address in network for network in _PRIVATE_6)


def parse_networks(written: Sequence[str]) -> tuple[Network, ...]:
    """Read networks such as ``127.0.0.0/8``. Raises ``ValueError`` that names the wrong one."""
    networks = []
    for text in written:
        try:
            networks.append(ip_network(text))
        except ValueError as error:
            raise ValueError(f"{text!r} is no network such as 10.0.0.0/8: {error}") from None
    return tuple(networks)


def check_address(host: str, address: str, allowed: Sequence[Network] = ()) -> None:
    """Raise ``ForbiddenAddressError`` unless ``address``, a number, is public or allowed."""
    number = ip_address(address)
    if not (is_public(number) or any(number in network for network in allowed)):
        raise ForbiddenAddressError(
            f"{host} is at {number}, which is not a public address; "
            "allow_networks says which others may be connected to"
        )


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
