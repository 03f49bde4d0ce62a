"""A server of files that callbacks point to, which does to each request what a test says."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Script = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class LinkServer:
    """Serves paths as they are scripted, and keeps what was asked."""

    port: int = 0
    host: str = "127.0.0.1"
    scheme: str = "http"
    scripts: dict[str, list[Script]] = field(default_factory=dict)
    """By path; the last one of a list stays."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path with query, and headers by lower-case name."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def serve(self, path: str, *scripts: Script) -> str:
        """Script a path and return its URL."""
        self.scripts[path] = list(scripts)
        return f"{self.url}{path}"

    def times_asked(self, path: str) -> int:
        return sum(asked.partition("?")[0] == path for asked, _ in self.asked)


def answer(
    content: bytes = b"", status: int = 200, *, length: int | None = None, **headers: str
) -> Script:
    """Answer; a ``length`` beyond the content's breaks the answer off."""

    def run(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)
        request.close_connection = length is not None

    return run


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    request.close_connection = True


@contextmanager
def link_server(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[LinkServer]:
    """Run a server until the block ends."""
    server = LinkServer(host=host, scheme="https" if tls else "http")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append((self.path, headers))
            scripts = server.scripts.get(path) or [answer(status=404)]
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
            script(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer((host, 0), Handler)
    listening.daemon_threads = True
    if tls is not None:  # the handshake is made by the thread of the connection
        listening.socket = tls.wrap_socket(
            listening.socket, server_side=True, do_handshake_on_connect=False
        )
    server.port = listening.server_address[1]
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()
