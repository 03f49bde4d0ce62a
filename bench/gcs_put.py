"""What putting a file into Google Cloud Storage costs, side by side with the library's own ways.

``.venv/bin/python bench/gcs_put.py`` puts 500 files of 200,000 bytes to an endpoint on loopback
that takes them and keeps nothing, in each way in turn, three rounds, and prints the least CPU time
of this process per put. Only the sink computes a sha256 and compares what the answer says.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import google_crc32c
import requests
from google.cloud.storage._media.requests import MultipartUpload
from google.cloud.storage.client import Client
from google.oauth2.credentials import Credentials

from sinkwell.contract import Blob, IfPresent, SinkContext
from sinkwell_gcs.settings import GcsSettings
from sinkwell_gcs.sink import GcsSink, open_gcs

ROUNDS = 3
BUCKET = "bench"
Put = Callable[[], Awaitable[object]]


class Null(asyncio.Protocol):
    """Takes an upload, keeps nothing, and answers as Cloud Storage would."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # TCP gives this kind
        self.parts: list[bytes] = []
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            head, _, rest = b"".join([*self.parts, data]).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length is None:
                self.parts.append(data)
                return
            self.parts, self.missing, data = [], int(length[1]), rest
        self.parts.append(data)
        self.missing -= len(data)
        if not self.missing:
            self.answer(b"".join(self.parts))
            self.parts = []

    def answer(self, body: bytes) -> None:
        crc32c = re.search(rb'"crc32c": ?"([^"]+)"', body[:2000])
        begin = re.search(rb"\r\n\r\n.*?\r\n\r\n", body, re.DOTALL)
        size = body.rindex(b"\r\n--") - begin.end() if begin else len(body)
        made = {"name": "x", "generation": "1", "size": str(size)}
        made["crc32c"] = crc32c[1].decode() if crc32c else ""
        text = json.dumps(made).encode()
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(text), text)
        )


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def multipart(payload: bytes) -> tuple[bytes, str]:
    crc32c = google_crc32c.Checksum(payload).digest()
    made = json.dumps({"name": "x", "crc32c": crc32c.hex()}).encode()
    boundary = secrets.token_hex(16).encode()
    head = b"--%s\r\nContent-Type: application/json\r\n\r\n%s\r\n--%s\r\n" % (
        boundary,
        made,
        boundary,
    )
    kind = b"Content-Type: image/png\r\n\r\n"
    return head + kind + payload + b"\r\n--%s--\r\n" % boundary, boundary.decode()


class Ways:
    """The ways to put one file, each as a call."""

    def __init__(self, endpoint: str, path: Path, run: Callable[..., Awaitable[Any]]) -> None:
        self.path = path
        self.run = run
        self.url = f"{endpoint}/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart"
        self.token = {"Authorization": "Bearer bench"}
        self.credentials = Credentials("bench")
        client = Client(
            project="none", credentials=self.credentials, client_options={"api_endpoint": endpoint}
        )
        self.bucket = client.bucket(BUCKET)
        self.session = requests.Session()

    def by_library(self) -> None:
        self.bucket.blob(secrets.token_hex(8)).upload_from_filename(
            str(self.path), content_type="image/png", if_generation_match=0, retry=None
        )

    def by_media(self) -> None:
        upload = MultipartUpload(self.url, headers=dict(self.token), checksum="crc32c", retry=None)
        upload.transmit(self.session, self.path.read_bytes(), {"name": "x"}, "image/png")

    def by_requests(self) -> None:
        body, boundary = multipart(self.path.read_bytes())
        kind = {"Content-Type": f"multipart/related; boundary={boundary}"}
        self.session.post(self.url, data=body, headers=self.token | kind).raise_for_status()

    async def by_aiohttp(self, session: aiohttp.ClientSession) -> None:
        body, boundary = await self.run(lambda: multipart(self.path.read_bytes()))
        kind = {"Content-Type": f"multipart/related; boundary={boundary}"}
        payload = aiohttp.BytesPayload(body)
        async with session.post(self.url, data=payload, headers=self.token | kind) as answer:
            await answer.json()


@asynccontextmanager
async def opened(endpoint: str, credentials: Credentials, run: Any) -> AsyncIterator[GcsSink]:
    settings = GcsSettings(type="gcs", bucket=BUCKET, endpoint=endpoint, anonymous=True)
    sink = await open_gcs(settings, SinkContext("bench", run, Path()))
    assert isinstance(sink, GcsSink)
    sink._store.identity._credentials = credentials  # with a token, as outside of a bench
    yield sink
    await sink.close()


async def many(put: Put, files: int, at_once: int) -> float:
    """Return the CPU time of one put in milliseconds."""
    left = iter(range(files))  # all workers draw from one pot

    async def some() -> None:
        for _ in left:
            await put()

    began = time.process_time()
    await asyncio.gather(*[some() for _ in range(at_once)])
    return (time.process_time() - began) / files * 1000


async def main(files: int, size: int, endpoint: str, path: Path) -> None:
    payload = os.urandom(size)
    path.write_bytes(payload)
    blob = Blob(path, size, hashlib.sha256(payload).hexdigest(), "image/png")
    executor = ThreadPoolExecutor(8)
    run = partial(asyncio.get_running_loop().run_in_executor, executor)

    async def in_thread(function: Callable[..., Any], *args: object) -> Any:
        return await run(function, *args)

    ways = Ways(endpoint, path, in_thread)
    async with (
        opened(endpoint, ways.credentials, in_thread) as sink,
        aiohttp.ClientSession() as session,
    ):
        put = partial(sink.put, blob, if_present=IfPresent.KEEP_IF_SAME)
        table: dict[str, Put] = {
            "google-cloud-storage: upload_from_filename": partial(in_thread, ways.by_library),
            "google-cloud-storage: its MultipartUpload": partial(in_thread, ways.by_media),
            "requests, multipart with crc32c": partial(in_thread, ways.by_requests),
            "aiohttp, multipart with crc32c": partial(ways.by_aiohttp, session),
            "the sink: aiohttp, crc32c and sha256": lambda: put(secrets.token_hex(8)),
        }
        print(f"CPU ms per put of {size} bytes, {files} files, best of {ROUNDS} rounds")
        print(f"{'way':<45} {'1 at once':>10} {'8 at once':>10}")
        costs: dict[str, list[list[float]]] = {way: [] for way in table}
        for _ in range(ROUNDS):
            for way, call in table.items():
                costs[way].append([await many(call, files, at_once) for at_once in (1, 8)])
        for way, rounds in costs.items():
            one, eight = map(min, zip(*rounds, strict=True))
            print(f"{way:<45} {one:>10.2f} {eight:>10.2f}")
    executor.shutdown()


@contextmanager
def null_endpoint() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--size", type=int, default=200_000, help="bytes of a file")
    parser.add_argument("--serve", action="store_true", help="be the endpoint")
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve())
    else:
        with null_endpoint() as url, tempfile.TemporaryDirectory() as directory:
            asyncio.run(main(chosen.files, chosen.size, url, Path(directory, "file")))
