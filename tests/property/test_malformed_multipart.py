"""Ten thousand malformed bodies: none breaks anything, none leaves anything behind."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from instances import SECRET, Instance
from intake_support import (
    BOUNDARY,
    CHUNKED,
    CONTENT_TYPE,
    Answer,
    assert_problem,
    chunk,
    connect,
    count,
    descriptors,
    exchange,
    field,
    file_part,
    half_written,
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
from sinkwell.contract import Message
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.multipart_body import MultipartBody
from sinkwell.intake.spool import SpoolWriter

BODIES = 10_000
CLIENTS = 4
MOST_SECONDS = 60
MIB = 1024 * 1024
PNG = samples.png("malformed", 40, 25)
SLUGS = {
    400: "malformed-callback",
    403: "not-authentic",
    413: "too-large",
    415: "unsupported-content-type",
}
HEADERS = [
    b"Content-Length: 3",
    b"Content-Length: 999999999999999999999",
    b"Content-Length: -1",
    b"Content-Length: 1\r\nContent-Length: 2",
    b"Content-Transfer-Encoding: base64",
    b"Content-Type: text/plain; charset=no-such-charset",
    b"Content-Type: text/plain; charset=utf-16",
    b"Content-Type: text/plain; charset=" + b"x" * 3000,
    b"Content-Type: multipart/mixed; boundary=inner",
    b"Content-Type: \xff\xfe",
    b"Content-Disposition: form-data",
    b"Content-Disposition: form-data; name=token; name=status",
    b"Content-Disposition: form-data; name=file; filename=a; filename*=utf-8''%ff%00",
    b'Content-Disposition: form-data; name="unclosed',
    b'Content-Disposition: form-data; name="a\\"b\\\\"; filename="c:\\d\\e"',
    b"Content-Disposition: attachment; name=file",
    b"Content-Disposition:",
    b": no name",
    b"no colon",
    b" folded first",
    b"X: y\r\n folded\r\n\tagain",
    b"X\0Y: z",
    b"X: " + b"y" * 5000,
    b"\xc3\xa9: e",
]
SNIPPETS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"--",
    b"\r\n--",
    b"\r\n\r\n",
    b"--" + BOUNDARY,
    b"\r\n--" + BOUNDARY,
    b"--" + BOUNDARY + b"--",
    b"\r\n--" + BOUNDARY[:-1],
    b"\r\n--" + BOUNDARY + b" \t\r\n",
    b"--" + BOUNDARY + b"\n",
    "\u202e☃".encode(),
    b"\xff\xfe\xfd",
    b"\xed\xa0\x80",
    SECRET.encode(),
    *HEADERS,
]

Mutation = Callable[[random.Random, bytes], bytes]


def good(rng: random.Random) -> bytes:
    """Return a good body with a file of some size, its parts in some order."""
    token = f"token{rng.randrange(10**9)}"
    content = rng.choice([PNG, b"", rng.randbytes(rng.randrange(3000))])
    parts = [*shotbot_fields(token), file_part(content)]
    rng.shuffle(parts)
    return multipart(*parts)


def cut(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body) + 1)]


def cut_out(rng: random.Random, body: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    return body[:start] + body[end:]


def repeat(rng: random.Random, body: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    return body[:end] + body[start:end] * rng.randrange(1, 4) + body[end:]


def swap(rng: random.Random, body: bytes) -> bytes:
    a, b, c = sorted(rng.randrange(len(body) + 1) for _ in range(3))
    return body[:a] + body[b:c] + body[a:b] + body[c:]


def overwrite(rng: random.Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(rng.randrange(1, 20)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def insert(rng: random.Random, body: bytes) -> bytes:
    at = rng.randrange(len(body) + 1)
    return body[:at] + rng.choice(SNIPPETS) * rng.choice([1, 1, 1, 40]) + body[at:]


def insert_at_a_seam(rng: random.Random, body: bytes) -> bytes:
    seams = [at for at in range(len(body)) if body.startswith((b"\r\n", b"--" + BOUNDARY), at)]
    at = rng.choice(seams or [0]) + rng.choice([0, 2, len(BOUNDARY) + 2])
    return body[:at] + rng.choice(SNIPPETS) + body[at:]


def exchange_ends(rng: random.Random, body: bytes) -> bytes:
    return body.replace(b"\r\n", rng.choice([b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0"]))


def add_header(rng: random.Random, body: bytes) -> bytes:
    line = b"\r\nContent-Disposition"
    return body.replace(line, b"\r\n" + rng.choice(HEADERS) + line, rng.choice([1, -1]))


def exchange_header(rng: random.Random, body: bytes) -> bytes:
    start = body.find(b"Content-", rng.randrange(len(body) + 1))
    end = body.find(b"\r\n", start)
    return body if min(start, end) < 0 else body[:start] + rng.choice(HEADERS) + body[end:]


def nest(rng: random.Random, body: bytes) -> bytes:
    kind = rng.choice([b"multipart/mixed; boundary=" + BOUNDARY, CONTENT_TYPE, b"text/plain"])
    inner = part(
        rng.choice([b"file", b'file"; filename="x', b"token"]), body, b"Content-Type: " + kind
    )
    return multipart(*shotbot_fields("nested"), inner)


def lengthen_name(rng: random.Random, body: bytes) -> bytes:
    name = rng.choice([b"a", b"\0", b"%22", b"\\", b"../", "é".encode()]) * rng.choice(
        [9, 900, 9000]
    )
    return body.replace(b'name="', b'name="' + name, rng.choice([1, 3, -1]))


def multiply_parts(rng: random.Random, body: bytes) -> bytes:
    return multipart(*[field(f"n{n}", "") for n in range(rng.randrange(9, 40))]) + body


def add_a_large_field(rng: random.Random, body: bytes) -> bytes:
    return multipart(*[field("n", "x" * rng.choice([9_000, 60_000, 70_000]))] * 5) + body


def leave_only_noise(rng: random.Random, body: bytes) -> bytes:
    return rng.randbytes(rng.randrange(len(body) + 1))


MUTATIONS: list[Mutation] = [
    cut,
    cut_out,
    repeat,
    swap,
    overwrite,
    insert,
    insert_at_a_seam,
    exchange_ends,
    add_header,
    exchange_header,
    nest,
    lengthen_name,
    multiply_parts,
    add_a_large_field,
    leave_only_noise,
]
CONTENT_TYPES = [
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b'multipart/form-data; boundary="' + BOUNDARY,
    b"multipart/form-data; boundary=" + BOUNDARY + b"; boundary=other",
    b"multipart/form-data; charset=no-such; boundary=" + BOUNDARY,
    b"multipart/form-data; boundary=--",
    b"multipart/form-data; boundary=-",
    b"multipart/form-data; boundary=" + b"b" * 20_000,
    b"multipart/form-data; boundary=\xff\xfe",
    b"multipart/form-data; boundary*=utf-8''" + BOUNDARY,
    b"multipart/mixed; boundary=" + BOUNDARY,
    b"multipart/form-data;" + b" ;" * 5000,
    b"multipart/form-data" + b'; a="\\"' * 1000,
]


def malformed(rng: random.Random) -> bytes:
    """Return a request with a body that was changed one to three times, whole on the HTTP level."""
    body = good(rng)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        body = rng.choice(MUTATIONS)(rng, body)
    kind = rng.choice(CONTENT_TYPES) if rng.random() < 0.05 else CONTENT_TYPE
    if rng.random() < 0.8:
        return request(body, content_type=kind)
    pieces = []
    while body:
        size = rng.choice([1, 7, 100, 5000])
        pieces.append(chunk(body[:size]))
        body = body[size:]
    return head(CHUNKED, content_type=kind) + b"".join(pieces) + chunk(b"")


def read(body: bytes, sizes: Iterable[int]) -> tuple[Message, list[bytes]]:
    """Read a body in chunks of these sizes; return the message and the files."""
    reading = MultipartBody(
        {"content-type": CONTENT_TYPE.decode()}, IntakeLimits(), lambda: mock.Mock(SpoolWriter)
    )
    for size in sizes:
        if body:
            reading.feed(body[:size])
            body = body[size:]
    if body:
        reading.feed(body)
    return reading.end(), [b"".join(file.drain()) for file in reading.files]


@given(st.integers(0), st.lists(st.integers(1, 100)) | st.just([1] * 10_000))
def test_a_body_is_read_alike_however_it_is_cut(seed: int, sizes: list[int]) -> None:
    body = good(random.Random(seed))
    message, files = read(body, sizes)
    assert (message, files) == read(body, [])
    assert message.fields.keys() == {"callback_secret", "status", "token", "format"}
    assert [(each.field, each.size) for each in message.parts] == [("file", len(files[0]))]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("malformed")) as running_instance:
        yield running_instance


def send_all(instance: Instance, seed: int, number: int) -> list[Answer]:
    """Send so many over connections that are kept for as long as the answers allow it."""
    rng = random.Random(seed)
    answers: list[Answer] = []
    connection = connect(instance)
    try:
        while len(answers) < number:
            sent = malformed(rng)
            answer = None
            try:
                connection.sendall(sent)
                answer = read_answer(connection)
            except ConnectionError:
                answer = read_answer(connection)
            assert answer is not None, f"no answer to {sent[:3000]!r}"
            assert answer.status in {200, *SLUGS}, f"{answer} to {sent[:3000]!r}"
            answers.append(answer)
            if answer.headers.get("connection") == "close":
                connection.close()
                connection = connect(instance)
    finally:
        connection.close()
    return answers


def test_ten_thousand_malformed_bodies_break_nothing_and_leave_nothing(instance: Instance) -> None:
    warm = send_all(instance, 0, 500)
    assert within(20, lambda: spooled(instance) == [])
    open_before, memory_before = descriptors(instance), memory(instance)

    began = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as clients:
        shares = clients.map(
            lambda seed: send_all(instance, seed, BODIES // CLIENTS), range(1, CLIENTS + 1)
        )
        answers = [answer for share in shares for answer in share]
    took = time.monotonic() - began

    seen = Counter(answer.status for answer in answers)
    assert within(20, lambda: spooled(instance) == [])
    grown = memory(instance) - memory_before
    print(f"\n{len(answers)} bodies in {took:.1f} s: {dict(seen)}; {grown / MIB:.1f} MiB more")
    assert len(answers) == BODIES
    assert seen.keys() == {200, *SLUGS}, "the mutations do not reach everything"
    assert seen[200] < BODIES / 3, "the mutations hardly do any harm"
    for answer in answers:
        if answer.status != 200:
            assert_problem(answer, answer.status, SLUGS[answer.status])
    assert took < MOST_SECONDS

    assert half_written(instance) == []
    assert within(10, lambda: descriptors(instance) <= open_before + 5)
    assert grown < 20 * MIB
    known = {answer.json()["callback_id"] for answer in [*warm, *answers] if answer.status == 200}
    assert count(instance, "callbacks") == len(known), "a refused callback was recorded"
    assert exchange(instance, request(shotbot("after", PNG))).status == 200
    log = instance.log.read_text()
    assert "Traceback" not in log
    assert '"level":"error"' not in log.replace(": ", ":")
