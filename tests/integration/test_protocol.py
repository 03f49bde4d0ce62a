"""The hardened protocol, in a real uvicorn server, seen from raw sockets and from curl."""

import asyncio
import contextlib
import gc
import json
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from sinkwell.web.protocol import PROBLEM_BASE, ProtocolLimits, hardened

LIMITS = ProtocolLimits(header_deadline=0.4, header_bytes=4096, body_idle=0.3, linger=0.3)
KEEP_ALIVE = 1
LARGE = 20_000_000  # more than the buffers between the two can hold
SLACK = 0.6  # for a busy machine

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class App:
    """Answers by path, and remembers what it was told."""

    scopes: list[HTTPScope] = field(default_factory=list)
    disconnects: list[str] = field(default_factory=list)
    received: int = 0

    async def __call__(
        self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        self.scopes.append(scope)
        await asyncio.sleep(float(scope["query_string"] or b"0"))
        path, status, answer = scope["path"], 200, b"hello"
        headers: list[tuple[bytes, bytes]] = []
        if path.startswith("/refuse/"):
            status, answer = int(path.split("/")[2]), b"refused"
            if path.endswith("/close"):
                headers = [(b"connection", b"close")]
        elif path == "/large":
            answer = b"a" * LARGE
        elif path == "/start":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await self._read(path, receive)
            await send({"type": "http.response.body", "body": answer, "more_body": False})
            return
        elif path != "/":
            body = await self._read(path, receive)
            if body is None:
                return
            answer = b"%d" % len(body)
            if path == "/wait":
                await self._read(path, receive)
        headers.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def _read(self, path: str, receive: ASGIReceiveCallable) -> bytes | None:
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                self.disconnects.append(path)
                return None
            body += message["body"]
            self.received += len(message["body"])
            if not message["more_body"]:
                return body


@dataclass(repr=False)
class Running:
    app: App
    server: uvicorn.Server
    port: int

    @contextlib.contextmanager
    def client(self, sent: bytes = b"") -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(sent)
            yield client

    def answers_to(self, *sent: bytes) -> list[bytes]:
        """Send each over a connection of its own; return all that comes until they are closed."""
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self.client(data)) for data in sent]
            return [read_to_end(client) for client in clients]

    def answer_to(self, sent: bytes) -> bytes:
        return self.answers_to(sent)[0]

    def settled(self) -> bool:
        """Say whether, within the time for lingering, no connection is left in the server."""
        return within(
            LIMITS.linger + KEEP_ALIVE + SLACK, lambda: not self.server.server_state.connections
        )


