"""Memory stays flat however large a file is."""

import hashlib
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from instances import Instance
from intake_support import (
    CHUNKED,
    Answer,
    ask,
    chunk,
    connect,
    exchange,
    forget_peak,
    head,
    memory,
    multipart,
    part,
    read_answer,
    request,
    running,
    shotbot,
    shotbot_fields,
    spooled,
    within,
)

from sinkwell import samples

MIB = 1024 * 1024
BLOCK = samples.incompressible(MIB, 1)
BLOCKS = 1024
MOST = 32 * MIB


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """Return an instance that has seen a few callbacks: what is loaded once is loaded."""
    with running(tmp_path_factory.mktemp("memory")) as running_instance:
        for n in range(20):
            body = shotbot(f"warm{n}", samples.sized(samples.png("warm"), 600_000, n))
            assert exchange(running_instance, request(body)).status == 200
        assert within(20, lambda: spooled(running_instance) == [])
        yield running_instance


@cache
def digest_of_all() -> str:
    digest = hashlib.sha256()
    for _ in range(BLOCKS):
        digest.update(BLOCK)
    return digest.hexdigest()


def stream(instance: Instance, token: str, *, chunked: bool) -> Answer:
    """Send a file of 1 GiB, of which this process has one block."""
    opening, closing = multipart(
        *shotbot_fields(token), part(b'file"; filename="big.bin', b"SPLIT")
    ).split(b"SPLIT")
    length = CHUNKED if chunked else len(opening) + len(BLOCK) * BLOCKS + len(closing)
    framed = chunk if chunked else bytes
    block = framed(BLOCK)
    with connect(instance, timeout=60) as connection:
        connection.sendall(head(length) + framed(opening))
        for _ in range(BLOCKS):
            connection.sendall(block)
        connection.sendall(framed(closing) + (chunk(b"") if chunked else b""))
        answer = read_answer(connection)
    assert answer is not None
    return answer


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
def test_a_file_of_one_gibibyte_takes_no_memory(instance: Instance, chunked: bool) -> None:
    token = f"big{int(chunked)}"
    forget_peak(instance)
    before, began = memory(instance), time.monotonic()

    assert stream(instance, token, chunked=chunked).status == 200
    received = memory(instance, "VmHWM") - before
    assert within(60, lambda: spooled(instance) == [])
    delivered = memory(instance, "VmHWM") - before

    print(
        f"\n1 GiB in {time.monotonic() - began:.1f} s: at most {received / MIB:.1f} MiB more "
        f"while it came, {delivered / MIB:.1f} until it was delivered"
    )
    assert received < MOST
    assert delivered < MOST

    (file,) = ask(instance, "files", token=token)
    assert (file["size"], file["sha256"]) == (BLOCKS * MIB, digest_of_all())
    (delivery,) = ask(instance, "deliveries", token=token)
    stored = instance.root / delivery["key"]
    assert digest_of(stored) == digest_of_all()
    stored.unlink()


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
