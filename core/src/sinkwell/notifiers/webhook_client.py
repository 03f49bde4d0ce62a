"""Posting events to a URL."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from importlib import metadata
from urllib.parse import urlsplit

import aiohttp

from sinkwell.connecting import guarded_connector
from sinkwell.contract import (
    Event,
    GoneError,
    Notifier,
    NotifierContext,
    SinkError,
    TransientError,
    UnusableError,
    retry_after,
)
from sinkwell.guard import ForbiddenAddressError
from sinkwell.notifiers.formats import Payload
from sinkwell.notifiers.webhook_settings import WebhookSettings

_LONGEST_ANSWER = 64 * 1024
_EXCERPT = 200
_TAKEN = range(200, 300)
_LINGER = 1.0
"""How long, in seconds, the rest of a good answer is awaited, so that the connection is kept."""


class WebhookNotifier(Notifier):
    """Posts events to one URL."""

    def __init__(self, settings: WebhookSettings, context: NotifierContext) -> None:
        self._url = settings.url
        host = urlsplit(settings.url).hostname
        self._whom = f"notifier {context.name!r}: {host}"  # not the URL, which may hold a secret
        self._format = settings.make_format()
        self._signer = settings.make_signer()
        self._session = aiohttp.ClientSession(
            connector=guarded_connector(settings.networks, limit=settings.concurrency),
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
            headers={"User-Agent": f"Sinkwell/{metadata.version('sinkwell')}"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def notify(self, event: Event) -> None:
        """Post one event, under its own id."""
        await self._post(event.id, self._format.one(event))

    async def notify_batch(self, events: Sequence[Event]) -> None:
        """Post several events, under an id that follows from theirs."""
        ids = hashlib.sha256("".join(event.id for event in events).encode())
        await self._post(f"b{ids.hexdigest()[:28]}", self._format.several(events))

    async def close(self) -> None:
        """End all connections."""
        await self._session.close()

    async def _post(self, message_id: str, payload: Payload) -> None:
        headers = {
            "Content-Type": payload.content_type,
            **payload.headers,
            **self._signer.sign(message_id, int(time.time()), payload.body),
        }
        try:
            async with self._session.post(
                self._url, data=payload.body, headers=headers, allow_redirects=False
            ) as answer:
                if answer.status not in _TAKEN:
                    raise self._refusal(answer, await _read(answer))
                with suppress(
                    TimeoutError, aiohttp.ClientError
                ):  # it was taken, as its status says
                    async with asyncio.timeout(_LINGER):
                        await _read(answer)
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, ForbiddenAddressError):
                raise UnusableError(f"{self._whom} is not called: {error.os_error}") from error
            what = f"{self._whom} cannot be connected to: {error.os_error}"
            raise TransientError(what) from error
        except TimeoutError as error:
            raise TransientError(f"{self._whom} gave no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            # Not the text of the error: it may hold the URL.
            raise TransientError(f"{self._whom} broke off: {type(error).__name__}") from error

    def _refusal(self, answer: aiohttp.ClientResponse, body: bytes) -> SinkError:
        said = body.decode("utf-8", "replace")[:_EXCERPT].strip()
        shown = "".join(each if each.isprintable() else " " for each in said)
        what = f"{self._whom} answered {answer.status}" + (f": {shown}" if shown else "")
        match answer.status:
            case HTTPStatus.GONE:
                return GoneError(what)
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return UnusableError(f"{what}; does the other side know this secret?")
            case status if status in range(300, 400):
                what += "; redirects are not followed: write the final address into url"
        return TransientError(what, retry_after=retry_after(answer.headers, time.time()))


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Read an answer's body; of a long one the beginning, after which the connection is closed."""
    body = b""
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _LONGEST_ANSWER:
            answer.close()
            break
    return body[:_LONGEST_ANSWER]
