"""Before anything is measured: does each receiver really store the right bytes?

Against SeaweedFS, a store that keeps what it is given and checks every signature and checksum,
over http and TLS.
"""

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from bench.compare.environments import python_environment
from bench.compare.processes import Program, free_port, running
from bench.compare.receivers import ACCESS_KEY, SECRET, SECRET_KEY, Receiver
from bench.compare.storage import Target

PORTS = ("master", "volume", "filer", "s3")
ALL = ["Admin", "Read", "Write", "List"]
IDENTITIES = {
    "identities": [
        {
            "name": "bench",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ALL,
        },
        {"name": "anonymous", "actions": ["Read", "List"]},
    ]
}


@dataclass(frozen=True)
class KeepingStorage:
    """A store that runs, where anyone may read."""

    targets: tuple[Target, ...]
    port: int
    filer_port: int

    def make_bucket(self, bucket: str) -> None:
        """Make it ready for files: the first one of a bucket waits for its volumes, or fails."""
        first = f"http://127.0.0.1:{self.filer_port}/buckets/{bucket}/first"
        ends = time.monotonic() + 60
        while httpx.post(first, files={"file": b"first"}, timeout=30).status_code != 201:
            if time.monotonic() > ends:
                raise RuntimeError(f"SeaweedFS made no bucket {bucket}")
            time.sleep(0.2)
        httpx.delete(first).raise_for_status()

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return all that is in ``bucket``, by key."""
        root = f"http://127.0.0.1:{self.port}/{bucket}"
        listed = httpx.get(root, params={"list-type": "2"}).text
        keys = re.findall("<Key>([^<]+)</Key>", listed)
        return {key: httpx.get(f"{root}/{key}").raise_for_status().content for key in keys}


@contextmanager
def keeping_storage(place: Path, cache: Path) -> Iterator[KeepingStorage]:
    """Run the store with files in ``place``, which holds ``chain.pem``, ``key.pem``, ``ca.pem``."""
    weed = python_environment(cache, "tools") / "weed"
    data = place / "seaweedfs"
    data.mkdir()
    identities = data / "identities.json"
    identities.write_text(json.dumps(IDENTITIES))
    port, https, filer_port = free_port(), free_port(), free_port()
    options = {
        "dir": data,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "volume.max": 100,
        "filer": "true",
        "s3": "true",
        "s3.config": identities,
        "s3.port.https": https,
        "s3.cert.file": place / "chain.pem",
        "s3.key.file": place / "key.pem",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        **{f"{name}.port": free_port() for name in PORTS},
        **{f"{name}.port.grpc": free_port() for name in PORTS},
        "s3.port": port,
        "filer.port": filer_port,
    }
    command = [str(weed), "server", *(f"-{name}={value}" for name, value in options.items())]
    program = Program("SeaweedFS", command, place / "seaweedfs.log", grace=0)
    with running(program, port, "/"):
        ca = place / "ca.pem"
        targets = (
            Target(f"http://127.0.0.1:{port}", ca),
            Target(f"https://127.0.0.1:{https}", ca),
        )
        yield KeepingStorage(targets, port, filer_port)


def verify(receiver: Receiver, storage: KeepingStorage, place: Path, cache: Path) -> None:
    """Send callbacks and compare what was stored; send one with a wrong secret too.

    Raises ``RuntimeError`` where other bytes were stored than sent, or where an answer is not the
    one that it should be; ``MissingError`` where the receiver cannot be installed.
    """
    storage.make_bucket(receiver.id)
    sent = []
    for number, target in enumerate(storage.targets, 1):
        program, port = receiver.program(target, place / f"verify-{receiver.id}-{number}", cache)
        with running(program, port, "/readyz"):
            sent.append(b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(200_000))
            _expect(receiver, "a wrong secret", _post(port, "wrong", b"\x89PNG"), 403)
            _expect(receiver, "a good callback", _post(port, SECRET, sent[-1]), 200)
            ends = time.monotonic() + 30
            while len(storage.objects(receiver.id)) < number and time.monotonic() < ends:
                time.sleep(0.05)
    stored = storage.objects(receiver.id)
    if sorted(stored.values()) != sorted(sent):
        found = {key: len(file) for key, file in stored.items()}
        raise RuntimeError(f"{receiver.name} stored {found}, not the two files that were sent")


def _post(port: int, secret: str, file: bytes) -> int:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/callbacks/shotbot",
        data={
            "callback_secret": secret,
            "status": "OK",
            "token": secrets.token_hex(16),
            "format": "png",
        },
        files={"file": ("shot.png", file, "image/png")},
        timeout=30,
    )
    return answer.status_code


def _expect(receiver: Receiver, what: str, status: int, wanted: int) -> None:
    if status != wanted:
        raise RuntimeError(f"{receiver.name} answered {what} with {status}, expected {wanted}")
