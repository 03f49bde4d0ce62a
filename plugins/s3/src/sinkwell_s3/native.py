"""The requests that the sink makes itself: signed here, sent by aiohttp, each of them once.

``bench/compare/put_alone.py`` shows what that saves. There is one retry brain, the ledger: what a
request gives is told, and nothing is tried again here.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from xml.sax.saxutils import escape

import aiohttp
from yarl import URL

from sinkwell.contract import Blob, TransientError
from sinkwell.contract.sink import RunBlocking
from sinkwell_s3.answers import Answer
from sinkwell_s3.body import Once, slices
from sinkwell_s3.errors import from_transport, refused
from sinkwell_s3.identity import Identity
from sinkwell_s3.meanings import CODES, EXPIRED, LOGIN
from sinkwell_s3.payload import PIECE, WRITE, load, load_cached, pieces
from sinkwell_s3.presets import IF_NONE_MATCH
from sinkwell_s3.resource import Params
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.signature import NO_PAYLOAD, path_of, query_of, sha256_of, signed
from sinkwell_s3.wire import OK, Parts

_HEADERS = {
    "ACL": "x-amz-acl",
    "CacheControl": "Cache-Control",
    "ChecksumAlgorithm": "x-amz-checksum-algorithm",
    "ChecksumCRC32": "x-amz-checksum-crc32",
    "ChecksumMode": "x-amz-checksum-mode",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ChecksumType": "x-amz-checksum-type",
    "ContentDisposition": "Content-Disposition",
    "ContentType": "Content-Type",
    "ExpectedBucketOwner": "x-amz-expected-bucket-owner",
    "IfNoneMatch": "If-None-Match",
    "ObjectLockMode": "x-amz-object-lock-mode",
    "ObjectLockRetainUntilDate": "x-amz-object-lock-retain-until-date",
    "RequestPayer": "x-amz-request-payer",
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
    "StorageClass": "x-amz-storage-class",
    "Tagging": "x-amz-tagging",
}
"""How parameters stand in a request."""


class Native:
    """Requests for one bucket; see :class:`~sinkwell_s3.wire.Wire`."""

    def __init__(self, settings: S3Settings, identity: Identity, run_blocking: RunBlocking) -> None:
        self._identity = identity
        self._run_blocking = run_blocking
        self._proxy = settings.proxy
        self._verify = not settings.store_verifies
        self._create_only = settings.preset.create_only or IF_NONE_MATCH
        url = URL(identity.bucket_url, encoded=True)
        self._origin = str(url.origin())
        self._host = url.host_port_subcomponent or ""
        self._path = url.raw_path.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=_trust(settings.ca_bundle), limit=0),
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=settings.connect_timeout,
                sock_read=settings.read_timeout,
            ),
            headers={
                "User-Agent": f"sinkwell-s3/{version('sinkwell-s3')}",
                "Accept-Encoding": "identity",
            },
            skip_auto_headers=("Content-Type",),
            auto_decompress=False,
        )

    async def put(self, name: str, blob: Blob, params: Params, label: str) -> Answer:
        return await self._send("PUT", name, label, blob, params)

    async def head(self, name: str, params: Params, label: str) -> Answer:
        return await self._call("HEAD", name, label, params)

    @asynccontextmanager
    async def get(self, name: str, params: Params, label: str) -> AsyncIterator["_Download"]:
        async with self._open("GET", name, label, params) as response:
            body = b"" if response.status == OK else await _read(response, label)
            yield _Download(Answer(response.status, response.headers, body), response, label)

    async def delete(self, name: str, params: Params, label: str) -> Answer:
        return await self._call("DELETE", name, label, params)

    async def create_upload(self, name: str, params: Params, label: str) -> Answer:
        return await self._call("POST", name, label, params, query={"uploads": ""})

    async def put_part(
        self, name: str, upload: str, number: int, blob: Blob, params: Params, label: str
    ) -> Answer:
        query = {"partNumber": str(number), "uploadId": upload}
        return await self._send("PUT", name, label, blob, params, query=query)

    async def complete_upload(
        self, name: str, upload: str, parts: Parts, params: Params, label: str
    ) -> Answer:
        body = "".join(
            f"<Part>{''.join(f'<{key}>{escape(str(part[key]))}</{key}>' for key in part)}</Part>"
            for part in parts
        )
        document = (
            f'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{body}'
            f"</CompleteMultipartUpload>"
        ).encode()
        query = {"uploadId": upload}
        return await self._call("POST", name, label, params, query=query, body=document)

    async def abort_upload(self, name: str, upload: str, params: Params, label: str) -> Answer:
        return await self._call("DELETE", name, label, params, query={"uploadId": upload})

    async def list_uploads(self, prefix: str, params: Params, label: str) -> list[tuple[str, str]]:
        query = {"uploads": "", "prefix": prefix}
        answer = await self._call("GET", "", label, params, query=query)
        if answer.status != OK and answer.code != "NoSuchUpload":  # some say so for none
            raise refused(answer, label)
        listed = answer.document.each("Upload")
        return [(each.get("Key", ""), each.get("UploadId", "")) for each in listed]

    async def close(self) -> None:
        await self._session.close()

    async def _send(
        self,
        method: str,
        name: str,
        label: str,
        blob: Blob,
        params: Params,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a blob: in one piece, or streamed from its file."""
        if blob.size <= PIECE:
            payload = None if self._verify else load_cached(blob)
            if payload is None:
                payload = await self._run_blocking(load, blob, label, verify=self._verify)
            source = slices(payload)
        else:
            source = pieces(blob, label, self._run_blocking, verify=self._verify)
        once = Once(source, blob.size)
        try:
            return await self._call(
                method, name, label, params, query=query, data=once, payload=blob.sha256
            )
        except TransientError:
            if once.failure is not None:  # not the connection failed, but what was to be sent
                raise once.failure from None
            raise

    async def _call(
        self,
        method: str,
        name: str,
        label: str,
        params: Params,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        data: Once | None = None,
        payload: str = NO_PAYLOAD,
    ) -> Answer:
        if body:
            data, payload = Once(slices(body), len(body)), sha256_of(body)
        request = self._open(method, name, label, params, query=query, data=data, payload=payload)
        async with request as response:
            answer = Answer(response.status, response.headers, await _read(response, label))
        if answer.status != OK and CODES.get(answer.code) in {LOGIN, EXPIRED}:
            self._identity.refused()
        return answer

    @asynccontextmanager
    async def _open(
        self,
        method: str,
        name: str,
        label: str,
        params: Params,
        *,
        query: Mapping[str, str] | None = None,
        data: Once | None = None,
        payload: str = NO_PAYLOAD,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        keys = await self._identity.keys(label)
        path = f"{self._path}/{path_of(name)}"
        text = query_of(query) if query else ""
        headers = self._headers(params)
        if method in {"PUT", "POST"}:
            headers["Content-Length"] = str(data.size if data else 0)
        proof = signed(
            method,
            self._host,
            path,
            text,
            headers,
            payload=payload,
            keys=keys,
            region=self._identity.region,
            now=datetime.now(UTC),
        )
        url = f"{self._origin}{path}?{text}" if text else f"{self._origin}{path}"
        try:
            response = await self._session.request(
                method,
                URL(url, encoded=True),
                headers=proof,
                data=data,
                allow_redirects=False,
                proxy=self._proxy,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise from_transport(error, label) from error
        async with response:
            yield response

    def _headers(self, params: Params) -> dict[str, str]:
        made: dict[str, str] = {}
        for key, value in params.items():
            if isinstance(value, dict):
                made |= {f"x-amz-meta-{name.lower()}": text for name, text in value.items()}
            elif key == "IfNoneMatch":
                made[self._create_only.header] = self._create_only.value
            else:
                made[_HEADERS[key]] = value
        return made


class _Download:
    """See :class:`~sinkwell_s3.wire.Download`."""

    def __init__(self, answer: Answer, response: aiohttp.ClientResponse, label: str) -> None:
        self.answer = answer
        self._response = response
        self._label = label

    async def pieces(self) -> AsyncIterator[bytes]:
        encoding = self.answer.headers.get("Content-Encoding", "identity")
        if encoding not in {"identity", ""}:
            raise TransientError(
                f"{self._label} failed: the answer is encoded, which was not asked for: something "
                f"on the way changes it. Look at proxies between here and the store."
            )
        try:
            async for piece in self._response.content.iter_chunked(WRITE):
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise from_transport(error, self._label) from error


async def _read(response: aiohttp.ClientResponse, label: str) -> bytes:
    try:
        return await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise from_transport(error, label) from error


def _trust(ca_bundle: str | None) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=ca_bundle) if ca_bundle else True
