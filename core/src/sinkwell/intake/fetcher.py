"""Fetching what a link points to, through the guard.

Addresses are looked at where they count: each answer of the resolver, all of which must pass, and
once more when a socket is made, which is for a numeric address by then. Names are resolved anew
for each connection, and none is kept.
"""

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multipart import parse_options_header
from yarl import URL

from sinkwell.contract import RejectedError, TransientError, retry_after
from sinkwell.intake.body import paced
from sinkwell.intake.guard import FetchRules, headers_for, parse_url, redirected
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.refusals import Refusal

_CONNECT_WITHIN = 10.0
_MOST_REDIRECTS = 3
_REDIRECTS = {301, 302, 303, 307, 308}
_FINAL = {400, 405, 406, 410, 411, 413, 414, 415, 416, 417, 421, 426, 431, 451}
"""Answers that no later try changes. 401, 403 and 404 are not among them: stores give them for
what is not there yet."""
_TOO_LARGE = 413

AddressInfo = tuple[Any, ...]
Resolve = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]
"""Returns what ``getaddrinfo`` does for a name and a port. Raises ``OSError``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer, its body still to come."""

    size: int | None
    """As announced."""
    media_type: str
    """As claimed; may be empty."""
    name: str | None
    url: URL
    """Where it came from in the end."""
    chunks: AsyncIterator[bytes]
    """Raises ``TransientError`` and ``RejectedError``, as all of this does."""


class Fetcher:
    """Fetches for one source. Use it within one event loop, and close it."""

    def __init__(
        self,
        rules: FetchRules,
        headers: Mapping[str, Mapping[str, str]],
        limits: IntakeLimits,
        resolve: Resolve | None = None,
        *,
        ca_bundle: str | None = None,
    ) -> None:
        """``headers`` are those of the first request, by host pattern; no redirect sees them.

        ``ca_bundle`` is a file of authorities that are trusted beside the system's.
        """
        self._rules = rules
        self._headers = [(pattern, dict(each)) for pattern, each in headers.items()]
        self._limits = limits
        self._resolver = _GuardedResolver(rules, resolve or _system_resolve)
        self._ca_bundle = ca_bundle
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End all connections; the next fetch makes new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def get(self, link: str) -> AsyncIterator[Answer]:
        """Ask for a link and follow its redirects, of which there may be three.

        Raises ``RejectedError`` for what must not or will never be fetched, ``TransientError``
        for the rest.
        """
        url = parse_url(link)
        headers = headers_for(url, self._headers, self._rules.networks)
        for _ in range(_MOST_REDIRECTS + 1):
            async with self._ask(url, headers) as response:
                if response.status not in _REDIRECTS:
                    yield self._answer(response)
                    return
                location = response.headers.get("Location")
                if location is None:
                    raise RejectedError(f"{url.host} redirects to nowhere ({response.status})")
                url, headers = redirected(url, location), {}
        raise RejectedError(f"the link is redirected more than {_MOST_REDIRECTS} times")

    @asynccontextmanager
    async def _ask(
        self, url: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        self._rules.check_url(url)
        try:
            async with asyncio.timeout(self._limits.idle_timeout):
                response = await self._opened().get(
                    url,
                    headers={**headers, "Accept-Encoding": "identity"},
                    allow_redirects=False,
                )
        except TimeoutError:
            raise TransientError(
                f"{url.host} did not answer within {self._limits.idle_timeout:g} seconds"
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failure(error, url) from error
        try:
            yield response
        finally:
            response.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,
                use_dns_cache=False,
                socket_factory=self._guarded_socket,
                ssl=_trust(self._ca_bundle),
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_WITHIN),
                trust_env=False,
            )
        return self._session

    def _guarded_socket(self, info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        try:
            self._rules.check_address(address[0])
        except RejectedError as error:
            raise ForbiddenAddressError(errno.EACCES, str(error)) from None
        return socket.socket(family, kind, protocol)

    def _answer(self, response: aiohttp.ClientResponse) -> Answer:
        host = response.url.host
        if response.status != HTTPStatus.OK:
            raise _bad_status(response)
        if response.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}:
            raise RejectedError(f"{host} sends the file compressed, which nobody asked for")
        if (response.content_length or 0) > self._limits.max_file_size:
            raise RejectedError(
                f"{host} announces {response.content_length} bytes; "
                f"{self._limits.max_file_size} are taken"
            )
        media_type, _ = parse_options_header(response.headers.get("Content-Type", ""))
        _, options = parse_options_header(response.headers.get("Content-Disposition", ""))
        return Answer(
            size=response.content_length,
            media_type=media_type.lower(),
            name=options.get("filename"),
            url=response.url,
            chunks=self._chunks(response),
        )

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        received = 0
        try:
            async for chunk in paced(response.content.readany, self._limits):
                received += len(chunk)
                if received > self._limits.max_file_size:
                    raise RejectedError(
                        f"the file has more than {self._limits.max_file_size} bytes"
                    )
                yield chunk
        except Refusal as refusal:
            if refusal.status == _TOO_LARGE:
                raise RejectedError(refusal.detail) from refusal
            raise TransientError(f"{response.url.host}: {refusal.detail}") from refusal
        except (aiohttp.ClientError, OSError) as error:
            raise TransientError(
                f"the connection to {response.url.host} broke off after {received} bytes"
            ) from error


