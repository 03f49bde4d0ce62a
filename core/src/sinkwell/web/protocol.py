"""HTTP/1.1 on the wire: uvicorn's protocol, with the deadlines and limits that it lacks.

Give ``hardened(limits)`` to ``uvicorn.Config(http=…)``. The idle time between two requests stays
uvicorn's ``timeout_keep_alive``; whether a body that moves is too slow is for the app to judge.
"""

import asyncio
import json
import math
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

PROBLEM_BASE = "https://sinkwell.dev/problems/"
"""What the ``type`` of a problem document begins with; a name follows."""


@dataclass(frozen=True, slots=True)
class ProtocolLimits:
    """What a connection may take. Times are in seconds."""

    header_deadline: float = 10.0
    """From a request's first byte, or the opening of the connection, to the end of its headers."""
    header_bytes: int = 32 * 1024
    """Request line and headers together; trailers again."""
    body_idle: float = 30.0
    """Without a byte of an unfinished body, not counting while the server itself reads nothing."""
    linger: float = 5.0
    """For a client that may still be sending to read the connection's last answer."""
    linger_bytes: int = 16 * 1024 * 1024
    """The most that is read, and dropped, meanwhile: a client that never looks up is cut off."""


# What is coming in: nothing, headers or a body; or it is dropped, since only answers are due.
# Plain numbers, compared often: looking up the member of an Enum takes five times as long.
_IDLE, _HEADERS, _BODY, _DEAF = range(4)


