"""The guard of fetches: no link makes this machine connect to where it must not."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest
from hostile_urls import ANSWERS, LOOPBACK_NAMES, hostile_urls
from link_server import LinkServer, answer, link_server

from sinkwell.contract import RejectedError, SinkError, TransientError
from sinkwell.guard import is_public
from sinkwell.intake.fetcher import Fetcher
from sinkwell.intake.guard import FetchRules, host_matches, parse_url, redirected
from sinkwell.intake.limits import IntakeLimits

ANYWHERE = FetchRules.of(["*"], [])
"""With every host allowed, the addresses alone must be enough."""
LIMITS = IntakeLimits(max_file_size=100_000, idle_timeout=2.0, total_timeout=5.0)
PUBLIC = ("8.8.8.8", "93.184.215.14", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001:81b::200e")


@contextmanager
def honeypots() -> Iterator[tuple[int, list[str]]]:
    """Listen on one port of 127.0.0.1 (and all of its network) and ::1; note who connects."""
    visits: list[str] = []
    first = socket.create_server(("0.0.0.0", 0))
    port = first.getsockname()[1]
    second = socket.create_server(("::1", port), family=socket.AF_INET6)

    def watch(listening: socket.socket) -> None:
        while True:
            try:
                connection, (host, *_) = listening.accept()
            except OSError:
                return
            visits.append(host)
            connection.close()

    threads = [threading.Thread(target=watch, args=(each,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    try:
        yield port, visits
    finally:
        for each in (first, second):
            each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in threads:
            thread.join()


async def resolve(host: str, port: int) -> Sequence[Any]:
    """Answer as a sender's own name server would; other names as the system does."""
    if host not in ANSWERS:
        # Names as they are in /etc/hosts and numbers in any spelling, but no name server.
        flags = 0 if host.lower().rstrip(".") in LOOPBACK_NAMES else socket.AI_NUMERICHOST
        loop = asyncio.get_running_loop()
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [
        (
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            "",
            (address, port),
        )
        for address in ANSWERS[host]
    ]


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(ANYWHERE, {}, LIMITS, resolve)
    yield fetcher
    await fetcher.close()


async def fetch(fetcher: Fetcher, url: str) -> bytes:
    async with fetcher.get(url) as found:
        return b"".join([chunk async for chunk in found.chunks])


def test_there_are_two_hundred_hostile_links() -> None:
    assert len(set(hostile_urls(80))) >= 200


async def test_no_hostile_link_makes_a_connection(fetcher: Fetcher) -> None:
    with honeypots() as (port, visits):
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("::1", port)):
            pass  # the honeypots do notice
        await asyncio.sleep(0.1)
        assert len(visits) == 2
        visits.clear()
        for url in hostile_urls(port):
            with pytest.raises(SinkError):
                await fetch(fetcher, url)
            assert not visits, f"{url!r} made a connection from {visits}"


async def test_no_redirect_leads_to_a_hostile_link() -> None:
    rules = FetchRules.of(["*"], ["127.0.0.77/32"])
    fetcher = Fetcher(rules, {}, LIMITS, resolve)
    with link_server("127.0.0.77") as server, honeypots() as (port, visits):
        for number, url in enumerate(hostile_urls(port)):
            if not url.isprintable() or not url.isascii():
                continue  # no header holds it
            path = f"/{number}"
            server.serve(path, answer(status=302, Location=url))
            with pytest.raises(SinkError):
                await fetch(fetcher, f"{server.url}{path}")
            assert not visits, f"a redirect to {url!r} made a connection"
    await fetcher.close()


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    ("host", "pattern", "matches"),
    [
        ("cdn.example.com", "cdn.example.com", True),
        ("CDN.example.com.", "cdn.EXAMPLE.com", True),
        ("a.example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("badexample.com", "*.example.com", False),
        (".example.com", "*.example.com", False),
        ("example.com.evil.net", "*.example.com", False),
        ("example.com.evil.net", "example.com", False),
        ("::1", "[::1]", True),
        ("anything", "*", True),
    ],
)
def test_hosts_are_matched_as_a_whole(host: str, pattern: str, *, matches: bool) -> None:
    assert host_matches(host, pattern) is matches


def test_a_signed_link_is_asked_for_as_it_is() -> None:
    link = "https://b.s3.amazonaws.com/a%2Fb%20c~d?X-Sig=%2B%2f%3D&e=%7E"
    assert str(parse_url(link)) == link


@pytest.mark.parametrize("location", ["http://example.com/", "HTTP://example.com/"])
def test_a_redirect_from_https_to_http_is_refused(location: str) -> None:
    with pytest.raises(RejectedError, match="from https to http"):
        redirected(parse_url("https://example.com/a"), location)


