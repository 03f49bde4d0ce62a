"""Requests to the JSON API of Cloud Storage: one connection pool, no retries of its own.

The bytes go through aiohttp and not through google-cloud-storage, whose upload costs several
times as much CPU (``bench/gcs_put.py`` shows them side by side). There is one retry brain, the
ledger: a request is made once, and what it gives is told.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from sinkwell.contract import UnusableError
from sinkwell_gcs.errors import Answer, refused
from sinkwell_gcs.exceptions import from_transport
from sinkwell_gcs.identity import Identity
from sinkwell_gcs.settings import GcsSettings

OK = 200
NOT_FOUND = 404
FORBIDDEN = 403
PRECONDITION_FAILED = 412
RESUME = 308
_UNAUTHORIZED = 401
_NO_SUCH_OBJECT = "no such object"


class Body:
    """A body in pieces, which can be sent once.

    aiohttp repeats a PUT by itself when the connection is lost: the answer to the second one would
    be that the session is over, and hide that the first one may have succeeded.
    """

    def __init__(self, pieces: AsyncIterator[bytes | memoryview]) -> None:
        self._pieces: AsyncIterator[bytes | memoryview] | None = pieces
        self._deadline: asyncio.Timeout | None = None
        self._patience = 0.0
        self.failure: Exception | None = None
        """What the pieces themselves failed with."""

    def moves_within(self, deadline: asyncio.Timeout, patience: float) -> None:
        """Put the deadline off by so many seconds with each piece that is asked for.

        aiohttp's own time-out for an answer begins when the last piece is on its way: without
        this a server that takes no more would hold a put up until the sink's deadline.
        """
        self._deadline, self._patience = deadline, patience

    def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        pieces, self._pieces = self._pieces, None
        if pieces is None:
            raise ConnectionResetError("the connection was lost")
        return self._watched(pieces)

    async def _watched(
        self, pieces: AsyncIterator[bytes | memoryview]
    ) -> AsyncIterator[bytes | memoryview]:
        try:
            async for piece in pieces:
                if self._deadline is not None:
                    self._deadline.reschedule(asyncio.get_running_loop().time() + self._patience)
                yield piece
        except Exception as error:
            self.failure = error
            raise


class _Response(aiohttp.ClientResponse):
    """A response whose connection is reset when the request fails or is cancelled.

    aiohttp would let it send first what is buffered for a peer that may never take it, and leave
    the socket open until then.
    """

    def close(self) -> None:
        connection = self.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        super().close()


class Api:
    """One bucket, as the requests that the sink makes."""

    def __init__(self, settings: GcsSettings, identity: Identity) -> None:
        self._identity = identity
        self._settings = settings
        endpoint = settings.endpoint.rstrip("/")
        bucket = quote(settings.bucket, safe="")
        self._objects = f"{endpoint}/storage/v1/b/{bucket}/o"
        self._uploads = f"{endpoint}/upload/storage/v1/b/{bucket}/o"
        self._always = {"userProject": settings.user_project} if settings.user_project else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_trust(settings.ca_bundle), limit=0),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=settings.connect_timeout,
                sock_read=settings.read_timeout,
            ),
            headers={
                "User-Agent": f"sinkwell-gcs/{version('sinkwell-gcs')}",
                "Accept-Encoding": "identity",
            },
            skip_auto_headers=("Content-Type",),
            auto_decompress=False,
            response_class=_Response,
        )

    def object_url(self, name: str, **query: str) -> str:
        """Return the address of an object."""
        return f"{self._objects}/{quote(name, safe='')}?{self._query(query)}"

    def upload_url(self, **query: str) -> str:
        """Return the address to send a new object to."""
        return f"{self._uploads}?{self._query(query)}"

    def list_url(self, **query: str) -> str:
        """Return the address of the list of objects."""
        return f"{self._objects}?{self._query(query)}"

    async def call(
        self,
        method: str,
        url: str,
        label: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | Body | None = None,
        authorize: bool = True,
    ) -> Answer:
        """Make a request and return its answer, whatever its status.

        Raises ``AnswerLostError`` when it may have been carried out all the same, and other
        ``SinkError``s when it was not made.
        """
        request = self.open(method, url, label, headers=headers, data=data, authorize=authorize)
        async with request as response:
            try:
                body = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise from_transport(error, label) from error
            return Answer(response.status, response.headers, body)

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        label: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | Body | None = None,
        authorize: bool = True,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make a request and hand out the response, its body still to come.

        Raises as :meth:`call` does.
        """
        proof = await self._identity.headers(label) if authorize else {}
        try:
            async with asyncio.timeout(None) as deadline:
                if isinstance(data, Body):
                    data.moves_within(deadline, self._settings.read_timeout)
                response = await self._session.request(
                    method,
                    URL(url, encoded=True),
                    headers={**proof, **(headers or {})},
                    data=data,
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise from_transport(error, label) from error
        async with response:
            if response.status == _UNAUTHORIZED:
                self._identity.refused()
            yield response

    async def is_absent(self, answer: Answer, name: str, label: str) -> bool:
        """Tell whether an answer says that there is no such object.

        Raises ``UnusableError`` when it is the bucket that is not there: a missing bucket gives
        the same status, and must never be taken for a missing object.
        """
        if answer.status != NOT_FOUND:
            return False
        if _NO_SUCH_OBJECT in answer.message.lower():
            return True
        bucket = await self.call(
            "GET", self.list_url(prefix=name, maxResults="1", fields="kind"), label
        )
        if bucket.status == NOT_FOUND:
            raise UnusableError(
                f"{label} failed: there is no bucket {self._settings.bucket!r}. Create the "
                f"bucket, or correct the sink's bucket."
            )
        if bucket.status not in {OK, FORBIDDEN}:
            raise refused(bucket, label)
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        self._identity.close()

    def _query(self, query: Mapping[str, str]) -> str:
        return urlencode({**query, **self._always}, quote_via=quote, safe="")


def _trust(ca_bundle: str | None) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=ca_bundle) if ca_bundle else True
