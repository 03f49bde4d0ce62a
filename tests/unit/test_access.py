"""Who may use the API, and who may not although they get as far as its door."""

import socket
import stat
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, get
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from sinkwell.contract import Secret
from sinkwell.control import control_address
from sinkwell.web import problems
from sinkwell.web.access import api_guard, is_loopback, through_control_socket
from sinkwell.web.server import bind_control

TOKEN = "admin-token-0123456789"
HERE = ("127.0.0.1", 40000)
LOCAL = "http://127.0.0.1:8080"


@cache
def api(token: str | None = None) -> Litestar:
    @get("/api/v1/files")
    async def list_files() -> list[str]:
        return ["f1"]

    secret = Secret(token) if token is not None else None
    return Litestar(
        [list_files],
        guards=[api_guard(secret)],
        openapi_config=None,
        logging_config=None,
        exception_handlers={HTTPException: problems.on_http_exception},
    )


async def status(
    app: ASGIApp,
    headers: dict[str, str] | None = None,
    *,
    base: str = LOCAL,
    client: tuple[str, int] = HERE,
) -> int:
    transport = httpx.ASGITransport(app=app, client=client)  # type: ignore[arg-type]  # Litestar's ASGI types
    async with httpx.AsyncClient(transport=transport, base_url=base) as asking:
        answer = await asking.get("/api/v1/files", headers=headers)
    if answer.status_code != 200:
        assert answer.headers["content-type"] == problems.MEDIA_TYPE
        assert answer.json()["type"].endswith("/not-authorized")
        assert "f1" not in answer.text
        assert TOKEN not in answer.text
    return answer.status_code


# --- with a token -----------------------------------------------------------------------------


@pytest.mark.parametrize("client", [HERE, ("203.0.113.9", 40000)])
async def test_who_holds_the_token_is_let_in_from_anywhere(client: tuple[str, int]) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert await status(api(TOKEN), headers, base="https://x.example", client=client) == 200


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}0",
        f"Bearer {TOKEN.upper()}",
        f"Basic {TOKEN}",
        f"Bearer{TOKEN}",
        TOKEN,
    ],
)
async def test_who_does_not_hold_the_token_is_not_let_in(given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given}
    assert await status(api(TOKEN), headers) == 401


@given(st.binary(max_size=60))
async def test_no_header_breaks_the_comparison(given: bytes) -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/files",
        "raw_path": b"/api/v1/files",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer " + given)],
        "client": HERE,
        "server": ("127.0.0.1", 8080),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "extensions": {},
    }
    sent: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    await api(TOKEN)(scope, receive, send)  # type: ignore[arg-type]  # a scope made by hand
    assert sent == [200 if given.strip() == TOKEN.encode() else 401]


async def test_who_is_refused_learns_what_to_send() -> None:
    transport = httpx.ASGITransport(app=api(TOKEN), client=HERE)  # type: ignore[arg-type]  # as above
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as asking:
        answer = await asking.get("/api/v1/files")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization" in answer.json()["detail"]


# --- without one ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "client"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("http://127.0.0.1", "127.0.0.1"),
        ("http://localhost:8080", "127.0.0.1"),
        ("http://LocalHost", "127.0.0.1"),
        ("http://[::1]:8080", "::1"),
        ("http://[::1]", "::1"),
        ("http://127.8.9.10:8080", "127.0.0.1"),
    ],
)
async def test_this_machine_is_let_in_without_a_token(base: str, client: str) -> None:
    assert await status(api(), base=base, client=(client, 40000)) == 200


@pytest.mark.parametrize("client", ["203.0.113.9", "192.168.1.5", "::ffff:10.0.0.1", "fe80::1"])
async def test_no_other_machine_is(client: str) -> None:
    assert await status(api(), client=(client, 40000)) == 401


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:8080",
        "127.0.0.1.rebound.example:8080",
        "localhost.rebound.example",
        "rebound.example@127.0.0.1.",
        "localhost.",
        "0.0.0.0:8080",
        "[::]:8080",
        "192.168.1.5:8080",
        "2130706433",
        "0x7f000001",
        "127.1",
        "",
        ":8080",
        "[",
        "]",
    ],
)
async def test_a_name_that_was_pointed_here_is_not(host: str) -> None:
    assert await status(api(), {"Host": host}) == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": LOCAL},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "https://127.0.0.1:8080"},
        {"Origin": "http://127.0.0.1:8080.evil.example"},
        {"Origin": "http://localhost:8080"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_a_page_of_another_site_is_not(headers: dict[str, str]) -> None:
    assert await status(api(), headers) == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": LOCAL},
        {"Origin": LOCAL},
    ],
)
async def test_our_own_page_is(headers: dict[str, str]) -> None:
    assert await status(api(), headers) == 200


async def test_a_token_that_nobody_asked_for_opens_nothing() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "rebound.example"}
    assert await status(api(), headers) == 401


# --- the control socket -----------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, TOKEN])
async def test_the_control_socket_needs_no_token(token: str | None) -> None:
    app = api(token)
    assert await status(through_control_socket(app), base="http://sinkwell") == 200
    assert await status(app, base="http://sinkwell") == 401, "the mark stayed on the application"


async def test_no_header_passes_for_the_control_socket() -> None:
    marks = {"sinkwell.control": "1", "extensions": "sinkwell.control", "X-Forwarded-For": "::1"}
    assert await status(api(TOKEN), marks) == 401


def test_only_its_owner_may_open_the_control_socket(tmp_path: Path) -> None:
    with bind_control(tmp_path):
        (made,) = tmp_path.iterdir()
        assert stat.S_ISSOCK(made.stat().st_mode)
        assert stat.S_IMODE(made.stat().st_mode) == 0o600


def connect(data_dir: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client, control_address(data_dir) as address:
        client.connect(address)


def test_the_control_socket_of_a_process_that_was_killed_is_replaced(tmp_path: Path) -> None:
    bind_control(tmp_path).close()
    with bind_control(tmp_path):
        connect(tmp_path)


def test_a_path_of_any_length_has_a_control_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    with bind_control(deep):
        connect(deep)


# --- addresses --------------------------------------------------------------------------------


@given(st.ip_addresses())
def test_only_loopback_addresses_are_taken_for_this_machine(address: object) -> None:
    assert is_loopback(str(address)) == address.is_loopback  # type: ignore[attr-defined]  # v4 and v6 have it


@given(st.text(max_size=30))
def test_no_text_breaks_the_question(host: str) -> None:
    assert is_loopback(host) in {True, False}


@pytest.mark.parametrize(
    "header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"]
)
async def test_what_a_proxy_on_this_machine_passes_on_needs_a_token(header: str) -> None:
    assert await status(api(), {header: "203.0.113.9"}) == 401
    held = {header: "203.0.113.9", "Authorization": f"Bearer {TOKEN}"}
    assert await status(api(TOKEN), held) == 200