class ForbiddenAddressError(OSError):
    """A connection to an address that the guard does not allow."""


class _GuardedResolver(AbstractResolver):
    """Resolves a name when each of its addresses is allowed, and else not at all."""

    def __init__(self, rules: FetchRules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family  # both are always asked for
        found = await self._resolve(host, port)
        for info in found:
            self._rules.check_address(info[4][0])
        return [
            ResolveResult(
                hostname=host,
                host=info[4][0],
                port=port,
                family=info[0],
                proto=info[2],
                flags=socket.AI_NUMERICHOST,
            )
            for info in found
        ]

    async def close(self) -> None:
        """Hold nothing."""


async def _system_resolve(host: str, port: int) -> Sequence[AddressInfo]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _trust(ca_bundle: str | None) -> ssl.SSLContext | bool:
    if ca_bundle is None:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(ca_bundle)
    return context


def fetch_limits(limits: IntakeLimits, timeout: float) -> IntakeLimits:
    """Return the limits of a fetch: those of a callback, under a deadline of its own."""
    return replace(limits, total_timeout=timeout)


def _failure(error: Exception, url: URL) -> RejectedError | TransientError:
    """Say what went wrong. The URL itself may hold a secret, so only its host is told."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ForbiddenAddressError):
        return RejectedError(str(inner.strerror))
    match error:
        case aiohttp.InvalidURL() | UnicodeError():
            return RejectedError("the link is no URL that can be asked for")
        case aiohttp.ClientConnectorDNSError():
            return TransientError(f"the name {url.host} cannot be resolved")
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError() as why
        ):
            return TransientError(
                f"the certificate of {url.host} is not trusted: {why.verify_message.rstrip('.')}; "
                "if it is of an authority of your own, name that in ca_bundle"
            )
        case aiohttp.ClientSSLError():
            return TransientError(f"no secure connection to {url.host} can be made")
        case aiohttp.ClientConnectorError():
            return TransientError(f"{url.host} cannot be reached: {inner.strerror or 'no answer'}")  # type: ignore[attr-defined]  # an OSError
        case aiohttp.ServerTimeoutError():
            return TransientError(f"{url.host} did not accept a connection in time")
    return TransientError(f"{url.host} gave no answer that can be read")


def _bad_status(response: aiohttp.ClientResponse) -> RejectedError | TransientError:
    status, host = response.status, response.url.host
    text = f"{host} answered {status}"
    if status in _FINAL:
        return RejectedError(text)
    return TransientError(text, retry_after=retry_after(response.headers, time.time()))
