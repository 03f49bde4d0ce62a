"""Which addresses may be connected to, where others choose them. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

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
    if address.scope_id is not None or address not in _GLOBAL_6:
        return False
    return not any(address in network for network in _PRIVATE_6)


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
