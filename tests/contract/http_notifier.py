"""A correct notifier over HTTP, and who listens to it: what notifier mutants are made from."""

import hmac
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec

from sinkwell.contract import (
    Event,
    Notifier,
    NotifierContext,
    NotifierSettings,
    NotifierType,
    RejectedError,
    Secret,
    TransientError,
    UnusableError,
)
from sinkwell.testing import Arrival, NotifierFault, NotifierFaults, Receiver

RETRY_AFTER = 7.0
SECRET = "kit-secret-of-the-hook"
STATUSES = {
    NotifierFault.BUSY: 429,
    NotifierFault.REFUSED: 422,
    NotifierFault.FORBIDDEN: 403,
    NotifierFault.GONE: 410,
}


class HttpSettings(NotifierSettings, frozen=True, kw_only=True):
    url: str
    """Where events are posted to."""
    secret: Secret
    """What the posts are signed with."""


class HttpNotifier(Notifier):
    def __init__(self, settings: HttpSettings, context: NotifierContext) -> None:
        self.settings = settings
        self.name = context.name
        self.client = httpx.AsyncClient(timeout=30)

    async def notify(self, event: Event) -> None:
        body = self.encode(event)
        try:
            answer = await self.post(body, self.sign(body))
        except httpx.TransportError as error:
            raise TransientError(f"{self.settings.url} cannot be reached") from error
        self.judge(answer)

    def encode(self, event: Event) -> bytes:
        return msgspec.json.encode(event.as_dict())

    def sign(self, body: bytes) -> str:
        return hmac.new(self.settings.secret.reveal().encode(), body, "sha256").hexdigest()

    async def post(self, body: bytes, signature: str) -> httpx.Response:
        headers = {"x-signature": signature}
        return await self.client.post(self.settings.url, content=body, headers=headers)

    def judge(self, answer: httpx.Response) -> None:
        what = f"{self.settings.url} answered {answer.status_code}"
        match answer.status_code:
            case 200:
                return
            case 400 | 422:
                raise RejectedError(what)
            case 401 | 403 | 404 | 410:
                raise UnusableError(f"{what}: check url and secret")
        after = answer.headers.get("retry-after")
        raise TransientError(what, retry_after=float(after) if after else None)

    async def close(self) -> None:
        await self.client.aclose()


def notifier_type(notifier: type[HttpNotifier]) -> NotifierType[HttpSettings]:
    async def open_notifier(settings: HttpSettings, context: NotifierContext) -> Notifier:
        return notifier(settings, context)

    return NotifierType(
        name="http",
        summary="Posts events.",
        settings=HttpSettings,
        open=open_notifier,
    )


class HttpReceiver(Receiver):
    """A server in a thread that keeps what it is posted, and can be made to behave badly."""

    def __init__(self) -> None:
        self.fault: NotifierFault | None = None
        self.go_on = threading.Event()
        self.arrivals: list[Arrival] = []
        self.lock = threading.Lock()
        self._port = 0
        self._start()
        self.url = f"http://127.0.0.1:{self._port}/"

    def received(self) -> Sequence[Arrival]:
        with self.lock:
            return list(self.arrivals)

    def faults(self) -> NotifierFaults:
        behaviours = {fault: partial(self._behaving, fault) for fault in NotifierFault}
        return behaviours | {NotifierFault.UNREACHABLE: self._away}

    def close(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _start(self) -> None:
        receiver = self

        class Handler(_Handler):
            owner = receiver

        self._server = _Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        self._thread = threading.Thread(target=serve)
        self._thread.start()

    @contextmanager
    def _behaving(self, fault: NotifierFault) -> Iterator[float | None]:
        self.fault = fault
        yield RETRY_AFTER if fault is NotifierFault.BUSY else None
        self.fault = None
        self.go_on.set()
        self.go_on = threading.Event()

    @contextmanager
    def _away(self) -> Iterator[float | None]:
        self.close()
        yield None
        self.go_on = threading.Event()
        self._start()


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    owner: HttpReceiver

    def do_POST(self) -> None:
        owner, fault = self.owner, self.owner.fault
        body = self.rfile.read(int(self.headers["content-length"]))
        if fault is NotifierFault.HANG:
            owner.go_on.wait(30)
            return
        expected = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
        true = hmac.compare_digest(self.headers["x-signature"], expected)
        status = STATUSES.get(fault, 200) if fault else 200 if true else 403
        if status == 200:
            event = json.loads(body)
            with owner.lock:
                owner.arrivals.append(Arrival(event["id"], event["type"]))
        self.send_response(status)
        if fault is NotifierFault.BUSY:
            self.send_header("retry-after", f"{RETRY_AFTER:g}")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_request(self, *_: Any) -> None:
        """Nobody reads it."""
