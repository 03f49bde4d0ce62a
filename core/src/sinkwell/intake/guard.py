"""Where a fetch may go: which addresses, which hosts, which URLs. Pure.

A link comes from a sender. It must not make this machine talk to itself, to its neighbours or to
the metadata service of a cloud. So every address is looked at when a connection is made to it,
whatever name it came from; what a URL looks like is no protection.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from yarl import URL

from sinkwell.contract import RejectedError
from sinkwell.guard import Network, is_public

LONGEST_URL = 8192


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What one source's fetches may reach."""

    hosts: tuple[str, ...]
    """Patterns: an exact host, ``*.example.com`` for all below it, ``*`` for any."""
    networks: tuple[Network, ...] = ()
    """Beside the public internet."""

    @classmethod
    def of(cls, hosts: Iterable[str], networks: Iterable[str]) -> "FetchRules":
        """Make rules of texts. Raises ``ValueError`` for what is no network."""
        return cls(tuple(hosts), tuple(map(ip_network, networks)))

    def check_address(self, text: str) -> None:
        """Raise ``RejectedError`` unless connections to this address are allowed."""
        try:
            address = ip_address(text)
        except ValueError:
            raise RejectedError(f"{text[:64]!r} is no address") from None
        inside = any(
            address.version == network.version and address in network for network in self.networks
        )
        if not (inside or is_public(address)):
            raise RejectedError(
                f"{address} is no address of the public internet; if it is meant, "
                "add its network to allow_networks"
            )

    def check_url(self, url: URL) -> None:
        """Raise ``RejectedError`` unless this URL may be asked for, as far as its text tells."""
        if url.scheme not in {"http", "https"}:
            raise RejectedError("the link is neither http nor https")
        if url.raw_user is not None or url.raw_password is not None:
            raise RejectedError("the link holds a user name or password")
        host = url.host
        if not host:
            raise RejectedError("the link names no host")
        if not any(host_matches(host, pattern) for pattern in self.hosts):
            allowed = ", ".join(self.hosts) or "no host at all"
            raise RejectedError(
                f"the link leads to {host[:253]!r}, and files of this source are fetched from "
                f"{allowed}; if it is meant, add it to allow_hosts"
            )


def host_matches(host: str, pattern: str) -> bool:
    """Tell whether a host is the one named, or below the one named ``*.example.com``.

    The dot at the end of a full name makes no difference, nor does letter case.
    """
    host, pattern = host.rstrip(".").lower(), pattern.rstrip(".").lower()
    if pattern == "*":
        return True
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern.strip("[]")


def headers_for(
    url: URL, by_host: Sequence[tuple[str, dict[str, str]]], networks: Sequence[Network]
) -> dict[str, str]:
    """Return the configured headers for a URL. They never go unencrypted over a network."""
    host = url.host or ""
    if url.scheme != "https" and not _is_inside(host, networks):
        return {}
    found: dict[str, str] = {}
    for pattern, headers in by_host:
        if host_matches(host, pattern):
            found |= headers
    return found


def parse_url(text: str) -> URL:
    """Read a link. Raises ``RejectedError`` for what two programs might read in two ways."""
    if len(text) > LONGEST_URL:
        raise RejectedError(f"the link has more than {LONGEST_URL} characters")
    if any(char <= " " or char in "\x7f\\" for char in text):
        raise RejectedError("the link holds spaces, controls or backslashes")
    try:
        # As it is, where it is ASCII: to quote it anew would break a signature in it.
        url = URL(text, encoded=text.isascii())
        _ = url.host, url.port  # what cannot be read shows here
    except (ValueError, UnicodeError):
        raise RejectedError("the link is no URL") from None
    return url.with_fragment(None) if url.raw_fragment else url


def redirected(url: URL, location: str) -> URL:
    """Return where a redirect leads. Raises ``RejectedError`` from https to http."""
    target = parse_url(location) if "://" in location else url.join(parse_url(location))
    if url.scheme == "https" and target.scheme != "https":
        raise RejectedError("the link is redirected from https to http")
    return target


def _is_inside(host: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address.version == each.version and address in each for each in networks)
