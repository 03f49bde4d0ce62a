"""``POST /callbacks/{source}``: the one path that providers know.

A raw ASGI handler: Litestar finds it, and nothing of Litestar touches the body, whose limits and
deadlines are intake's.
"""

from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import parse_qs

import msgspec
import structlog
from litestar import asgi
from litestar.status_codes import HTTP_405_METHOD_NOT_ALLOWED, HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import HTTPRequestEvent, HTTPScope, Receive, Scope, Send

from sinkwell.bus.refusals import RefusalTally
from sinkwell.clock import Clock
from sinkwell.intake.callback_urls import PARAMETER, CallbackUrls
from sinkwell.intake.reading import OpenSource, header_values
from sinkwell.intake.receive import Intake
from sinkwell.intake.refusals import ClientGoneError, Refusal
from sinkwell.outage import LedgerUnavailableError
from sinkwell.web import problems

_RETRY_WHEN_AWAY = 5

log = structlog.get_logger()


def callback_handler(
    intake: Intake,
    sources: Mapping[str, OpenSource],
    urls: CallbackUrls,
    clock: Clock,
    refusals: RefusalTally,
) -> asgi:
    """Return the route handler for all sources."""

    # A mount, as Litestar 2.25 gives ASGI handlers no path parameters: what follows is the name.
    @asgi("/callbacks", is_mount=True, copy_scope=True)
    async def receive_callback(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await _receive(scope, receive, send)
        except ClientGoneError:
            log.info("a sender went away before the end of its callback", path=scope["path"])
        except Refusal as refusal:
            name = scope["path"].strip("/")
            if name in sources and refusal.status < HTTP_500_INTERNAL_SERVER_ERROR:
                refusals.note(name, refusal.slug, refusal.status, refusal.detail)
            await _refuse(send, refusal)
        except LedgerUnavailableError as error:
            log.error("a callback could not be recorded", error=str(error))
            detail = "The ledger cannot be written just now."
            title = "The ledger is away"
            await _refuse(
                send,
                Refusal(503, "ledger-unavailable", title, detail, retry_after=_RETRY_WHEN_AWAY),
            )
        except Exception as error:
            log.error("a callback broke", path=scope["path"], exc_info=error)
            detail = "The log has the details; the callback may be sent again."
            await _refuse(
                send, Refusal(500, "internal-error", "Something in Sinkwell broke", detail)
            )

    async def _receive(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].strip("/")
        origin = sources.get(name)
        if origin is None:
            detail = f"There is no source named {name[:64]!r}."
            raise Refusal(404, "unknown-source", "Nobody calls back here", detail)
        if cast("HTTPScope", scope)["method"] != "POST":
            detail = "Callbacks are sent with POST."
            raise Refusal(405, "method-not-allowed", "Method not allowed", detail)

        asked = parse_qs(scope["query_string"].decode("latin-1"))
        tokens = asked.get(PARAMETER)
        overrides = urls.read(tokens[0], name, clock.now()) if tokens else None
        headers = header_values(scope["headers"])
        body = _Body(receive)
        recorded = await intake.receive(origin, headers, body.next_chunk, overrides)
        await _answer(
            send,
            origin.source.success_code,
            msgspec.json.encode({"callback_id": recorded.callback_id}),
        )

    return receive_callback


class _Body:
    """A request's body, from ASGI messages to chunks."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def next_chunk(self) -> bytes:
        """Return the next bytes, none at the end."""
        while not self._ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            self._ended = not cast("HTTPRequestEvent", message)["more_body"]
            if chunk := cast("HTTPRequestEvent", message)["body"]:
                return chunk
        return b""


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers = []
    if refusal.retry_after:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    if refusal.status == HTTP_405_METHOD_NOT_ALLOWED:
        headers.append((b"allow", b"POST"))
    body = problems.document(refusal.status, refusal.slug, refusal.title, refusal.detail)
    await _answer(send, refusal.status, body, problems.MEDIA_TYPE.encode(), headers)


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    media_type: bytes = b"application/json",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    length = str(len(body)).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(b"content-type", media_type), (b"content-length", length), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})
