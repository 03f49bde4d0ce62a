"""What the S3 sink is tested against: real stores, and the strict stub that fails when told."""

import asyncio
import hashlib
import ssl
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import msgspec
from object_servers import S3Server

from sinkwell.contract import Blob, SinkContext
from sinkwell.contract.settings import decode_custom
from sinkwell.testing import Destination
from sinkwell.testing.s3 import S3Object, S3Request, S3Stub
from sinkwell_s3 import S3
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.sink import S3Sink

MIB = 1024 * 1024

P = ParamSpec("P")
T = TypeVar("T")


def settings_of(**keys: object) -> S3Settings:
    return msgspec.convert({"type": "s3", **keys}, S3Settings, dec_hook=decode_custom)


def run_blocking(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    return asyncio.to_thread(function, *args, **kwargs)


@asynccontextmanager
async def opened(directory: Path, **keys: object) -> AsyncIterator[S3Sink]:
    """Open a sink as the core does."""
    context = SinkContext("archive", run_blocking, directory)
    sink = cast("S3Sink", await S3.open(settings_of(**keys), context))
    try:
        yield sink
    finally:
        await sink.close()


class Place:
    """An empty bucket of a stub, and files to put there."""

    def __init__(self, stub: S3Stub, directory: Path, bucket: str = "captures") -> None:
        self.stub = stub
        self.bucket = bucket
        self.state = directory / "state"
        self.state.mkdir()
        self._directory = directory
        stub.make_bucket(bucket)
        stub.forget()

    def section(self, **keys: object) -> dict[str, object]:
        """Return the settings for this place; the stub is as strict as AWS."""
        section = {
            "provider": "aws",
            "region": self.stub.region,
            "bucket": self.bucket,
            "endpoint": self.stub.url,
            "access_key": self.stub.access_key,
            "secret_key": self.stub.secret_key,
            "multipart_threshold": 5 * MIB,
            "part_size": 5 * MIB,
        }
        return section | keys

    @asynccontextmanager
    async def opened(self, **keys: object) -> AsyncIterator[S3Sink]:
        async with opened(self.state, **self.section(**keys)) as sink:
            yield sink

    def blob(self, size: int, seed: str = "", **changes: Any) -> Blob:
        payload = hashlib.shake_128(seed.encode()).digest(size)
        path = self._directory / f"blob-{size}-{seed}"
        path.write_bytes(payload)
        return Blob(path, size, hashlib.sha256(payload).hexdigest(), "image/png", **changes)

    def objects(self) -> dict[str, S3Object]:
        return dict(self.stub.objects(self.bucket))

    def asked(self) -> list[S3Request]:
        """Return the requests since the last time."""
        requests = self.stub.requests
        self.stub.forget()
        return requests


class ServerDestination(Destination):
    """A bucket of a real store, as another client sees it."""

    def __init__(self, server: S3Server, bucket: str, *, secure: bool = False) -> None:
        self._client = server.client(secure=secure)
        self._bucket = bucket
        self._trust = ssl.create_default_context(cafile=str(server.ca))

    def keys(self) -> Collection[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def leftovers(self) -> Collection[str]:
        try:
            found = self._client.list_multipart_uploads(Bucket=self._bucket)
        except self._client.exceptions.NoSuchUpload:  # rclone's word for none
            return []
        return [each["Key"] for each in found.get("Uploads", [])]

    def fetch(self, url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=20, context=self._trust) as answer:
            content: bytes = answer.read()
        return content