@contextlib.contextmanager
def serving(protocol: type[asyncio.Protocol], loop: str = "uvloop") -> Iterator[Running]:
    app = App()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    config = Config(
        app,
        http=protocol,
        ws=asyncio.Protocol,  # which answers nothing, should it ever be given a connection
        loop=loop,
        lifespan="off",
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        assert within(10, lambda: server.started), "the server did not start"
        yield Running(app, server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
    assert not thread.is_alive(), "the server did not stop"


on_both_loops = pytest.mark.parametrize("shared", ["uvloop", "asyncio"], indirect=True)


@pytest.fixture(scope="module", autouse=True)
def _heap_of_others() -> Iterator[None]:
    """Keep what other tests left in this process out of the collector's way.

    The server runs in this process, and one look at the heap of thousands of tests stops it for
    longer than its own deadlines.
    """
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[Running]:
    with serving(hardened(LIMITS), getattr(request, "param", "uvloop")) as running:
        yield running


@pytest.fixture
def running(shared: Running) -> Iterator[Running]:
    shared.app.scopes.clear()
    shared.app.disconnects.clear()
    shared.app.received = 0
    yield shared
    assert shared.settled(), "a connection was left open"


def within(seconds: float, condition: Any) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def read_to_end(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            received += data
    return received


def read_answer(client: socket.socket) -> bytes:
    """Read one answer whose length is known."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(1) or pytest.fail(f"closed after {received!r}")
    length = int(received.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += client.recv(length - len(body)) or pytest.fail(f"closed after {received!r}")
    return received + body


def assert_problem(answer: bytes, status: int, name: str) -> None:
    """The answer is one problem document, and says that the connection ends."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    headers = head.lower().split(b"\r\n")
    assert b"content-type: application/problem+json" in headers
    assert b"connection: close" in headers
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["type"] == PROBLEM_BASE + name
    assert problem["title"]
    assert problem["detail"]


# --- headers in time --------------------------------------------------------------------------


@on_both_loops
def test_headers_that_do_not_come_are_answered_408(running: Running) -> None:
    began = time.monotonic()
    answers = running.answers_to(b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nA")
    took = time.monotonic() - began
    for answer in answers:
        assert_problem(answer, 408, "request-timeout")
    assert LIMITS.header_deadline - 0.05 < took < LIMITS.header_deadline + SLACK
    assert not running.app.scopes


def test_headers_that_trickle_are_answered_408_all_the_same(running: Running) -> None:
    began = time.monotonic()
    with running.client(b"GET / HTTP/1.1\r\n") as client:
        client.settimeout(0.1)
        answer = b""
        while not answer:
            assert time.monotonic() < began + LIMITS.header_deadline + SLACK, "still open"
            client.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                answer = client.recv(65536)
    assert_problem(answer, 408, "request-timeout")


def test_the_deadline_holds_for_later_requests_too(running: Running) -> None:
    with running.client(GET) as nothing, running.client(GET) as half:
        read_answer(nothing)
        read_answer(half)
        time.sleep(LIMITS.header_deadline + 0.1)  # the first deadline has passed and is forgotten
        began = time.monotonic()
        nothing.sendall(b"\r\n")
        half.sendall(b"G")
        assert_problem(read_to_end(nothing), 408, "request-timeout")
        assert_problem(read_to_end(half), 408, "request-timeout")
        assert time.monotonic() - began < LIMITS.header_deadline + SLACK


def test_half_a_request_waits_for_the_answer_to_an_earlier_one(running: Running) -> None:
    slow = b"GET /read?%.1f HTTP/1.1\r\n\r\n" % (1.6 * LIMITS.header_deadline)
    with running.client(slow) as client:
        time.sleep(0.05)
        client.sendall(GET[:-2])
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")
        client.sendall(GET[-2:])
        assert read_answer(client).endswith(b"hello")


def test_an_idle_connection_is_closed_in_silence_after_the_keep_alive_time(
    running: Running,
) -> None:
    with running.client(GET) as client:
        read_answer(client)
        began = time.monotonic()
        assert read_to_end(client) == b""
        assert KEEP_ALIVE - 0.1 < time.monotonic() - began < KEEP_ALIVE + SLACK


# --- headers of a bearable size ---------------------------------------------------------------


@on_both_loops
def test_two_megabytes_of_headers_are_answered_431_and_not_read(running: Running) -> None:
    with running.client(b"GET / HTTP/1.1\r\nA: ") as client:
        for _ in range(32):
            client.sendall(b"a" * 65536)
        assert_problem(read_to_end(client), 431, "headers-too-large")
    assert not running.app.scopes


@pytest.mark.parametrize("first", [b"", POST % 3 + b"abc"])
def test_headers_too_large_by_themselves_are_answered_431(running: Running, first: bytes) -> None:
    with running.client(first) as client:
        if first:
            read_answer(client)
        client.sendall(b"GET / HTTP/1.1\r\nA: " + b"a" * LIMITS.header_bytes + b"\r\n\r\n")
        assert_problem(read_to_end(client), 431, "headers-too-large")
    assert all(scope["method"] == "POST" for scope in running.app.scopes)


def test_large_headers_behind_another_request_do_not_take_its_answer(running: Running) -> None:
    large = b"GET /large HTTP/1.1\r\nA: " + b"a" * LIMITS.header_bytes + b"\r\n\r\n"
    answer = running.answer_to(b"GET /read?0.2 HTTP/1.1\r\n\r\n" + large)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert [scope["path"] for scope in running.app.scopes] == ["/read"]


def test_headers_as_large_as_allowed_come_with_any_body(running: Running) -> None:
    header = b"A: " + b"a" * (LIMITS.header_bytes - 100) + b"\r\n\r\n"
    body = b"b" * 200_000
    request = (POST % len(body))[:-2] + header + body
    with running.client(request + request) as client:
        assert read_answer(client).endswith(b"200000")
        assert read_answer(client).endswith(b"200000")


def test_headers_as_large_as_allowed_leave_room_for_chunk_sizes(running: Running) -> None:
    header = b"A: " + b"a" * (LIMITS.header_bytes - len(CHUNKED) - 5) + b"\r\n\r\n"
    with running.client(CHUNKED[:-2] + header) as client:
        for part in (b"00000003", b"\r\nabc\r\n0\r\n\r\n"):
            time.sleep(0.02)
            client.sendall(part)
        assert read_answer(client).endswith(b"3")


def test_trailers_without_end_are_cut_off(running: Running) -> None:
    with running.client(CHUNKED + b"3\r\nabc\r\n0\r\n") as client:
        for _ in range(32):
            client.sendall(b"T: " + b"t" * 1000 + b"\r\n")
        assert_problem(read_to_end(client), 431, "headers-too-large")
    assert within(1, lambda: running.app.disconnects == ["/read"])


def test_trailers_do_not_become_headers(running: Running) -> None:
    with running.client(CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n") as client:
        assert read_answer(client).endswith(b"3")
    assert [name for name, _ in running.app.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


# --- bodies that stop -------------------------------------------------------------------------


@on_both_loops
def test_a_body_that_stops_becomes_a_disconnect(running: Running) -> None:
    stopped = [POST % 9 + b"abc", CHUNKED + b"3\r\nab", CHUNKED, POST % 10**6 + b"a" * 300_000]
    began = time.monotonic()
    assert running.answers_to(*stopped) == [b""] * 4
    took = time.monotonic() - began
    assert LIMITS.body_idle - 0.05 < took < LIMITS.body_idle + SLACK
    assert within(1, lambda: running.app.disconnects == ["/read"] * 4)


def test_a_body_that_stops_after_the_answer_began_becomes_a_disconnect(running: Running) -> None:
    answer = running.answer_to(b"POST /start HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert within(1, lambda: running.app.disconnects == ["/start"])


def test_garbage_in_a_body_does_not_go_into_an_answer_that_began(running: Running) -> None:
    with running.client(CHUNKED.replace(b"/read", b"/start")) as client:
        began = client.recv(65536)
        assert began.startswith(b"HTTP/1.1 200 ")
        client.sendall(b"zz\r\n")
        assert b"HTTP" not in read_to_end(client)


@on_both_loops
def test_who_goes_away_is_noticed_behind_a_pipeline_too(running: Running) -> None:
    with running.client(GET.replace(b"/", b"/wait", 1) + GET):
        assert within(1, lambda: bool(running.app.scopes))
    assert within(1, lambda: running.app.disconnects == ["/wait"])


def test_a_slow_body_that_moves_is_read_to_its_end(running: Running) -> None:
    with running.client(POST % 6) as client:
        for _ in range(6):
            time.sleep(LIMITS.body_idle / 3)
            client.sendall(b"a")
        assert read_answer(client).endswith(b"6")


def test_time_in_which_the_server_itself_does_not_read_does_not_count(running: Running) -> None:
    request = b"POST /read?%.2f HTTP/1.1\r\nContent-Length: 100001\r\n\r\n"
    request %= 0.9 * LIMITS.body_idle
    with running.client(request + b"a" * 100_000) as client:  # enough for reading to be paused
        time.sleep(1.4 * LIMITS.body_idle)
        client.sendall(b"a")
        assert read_answer(client).endswith(b"100001")


def test_a_request_in_a_pipeline_may_wait_for_longer_than_a_body_may_stop(
    running: Running,
) -> None:
    slow = b"GET /read?%.1f HTTP/1.1\r\n\r\n" % (1.6 * LIMITS.body_idle)
    with running.client(slow + POST % 3 + b"ab") as client:
        assert read_answer(client).endswith(b"0")
        client.sendall(b"c")
        assert read_answer(client).endswith(b"3")


# --- early answers ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gigabyte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("upload") / "gigabyte"
    with path.open("wb") as file:
        file.truncate(10**9)  # sparse: it takes no room
    return path


@on_both_loops
@pytest.mark.parametrize("path", ["/refuse/403", "/refuse/413", "/refuse/503/close"])
@pytest.mark.parametrize("options", [(), ("-H", "Expect:"), ("-0",)], ids=str)
def test_curl_reads_the_refusal_of_a_gigabyte(
    running: Running, gigabyte: Path, path: str, options: tuple[str, ...]
) -> None:
    url = f"http://127.0.0.1:{running.port}{path}"
    figures = "\n%{http_code} %{size_upload}"
    command = ["curl", "-sS", "-w", figures, "-T", str(gigabyte), *options, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    answer, numbers = done.stdout.split("\n")
    status, uploaded = numbers.split()
    assert answer == "refused"
    assert status == path.split("/")[2]
    assert int(uploaded) < 100_000_000


@on_both_loops
def test_an_early_answer_says_that_it_is_the_last(running: Running) -> None:
    with running.client(b"POST /refuse/413 HTTP/1.1\r\nContent-Length: 1000\r\n\r\n") as client:
        answer = read_answer(client)
        assert b"\r\nconnection: close\r\n" in answer
        client.sendall(b"a" * 500)  # still taken, so that no reset overtakes the answer
        assert client.recv(1) == b""


@on_both_loops
def test_who_sends_it_all_before_reading_reads_the_early_answer(running: Running) -> None:
    size = LIMITS.linger_bytes - 1024 * 1024  # more than the buffers between the two can hold
    request = b"POST /refuse/413?0.1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
    with running.client(request) as client:
        client.sendall(b"a" * size)
        assert read_answer(client).endswith(b"refused")


@on_both_loops
def test_who_sends_on_after_an_early_answer_is_cut_off(running: Running) -> None:
    sent, began = 0, time.monotonic()
    request = b"POST /refuse/413 HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n"
    with running.client(request) as client, contextlib.suppress(ConnectionError):
        while sent < 10**9:
            sent += client.send(b"a" * 65536)
    assert sent < 100_000_000
    assert time.monotonic() - began < LIMITS.linger + SLACK


@on_both_loops
def test_who_stays_after_an_early_answer_is_cut_off(running: Running) -> None:
    with running.client(b"POST /refuse/413 HTTP/1.1\r\nContent-Length: 9\r\n\r\n") as client:
        began = time.monotonic()
        read_answer(client)
        assert read_to_end(client) == b""
        assert time.monotonic() - began < LIMITS.linger / 2, "not told that the answer is the last"
        assert within(LIMITS.linger + SLACK, lambda: not running.server.server_state.connections)
        assert time.monotonic() - began > LIMITS.linger - 0.1


def test_a_refusal_after_the_whole_body_keeps_the_connection(running: Running) -> None:
    with running.client(b"POST /refuse/403 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc") as client:
        assert b"connection: close" not in read_answer(client)
        client.sendall(GET)
        assert read_answer(client).endswith(b"hello")


# --- what is no HTTP --------------------------------------------------------------------------

MALFORMED = {
    "no method": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no path": b"GET\r\n\r\n",
    "words": b"hello there, server\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 in the line": b"GET / HTTP/2.0\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3.7": b"GET / HTTP/3.7\r\n\r\n",
    "CONNECT": b"CONNECT example.com:443 HTTP/1.1\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare carriage return": b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nA\0: b\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
    "both lengths": POST[:-2] % 5 + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, turned round": CHUNKED[:-2] + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST[:-2] % 5 + b"Content-Length: 6\r\n\r\nabcdef",
    "a list of lengths": b"POST /read HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\nabcdef",
    "negative length": b"POST /read HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "signed length": b"POST /read HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
    "unknown coding": b"POST /read HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding after chunked": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunk size garbage": CHUNKED + b"zz\r\nabc\r\n",
    "chunk size overflow": CHUNKED + b"fffffffffffffffff\r\n",
    "chunk longer than said": CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_http_is_answered_400(
    running: Running, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = running.app
    with running.client(sent) as client:
        assert_problem(read_to_end(client), 400, "malformed-request")
        assert within(LIMITS.linger / 2, lambda: len(app.disconnects) == len(app.scopes))
    assert_no_trouble(caplog)


def assert_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    assert not [it.exc_text for it in caplog.records if it.exc_info or it.levelno >= logging.ERROR]


@pytest.mark.parametrize("size", [1, 7])
def test_what_is_no_http_is_answered_400_however_it_is_cut(running: Running, size: int) -> None:
    sent = MALFORMED["both lengths"]
    with running.client() as client:
        with contextlib.suppress(ConnectionError):
            for i in range(0, len(sent), size):
                client.sendall(sent[i : i + size])
                time.sleep(0.001)
        assert_problem(read_to_end(client), 400, "malformed-request")


def test_garbage_behind_a_request_does_not_take_its_answer(running: Running) -> None:
    answer = running.answer_to(GET + b"\0\1\2")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"hello")


def test_garbage_in_a_queued_body_does_not_take_an_earlier_answer(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    slow = b"GET /refuse/403?0.2 HTTP/1.1\r\n\r\n"
    assert running.answer_to(slow + CHUNKED + b"zz\r\n") == b""
    time.sleep(0.3)  # until the first request would be answered
    assert_no_trouble(caplog)


@given(st.sampled_from([b"", GET[:20], CHUNKED, CHUNKED + b"5\r\n"]), st.binary(max_size=200))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_sent_only_http_comes_back_and_nothing_breaks(
    running: Running, caplog: pytest.LogCaptureFixture, head: bytes, tail: bytes
) -> None:
    caplog.clear()
    with running.client(head + tail) as client:
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client)[:9] in {b"", b"HTTP/1.1 "}
    assert_no_trouble(caplog)


# --- what must go on working ------------------------------------------------------------------


def test_requests_on_one_connection_are_answered_in_turn(running: Running) -> None:
    with running.client() as client:
        for size in (0, 1, 100_000, 5):
            client.sendall(POST % size + b"a" * size)
            assert read_answer(client).endswith(b"\r\n%d" % size)
        client.sendall(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")
        assert read_answer(client).endswith(b"\r\n3")


@on_both_loops
def test_requests_in_a_pipeline_are_answered_in_turn(running: Running) -> None:
    with running.client(b"".join(POST % n + b"a" * n + GET for n in range(20))) as client:
        for n in range(20):
            assert read_answer(client).endswith(b"\r\n%d" % n)
            assert read_answer(client).endswith(b"hello")


def test_who_asks_to_close_is_answered_and_closed(running: Running) -> None:
    answer = running.answer_to(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    assert answer.endswith(b"hello")
    assert running.answer_to(b"GET / HTTP/1.0\r\n\r\n").endswith(b"hello")


def test_who_asks_for_leave_to_send_gets_it(running: Running) -> None:
    with running.client((POST % 3)[:-2] + b"Expect: 100-continue\r\n\r\n") as client:
        assert client.recv(25, socket.MSG_WAITALL) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert read_answer(client).endswith(b"3")


@pytest.mark.parametrize("to", [b"websocket", b"h2c"])
def test_an_upgrade_is_not_granted_and_ends_the_connection(running: Running, to: bytes) -> None:
    asked = GET[:-2] + b"Connection: upgrade\r\nUpgrade: %b\r\n\r\n" % to
    answer = running.answer_to(asked + b"GET /smuggled HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert [scope["path"] for scope in running.app.scopes] == ["/"]


def test_a_large_answer_that_is_the_last_is_read_to_its_end(running: Running) -> None:
    upgrade = b"GET /large HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with running.client(upgrade) as client:
        time.sleep(2.5 * LIMITS.linger)
        assert len(read_answer(client)) > LARGE


# --- crowds, and the end ----------------------------------------------------------------------


@on_both_loops
def test_good_clients_are_served_among_five_hundred_that_stall(running: Running) -> None:
    stalls = [b"", b"GET / HTTP/1.1\r\n", POST % 10 + b"abc", CHUNKED + b"3\r\nab"]
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(running.client(stalls[n % 4])) for n in range(500)]
        all_sent = time.monotonic()
        slowest = 0.0
        while time.monotonic() < all_sent + LIMITS.header_deadline:
            began = time.monotonic()
            with running.client(GET) as good:
                assert read_answer(good).endswith(b"hello")
            slowest = max(slowest, time.monotonic() - began)
        with ThreadPoolExecutor(8) as readers:
            answers = list(readers.map(read_to_end, stalled))
        assert time.monotonic() < all_sent + LIMITS.header_deadline + SLACK
    assert slowest < SLACK
    assert sum(answer.startswith(b"HTTP/1.1 408 ") for answer in answers) == 250
    assert answers.count(b"") == 250


def test_a_server_that_stops_still_takes_the_body_that_is_on_its_way() -> None:
    with serving(hardened(LIMITS)) as running, running.client(POST % 6 + b"abc") as client:
        assert within(1, lambda: running.app.received == 3)
        running.server.should_exit = True
        time.sleep(0.2)
        client.sendall(b"def")
        answer = read_to_end(client)
    assert b"connection: close" in answer
    assert answer.endswith(b"6")


def test_the_limits_have_the_promised_defaults() -> None:
    assert ProtocolLimits() == ProtocolLimits(10.0, 32768, 30.0, 5.0, 16 * 2**20)


# --- what is relied upon inside uvicorn -------------------------------------------------------


async def test_uvicorn_still_has_what_the_protocol_relies_upon() -> None:
    protocol = HttpToolsProtocol(Config(App(), log_config=None), ServerState(), {})
    transport = mock.Mock(spec=asyncio.Transport)
    transport.get_extra_info.return_value = None
    protocol.connection_made(transport)
    before = protocol.cycle
    protocol.data_received(POST % 3)
    assert before is None, changed("cycle is no longer None before the first request")
    has = {
        protocol: """cycle pipeline flow parser url headers ws_protocol_class loop transport
            server_state send_400_response _unsupported_upgrade_warning _start_asgi_task
            on_headers_complete on_body on_message_complete shutdown""",
        protocol.cycle: """response_started response_complete keep_alive disconnected
            message_event""",
        protocol.flow: "read_paused resume_reading",
        protocol.server_state: "default_headers",
    }
    for thing, names in has.items():
        for name in names.split():
            assert hasattr(thing, name), changed(f"{type(thing).__name__}.{name} is gone")
    assert isinstance(protocol.cycle, RequestResponseCycle), changed("cycle is another class")
    assert protocol.cycle.keep_alive is True, changed("keep_alive means something else")
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)


def changed(what: str) -> str:
    return (
        f"uvicorn {uvicorn.__version__}: {what}. sinkwell/web/protocol.py relies on it: "
        "see the list there and uvicorn's httptools_impl.py"
    )
