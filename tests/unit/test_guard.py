"""Connections go to public addresses, and to those that the settings name; to no others."""

import socket
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.connecting import guarded_connector
from sinkwell.guard import ForbiddenAddressError, check_address, is_public, parse_networks

PRIVATE = (
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "fc00::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.169.0.1", "2606:4700::1111")


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_no_public_address_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(ForbiddenAddressError, match="allow_networks"):
        check_address("host", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(ip_address(address))
    check_address("host", address)


@given(st.ip_addresses())
def test_a_network_that_is_named_is_allowed(address: Any) -> None:
    check_address("host", str(address), parse_networks([str(address)]))
    assert is_public(address) <= address.is_global, "never more than Python's own idea of it"


async def test_a_name_with_one_private_answer_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as honeypot:
        port = honeypot.getsockname()[1]

        def answers(host: str, *_: Any, **__: Any) -> list[Any]:
            found = ("8.8.8.8", "127.0.0.1")
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

        monkeypatch.setattr(socket, "getaddrinfo", answers)
        async with aiohttp.ClientSession(connector=guarded_connector((), limit=1)) as session:
            with pytest.raises(aiohttp.ClientConnectorError) as raised:
                await session.get(f"http://rebinding.example:{port}/")
        honeypot.settimeout(0.1)
        with pytest.raises(TimeoutError):
            honeypot.accept()
    assert isinstance(raised.value.os_error, ForbiddenAddressError)