class HardenedProtocol(HttpToolsProtocol):
    """One connection. Its one timer is left to ring and moved on then, if there was progress."""

    # What is relied upon inside uvicorn, beside the callbacks of asyncio and httptools; a test
    # names what a new version takes away.
    # protocol.cycle: the newest request (None before the first), answered or not
    #   .response_started, .response_complete: how far its answer is
    #   .keep_alive: False when the answer starts sends `connection: close`, when it ends closes
    #   .disconnected, .message_event: set, they give the app its http.disconnect and mute it
    # protocol.pipeline: requests that wait for the answers to earlier ones
    # protocol._start_asgi_task(): called with each cycle when its turn comes
    # protocol.flow.read_paused, .resume_reading(): the latter reaches the transport if paused
    # protocol.parser, .url, .headers: the request being parsed
    # protocol.ws_protocol_class, ._unsupported_upgrade_warning(): None, and so called
    # protocol.send_400_response(): called on whatever the parser or a callback refuses
    # protocol.loop, .transport, .server_state.default_headers

    LIMITS = ProtocolLimits()

    _phase = _IDLE
    _due = math.inf  # when the phase has lasted too long
    _timer: asyncio.TimerHandle | None = None
    _rings_at = math.inf
    _held = 0  # bytes that the parser may be holding, as headers or trailers not yet complete
    _keep_alive = True  # what the cycle's is once the body is in
    _answering: RequestResponseCycle | None = None  # whose app was started last

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        self._wire = transport
        super().connection_made(cast("asyncio.Transport", _Courteous(transport, self)))
        self.ws_protocol_class = None  # an upgraded connection would leave its limits behind
        self._expect(_HEADERS, self.LIMITS.header_deadline)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(_IDLE)
        if self._timer is not None:
            self._timer.cancel()
        if self._answering is not None:  # uvicorn tells the newest request alone
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._keep_alive = False
        super().shutdown()

    def data_received(self, data: bytes) -> None:
        self._held += len(data)
        if self._phase == _DEAF:
            if self._held > self.LIMITS.linger_bytes:
                self._wire.abort()
            return
        if self._phase == _BODY:
            self._due = self.loop.time() + self.LIMITS.body_idle
        elif self._phase == _IDLE:
            self._expect(_HEADERS, self.LIMITS.header_deadline)
        super().data_received(data)
        if self._held > self.LIMITS.header_bytes:
            self._refuse(431)

    def on_headers_complete(self) -> None:
        self._held = 0
        size = sum(map(len, chain.from_iterable(self.headers))) + len(self.url)
        if size > self.LIMITS.header_bytes:  # all in one chunk
            self._refuse(431)
            raise ValueError("headers too large")  # stops the parser
        if self.parser.get_http_version() not in {"1.0", "1.1"}:
            raise ValueError("not HTTP/1")  # stops the parser
        super().on_headers_complete()
        self.headers = []  # takes the trailers, which are not for the app
        self._expect(_BODY, self.LIMITS.body_idle)
        # An answer that does not wait for the body is the last one.
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_body(self, body: bytes) -> None:
        self._held = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._held = 0
        self._expect(_IDLE)
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        self._refuse(400)

    def _unsupported_upgrade_warning(self) -> None:
        # uvicorn drops what followed in the chunk: the next bytes may be the middle of a request.
        self.cycle.keep_alive = False
        self._expect(_DEAF)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def linger(self) -> None:
        """Close, but let a client that may still be sending read its answer first.

        A socket closed with unread bytes in it is reset, and the reset may overtake the answer.
        """
        if self._phase in {_IDLE, _HEADERS}:
            self._wire.close()
            return
        self._held = 0
        self._expect(_DEAF, self.LIMITS.linger)
        if self._wire.can_write_eof():
            self._wire.write_eof()
        self.flow.resume_reading()

    def reading_resumed(self) -> None:
        """Count the idle time of a body from now: until now it was the server that waited."""
        if self._phase == _BODY:
            self._due = self.loop.time() + self.LIMITS.body_idle

    def _expect(self, phase: int, within: float = math.inf) -> None:
        self._phase = phase
        self._due = self.loop.time() + within
        if self._due < self._rings_at:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = self._due
        self._timer = self.loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        if self._due == math.inf:
            return
        if self.loop.time() < self._due:
            self._arm()
        elif self._phase == _HEADERS and self._answer_is_owed():
            self._expect(_HEADERS, self.LIMITS.header_deadline)
        elif self._phase == _HEADERS:
            self._refuse(408)
        elif self._phase == _BODY and self.flow.read_paused:
            self._expect(_BODY, self.LIMITS.body_idle)
        elif self._phase == _DEAF and self._wire.get_write_buffer_size():  # a large answer
            self._expect(_DEAF, self.LIMITS.linger)
        else:
            self._wire.abort()

    def _answer_is_owed(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete  # type: ignore[redundant-expr]  # None at first

    def _refuse(self, status: int) -> None:
        """Answer in the app's place and close, but never in the place of an earlier answer."""
        if self._phase == _DEAF:
            return
        in_body = self._phase == _BODY
        self._expect(_DEAF)
        if in_body and (self.cycle.response_started or self.pipeline):
            self._wire.abort()
        elif not in_body and self._answer_is_owed():
            self.cycle.keep_alive = False
        else:
            if in_body:
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.write(_problem(status, self.LIMITS, self.server_state.default_headers))
            self.transport.close()


class _Courteous:
    """The transport as uvicorn sees it: how it closes is for the protocol to decide."""

    def __init__(self, wire: asyncio.Transport, protocol: HardenedProtocol) -> None:
        self._wire = wire
        self._protocol = protocol
        self._closing = False
        self.write = wire.write  # spares the most used the way through __getattr__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)

    def is_closing(self) -> bool:
        return self._closing or self._wire.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._closing = True
            self._protocol.linger()

    def resume_reading(self) -> None:
        self._wire.resume_reading()
        self._protocol.reading_resumed()


def _problem(status: int, limits: ProtocolLimits, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return a whole answer with a problem document (RFC 9457)."""
    name, detail = {
        400: ("malformed-request", "The request is not valid HTTP/1.1."),
        408: ("request-timeout", f"No complete headers within {limits.header_deadline:g} seconds."),
        431: ("headers-too-large", f"The headers exceed {limits.header_bytes} bytes."),
    }[status]
    title = HTTPStatus(status).phrase
    problem = {"type": PROBLEM_BASE + name, "title": title, "status": status, "detail": detail}
    body = json.dumps(problem).encode()
    own = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    lines = [b"%b: %b" % header for header in headers + own]
    return b"\r\n".join([f"HTTP/1.1 {status} {title}".encode(), *lines, b"", body])


def hardened(limits: ProtocolLimits) -> type[asyncio.Protocol]:
    """Return the class for ``uvicorn.Config(http=…)`` that holds connections to ``limits``."""

    class Bound(HardenedProtocol):
        LIMITS = limits

    return Bound
