"""What putting a file into Google Cloud Storage costs, side by side with the library's own way.

``.venv/bin/python bench/gcs_put.py`` puts 500 files of 200,000 bytes to a null endpoint, a process
on loopback that takes them, keeps nothing and answers at once; in each way in turn, three rounds.
It prints the least CPU time of this process per put, and its ratio to that of the library. Only
the sink computes a sha256 and compares what the answer says.

``--large BYTES`` puts one file of that size through the sink instead, and prints how much more
memory this process had at its peak than before.
"""

import argparse
import asyncio
import hashlib
import json
import os
import re
import resource
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
import uvloop
from google.cloud.storage.client import Client
from google.oauth2.credentials import Credentials

from sinkwell.contract import Blob, IfPresent, Sink, SinkContext
from sinkwell_gcs.settings import GcsSettings
from sinkwell_gcs.sink import GcsSink, open_sink

ROUNDS = 3
BUCKET = "bench"
BEGINNING = 4096
"""Bytes of a body that the endpoint looks at."""
Put = Callable[[], Awaitable[object]]
Run = Callable[..., Awaitable[Any]]


class Null(asyncio.Protocol):
    """Takes an upload, in one request or in a session, and answers as if it had kept it."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment] # TCP gives this kind
        self.head = self.begin = b""
        self.length = self.missing = 0

    def data_received(self, data: bytes) -> None:
        if not self.missing:
            self.head, blank, data = (self.head + data).partition(b"\r\n\r\n")
            if not blank:
                return
            self.begin, self.length = b"", int(_found(rb"\ncontent-length: (\d+)", self.head) or 0)
            self.missing = self.length
        self.begin += data[: BEGINNING - len(self.begin)]
        self.missing -= len(data)
        if not self.missing:
            self.answer()
            self.head = b""

    def answer(self) -> None:
        """Tell back the crc32c that came along: a store computes it of what it got."""
        if b"uploadType=resumable" in self.head:
            host = _found(rb"host: (\S+)", self.head)
            self.send(b"200 OK", b"Location: http://%s/session\r\n" % host)
        elif last := _found(rb"content-range: bytes 0-(\d+)/", self.head):
            self.send(b"308 Resume Incomplete", b"Range: bytes=0-%s\r\n" % last)
        else:
            crc32c = _found(rb'"crc32c": ?"([^"]+)"', self.begin)
            size = _found(rb"content-range: \S+ \S+/(\d+)", self.head) or b"%d" % self.sent()
            made = {
                "generation": "1",
                "size": size.decode(),
                "crc32c": (crc32c or _found(rb"crc32c=(\S+)", self.head)).decode(),
            }
            self.send(b"200 OK", b"Content-Type: application/json\r\n", json.dumps(made).encode())

    def sent(self) -> int:
        """Return the size of the file in a body of two parts."""
        boundary = _found(rb'boundary="?([^"\r\n]+)', self.head)
        before = re.search(rb"\r\n\r\n.*?\r\n\r\n", self.begin, re.DOTALL)
        return self.length - (before.end() if before else 0) - len(b"\r\n--%s--\r\n" % boundary)

    def send(self, status: bytes, headers: bytes, body: bytes = b"") -> None:
        self.transport.write(
            b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s" % (status, headers, len(body), body)
        )


def _found(pattern: bytes, text: bytes) -> bytes:
    found = re.search(pattern, text, re.IGNORECASE)
    return found[1] if found else b""


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Null, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


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


def by_library(bucket: Any, path: Path) -> None:
    bucket.blob(secrets.token_hex(8)).upload_from_filename(
        str(path), content_type="image/png", if_generation_match=0, retry=None
    )


def multipart(path: Path) -> tuple[bytes, str]:
    """Return what a plain upload sends: no more than crc32c is computed."""
    payload = path.read_bytes()
    made = json.dumps({"name": "x", "crc32c": google_crc32c.Checksum(payload).digest().hex()})
    boundary = secrets.token_hex(16)
    head = (
        f"--{boundary}\r\nContent-Type: application/json\r\n\r\n{made}\r\n"
        f"--{boundary}\r\nContent-Type: image/png\r\n\r\n"
    )
    return head.encode() + payload + f"\r\n--{boundary}--\r\n".encode(), boundary


async def by_aiohttp(session: aiohttp.ClientSession, endpoint: str, path: Path, run: Run) -> None:
    body, boundary = await run(multipart, path)
    async with session.post(
        f"{endpoint}/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart",
        data=aiohttp.BytesPayload(body),
        headers={
            "Authorization": "Bearer bench",
            "Content-Type": f"multipart/related; boundary={boundary}",
        },
    ) as answer:
        await answer.json()


@asynccontextmanager
async def opened(endpoint: str, credentials: Credentials, run: Run) -> AsyncIterator[Sink]:
    settings = GcsSettings(type="gcs", bucket=BUCKET, endpoint=endpoint, anonymous=True)
    sink = await open_sink(settings, SinkContext("bench", run, Path()))
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


async def compare(files: int, size: int, endpoint: str, path: Path) -> None:
    payload = os.urandom(size)
    path.write_bytes(payload)
    blob = Blob(path, size, hashlib.sha256(payload).hexdigest(), "image/png")
    credentials = Credentials("bench")
    client = Client(
        project="none", credentials=credentials, client_options={"api_endpoint": endpoint}
    )
    with ThreadPoolExecutor(8) as executor:
        run = partial(asyncio.get_running_loop().run_in_executor, executor)
        async with (
            opened(endpoint, credentials, run) as sink,
            aiohttp.ClientSession() as session,
        ):
            put = partial(sink.put, blob, if_present=IfPresent.KEEP_IF_SAME)
            ways: dict[str, Put] = {
                "google-cloud-storage, upload_from_filename": partial(
                    run, by_library, client.bucket(BUCKET), path
                ),
                "the sink, with sha256": lambda: put(secrets.token_hex(8)),
                "plain aiohttp, without": partial(by_aiohttp, session, endpoint, path, run),
            }
            rounds = [
                {way: [await many(call, files, n) for n in (1, 8)] for way, call in ways.items()}
                for _ in range(ROUNDS)
            ]
    print(f"CPU ms per put of {size} bytes, {files} files, best of {ROUNDS} rounds; null endpoint")
    print(f"{'way':<44} {'1 at once':>10} {'ratio':>6} {'8 at once':>10} {'ratio':>6}")
    best = {way: [min(each[way][n] for each in rounds) for n in (0, 1)] for way in ways}
    library = next(iter(best.values()))
    for way, (one, eight) in best.items():
        print(f"{way:<44} {one:>10.2f} {one / library[0]:>6.2f} {eight:>10.2f} ", end="")
        print(f"{eight / library[1]:>6.2f}")


async def put_large(size: int, endpoint: str, path: Path) -> None:
    """Put one large file; a small and a middling one came first, so that all is loaded."""
    with ThreadPoolExecutor(8) as executor:
        run = partial(asyncio.get_running_loop().run_in_executor, executor)
        async with opened(endpoint, Credentials("bench"), run) as sink:
            before = 0
            for each in (200_000, 9 * 1024 * 1024, size):
                with path.open("wb") as file:
                    file.truncate(each)
                with path.open("rb") as file:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                blob = Blob(path, each, sha256, "application/octet-stream")
                before = peak()
                await sink.put(blob, "large", if_present=IfPresent.REPLACE)
    print(f"memory for a file of {size} bytes: +{(peak() - before) / 1e6:.1f} MB")


def peak() -> int:
    """Return the most memory that this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--size", type=int, default=200_000, help="bytes of a file")
    parser.add_argument("--large", type=int, metavar="BYTES", help="one file of this size instead")
    parser.add_argument("--serve", action="store_true", help="be the endpoint")
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(serve())
    else:
        with null_endpoint() as url, tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "file")
            uvloop.run(  # as in production
                put_large(chosen.large, url, file)
                if chosen.large
                else compare(chosen.files, chosen.size, url, file)
            )