def test_a_relative_redirect_stays_on_its_host() -> None:
    url = redirected(parse_url("https://example.com/a/b"), "../c?d")
    assert str(url) == "https://example.com/c?d"


# With a server that may be reached.


@pytest.fixture
def server() -> Iterator[LinkServer]:
    with link_server() as server:
        yield server


@pytest.fixture
async def local() -> AsyncIterator[Fetcher]:
    rules = FetchRules.of(["127.0.0.1"], ["127.0.0.1/32"])
    fetcher = Fetcher(rules, {"*": {"X-Key": "k"}}, LIMITS)
    yield fetcher
    await fetcher.close()


async def test_three_redirects_are_followed_and_no_more(local: Fetcher, server: LinkServer) -> None:
    server.serve("/0", answer(b"there"))
    for number in range(1, 5):
        server.serve(f"/{number}", answer(status=307, Location=f"/{number - 1}"))

    assert await fetch(local, f"{server.url}/3") == b"there"
    with pytest.raises(RejectedError, match="more than 3 times"):
        await fetch(local, f"{server.url}/4")


async def test_what_is_compressed_is_refused(local: Fetcher, server: LinkServer) -> None:
    url = server.serve("/gz", answer(b"\x1f\x8b", Content_Encoding="gzip"))
    with pytest.raises(RejectedError, match="compressed"):
        await fetch(local, url)


async def test_what_is_too_large_is_refused(local: Fetcher, server: LinkServer) -> None:
    url = server.serve("/large", answer(bytes(100_001)))
    with pytest.raises(RejectedError, match="announces 100001 bytes"):
        await fetch(local, url)


async def test_what_is_endless_is_cut_off(local: Fetcher, server: LinkServer) -> None:
    def pour(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(10):
            request.wfile.write(bytes(50_000))
        request.close_connection = True

    with pytest.raises(RejectedError, match="more than 100000 bytes"):
        await fetch(local, server.serve("/endless", pour))


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
async def test_who_falls_silent_is_not_waited_for(
    local: Fetcher, server: LinkServer, after: bytes
) -> None:
    silence = threading.Event()

    def stall(request: Any) -> None:
        request.wfile.write(after)
        request.wfile.flush()
        silence.wait(10)
        request.close_connection = True

    url = server.serve("/silent", stall)
    with pytest.raises(TransientError, match="within 2 seconds"):
        await fetch(local, url)
    silence.set()


@pytest.mark.parametrize(
    ("status", "headers", "error", "wait"),
    [
        (404, {}, TransientError, None),
        (403, {}, TransientError, None),
        (410, {}, RejectedError, None),
        (500, {}, TransientError, None),
        (503, {"Retry-After": "7"}, TransientError, 7.0),
        (429, {"Retry-After": "soon"}, TransientError, None),
        (206, {}, TransientError, None),
        (304, {}, TransientError, None),
    ],
)
async def test_an_answer_that_is_no_file_says_whether_to_try_again(
    local: Fetcher,
    server: LinkServer,
    status: int,
    headers: dict[str, str],
    error: type[SinkError],
    wait: float | None,
) -> None:
    url = server.serve("/odd", answer(status=status, **headers))  # type: ignore[arg-type]  # none of them is named as an option
    with pytest.raises(error, match=f"answered {status}") as raised:
        await fetch(local, url)
    assert getattr(raised.value, "retry_after", None) == wait


async def test_no_proxy_of_the_environment_is_used(
    local: Fetcher, server: LinkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await fetch(local, server.serve("/a", answer(b"direct"))) == b"direct"


async def test_no_cookie_is_kept(local: Fetcher, server: LinkServer) -> None:
    url = server.serve("/a", answer(b"x", Set_Cookie="session=1; Path=/"))
    await fetch(local, url)
    await fetch(local, url)
    assert all("cookie" not in headers for _, headers in server.asked)


async def test_headers_go_unencrypted_only_where_the_network_is_allowed(
    server: LinkServer, local: Fetcher
) -> None:
    url = server.serve("/a", answer(b"x"))
    await fetch(local, url)
    assert server.asked[-1][1]["x-key"] == "k"

    port = server.port

    async def here(_: str, __: int) -> Sequence[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    named = Fetcher(
        FetchRules.of(["files.example.com"], ["127.0.0.0/8"]), {"*": {"X-Key": "k"}}, LIMITS, here
    )
    await fetch(named, f"http://files.example.com:{port}/a")
    await named.close()
    assert "x-key" not in server.asked[-1][1]
