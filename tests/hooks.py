"""Somebody who is called by webhooks: takes them, and behaves badly when told to."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwc2Fs"
PRIVATE_KEY = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="
LOOPBACK = ["127.0.0.0/8"]


@dataclass(frozen=True, slots=True)
class Post:
    """A request as it arrived."""

    headers: dict[str, str]
    body: bytes
    status: int
    """What it was answered; 0 for nothing."""

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass(slots=True)
class Manner:
    """How requests are answered."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    does: str = "answers"
    """Or ``hangs``, ``hangs in its body``, ``resets``, ``sends for ever``."""


class Hook:
    """A server in a thread that keeps what it is posted."""

    def __init__(self) -> None:
        self.manner: Callable[[Post], Manner] = lambda _: Manner()
        self.posts: list[Post] = []
        self.bytes_sent = 0
        self.go_on = threading.Event()
        self.lock = threading.Lock()
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def taken(self) -> list[Post]:
        """The posts that were answered 2xx, in order."""
        with self.lock:
            return [post for post in self.posts if 200 <= post.status < 300]

    @contextmanager
    def behaving(self, **manner: Any) -> Iterator[None]:
        """Answer everything so for a while."""
        self.manner = lambda _: Manner(**manner)
        try:
            yield
        finally:
            self.manner = lambda _: Manner()
            self.go_on.set()
            self.go_on = threading.Event()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take no connections for a while."""
        self.close()
        yield
        self.go_on = threading.Event()
        self.start()

    def start(self) -> None:
        hook = self

        class Handler(_Handler):
            owner = hook

        self._server = _Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        self._thread = threading.Thread(target=serve)
        self._thread.start()

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for connection in list(self._connections):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    owner: Hook
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        owner = self.owner
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        manner = owner.manner(Post(headers, body, 0))
        silent = manner.does in ("hangs", "resets")
        with owner.lock:
            owner.posts.append(Post(headers, body, 0 if silent else manner.status))
        if manner.does == "hangs":
            owner.go_on.wait(30)
            self.close_connection = True
        elif manner.does == "resets":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        else:
            self._answer(manner)

    def do_GET(self) -> None:
        """Where a redirect would lead."""
        self.owner.posts.append(Post({}, b"", 200))
        self._answer(Manner(200))

    def _answer(self, manner: Manner) -> None:
        endless = manner.does in ("sends for ever", "hangs in its body")
        self.send_response(manner.status)
        for name, value in manner.headers:
            self.send_header(name, value)
        if not (endless or manner.status == 204):
            self.send_header("content-length", str(len(manner.body)))
        if endless:
            self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(manner.body)
        if manner.does == "hangs in its body":
            self.owner.go_on.wait(30)
        while manner.does == "sends for ever" and not self.owner.go_on.is_set():
            self.wfile.write(b"x" * 65536)
            self.owner.bytes_sent += 65536

    def log_request(self, *_: Any) -> None:
        """Nobody reads it."""
