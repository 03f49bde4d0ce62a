"""What the GCS sink is tested against: the emulator, and a strict stub that fails when told."""

import asyncio
import hashlib
import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote

import msgspec
import pytest
from gcs_signing import Account, refusal
from object_servers import GcsServer

from sinkwell.contract import Blob, Sink, SinkContext
from sinkwell.contract.settings import decode_custom
from sinkwell.testing import LARGE, Destination, Fault, Faults
from sinkwell_gcs import GCS
from sinkwell_gcs.settings import GcsSettings

WAIT = 3
"""Seconds that a busy stub asks to wait."""

SMALL_FILE, LARGE_FILE = 200_000, 1_000_000
"""Bytes of a file that a place sends at once, and of one that it sends in a session."""

P = ParamSpec("P")
T = TypeVar("T")

UPLOAD = {"path": "^/upload/"}
LOOK = {"method": "GET", "path": "^/storage/"}
"""Which requests a fault is for."""

NOT_THERE = {"status": 404, "reason": "notFound", "message": "The specified bucket does not exist."}


@cache
def account() -> Account:
    """The service account of all tests: a key pair takes a moment to make."""
    return Account()


class Stub:
    """The strict stub in a process of its own."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("gcs_stub.py")
        self._process = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        self.endpoint = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        self._numbers = count()
        self.tell("account", {"public": account().public})

    def tell(self, what: str, told: object) -> Any:
        """Tell or ask it something; returns its answer."""
        content = self.content(what, told)
        return json.loads(content)

    def content(self, what: str, told: object) -> bytes:
        return fetch("POST", f"{self.endpoint}/_stub/{what}", json.dumps(told).encode())

    def credentials(self) -> str:
        return account().file(f"{self.endpoint}/token")

    def bucket(self) -> str:
        """Make an empty bucket; all is well with it."""
        name = f"bucket-{next(self._numbers)}"
        self.tell("bucket", {"name": name})
        self.tell("faults", [])
        self.tell("requests", {})
        return name

    @contextmanager
    def failing(self, *faults: dict[str, object]) -> Iterator[None]:
        """Let requests fail as told; all is well again at the end."""
        self.tell("faults", faults)
        try:
            yield
        finally:
            self.tell("faults", [])

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


class StubDestination(Destination):
    """A bucket of the stub."""

    def __init__(self, stub: Stub, bucket: str) -> None:
        self._stub = stub
        self._bucket = bucket

    def keys(self) -> Collection[str]:
        names: list[str] = self._stub.tell("objects", {"bucket": self._bucket})
        return names

    def read(self, key: str) -> bytes:
        return self._stub.content("object", {"bucket": self._bucket, "name": key})

    def leftovers(self) -> Collection[str]:
        names: list[str] = self._stub.tell("sessions", {})
        return names

    def faults(self) -> Faults:
        writing = {"method": "POST|PUT|DELETE"}
        made: dict[Fault, dict[str, object]] = {
            Fault.UNREACHABLE: {"kind": "reset"},
            Fault.FORBIDDEN: writing | answer(403, "forbidden", "no storage.objects.create access"),
            Fault.GONE: {"kind": "answer", **NOT_THERE},
            Fault.REFUSED: {"least": LARGE} | answer(413, "uploadTooLarge", "too large"),
            Fault.CUT: {"kind": "reset", "after": 1000, "least": LARGE, "method": "PUT"},
            Fault.HANG: {"kind": "stall", "least": LARGE, "method": "PUT"},
        }
        faults: dict[Fault, Callable[[], AbstractContextManager[float | None]]] = {
            fault: self._maker(how) for fault, how in made.items()
        }
        return faults | {Fault.BUSY: self._busy}

    def _maker(self, how: dict[str, object]) -> Callable[[], AbstractContextManager[None]]:
        return lambda: self._stub.failing(how)

    @contextmanager
    def _busy(self) -> Iterator[float]:
        how = answer(429, "rateLimitExceeded", "too many") | {"headers": {"Retry-After": f"{WAIT}"}}
        with self._stub.failing(how):
            yield WAIT


@pytest.fixture(scope="session")
def gcs_stub() -> Iterator[Stub]:
    stub = Stub()
    yield stub
    stub.stop()


@pytest.fixture
def gcs_place(gcs_stub: Stub, tmp_path: Path) -> "Place":
    return Place(gcs_stub, tmp_path)


class Place:
    """An empty bucket of the stub, and files to put there."""

    def __init__(self, stub: Stub, directory: Path) -> None:
        self.stub = stub
        self.bucket = stub.bucket()
        self._directory = directory

    @asynccontextmanager
    async def opened(self, **keys: object) -> AsyncIterator[Sink]:
        section = {
            "bucket": self.bucket,
            "endpoint": self.stub.endpoint,
            "credentials": self.stub.credentials(),
            "resumable_above": 256 * 1024,
        }
        async with opened(section | keys) as sink:
            yield sink

    def blob(self, size: int, seed: str = "", **changes: Any) -> Blob:
        return blob_in(self._directory, size, seed, **changes)

    def objects(self) -> list[str]:
        names: list[str] = self.stub.tell("objects", {"bucket": self.bucket})
        return names

    def holds(self, key: str, blob: Blob) -> bool:
        content = self.stub.content("object", {"bucket": self.bucket, "name": key})
        return content == blob.path.read_bytes()

    def described(self, key: str) -> dict[str, Any]:
        """Return all that is kept of an object beside its bytes."""
        found: dict[str, Any] = self.stub.tell("described", {"bucket": self.bucket, "name": key})
        return found

    def sessions(self) -> list[str]:
        names: list[str] = self.stub.tell("sessions", {})
        return names

    def asked(self) -> list[dict[str, Any]]:
        """Return the requests since the last time."""
        requests: list[dict[str, Any]] = self.stub.tell("requests", {})
        return requests


@asynccontextmanager
async def opened(section: dict[str, object]) -> AsyncIterator[Sink]:
    """Open a sink as the core does."""
    settings = msgspec.convert({"type": "gcs"} | section, GcsSettings, dec_hook=decode_custom)
    sink = await GCS.open(settings, SinkContext("archive", run_blocking, Path()))
    try:
        yield sink
    finally:
        await sink.close()


def blob_in(directory: Path, size: int, seed: str = "", **changes: Any) -> Blob:
    """Lay a file down that looks like chance and is always the same."""
    payload = hashlib.shake_128(seed.encode()).digest(size)
    path = directory / f"blob-{size}-{seed}"
    path.write_bytes(payload)
    return Blob(path, size, hashlib.sha256(payload).hexdigest(), "image/png", **changes)


def run_blocking(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
    return asyncio.to_thread(function, *args, **kwargs)


def answer(status: int, reason: str, message: str) -> dict[str, object]:
    """Return the fault that is an answer."""
    return {"kind": "answer", "status": status, "reason": reason, "message": message}


class EmulatorDestination(Destination):
    """A bucket of the emulator. It tells of no sessions; that none is left, the stub shows."""

    def __init__(self, server: GcsServer, bucket: str, *, secure: bool) -> None:
        self._trust = ssl.create_default_context(cafile=str(server.ca))
        url = server.secure_url if secure else server.url
        self._objects = f"{url}/storage/v1/b/{bucket}/o"

    def keys(self) -> Collection[str]:
        found = json.loads(fetch("GET", self._objects, trust=self._trust))
        return [each["name"] for each in found.get("items", [])]

    def read(self, key: str) -> bytes:
        return fetch("GET", f"{self._objects}/{quote(key, safe='')}?alt=media", trust=self._trust)

    def leftovers(self) -> Collection[str]:
        return []

    def fetch(self, url: str) -> bytes:
        """Fetch a signed URL; the emulator asks neither for the signature nor for the time."""
        if reason := refusal(account().public, url, datetime.now(UTC)):
            raise OSError(reason)
        return fetch("GET", url, trust=self._trust)


def fetch(
    method: str, url: str, data: bytes | None = None, trust: ssl.SSLContext | None = None
) -> bytes:
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=20, context=trust) as response:
        content: bytes = response.read()
    return content
