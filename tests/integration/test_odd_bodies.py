"""Bodies as nobody should send them, to sources of every transport: each gets a clear answer."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from instances import Instance
from intake_support import (
    CHUNKED,
    Answer,
    ask,
    assert_problem,
    chunk,
    events,
    exchange,
    half_written,
    head,
    in_chunks,
    memory,
    request,
    running,
)

SOURCE = """
[sources.{name}]
type = "webhook"
transport = "{name}"
{keys}
authentication = {{ scheme = "none" }}
"""
SETTINGS = "".join(
    SOURCE.format(name=name, keys=keys)
    for name, keys in {
        "json": 'file = "file"\nid = "id"\nstatus = "status"\nsuccess = ["done"]',
        "base64": 'file = "file"\nid = "id"',
        "raw": "",
        "form-json": 'file = "file"\nid = "id"\nform_field = "payload"',
        "multipart": 'file = "file"\nid = "id"',
    }.items()
)
FEW = """
[intake]
max_held_size = "16 MiB"
max_base64_size = "8 MiB"
"""
HELD = 16 * 1024 * 1024
JSON = b"application/json"
FORM = b"application/x-www-form-urlencoded"
GOOD = b'{"id": "1", "status": "done", "file": "https://files.example.com/1.png"}'


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("odd"), FEW + SETTINGS) as started:
        yield started


def path(source: str) -> bytes:
    return f"/callbacks/{source}".encode()


def send(instance: Instance, source: str, body: bytes, content_type: bytes | None = JSON) -> Answer:
    return exchange(instance, request(body, content_type=content_type, path=path(source)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"file": NaN}',
        b'{"id": 1e999}',
        b'{"file": "\xff\xfe"}',
        rb'{"file": "\ud800"}',
        '{"id": "1"}'.encode("utf-16"),
        GOOD + b" and more",
        GOOD[:-1],
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"id":' + b"9" * 5_000 + b"}",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b'{"status": "done", "id": "1"}',
        b'{"status": "done", "file": ["", null, {}, 0.5, true]}',
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
@pytest.mark.parametrize("source", ["json", "base64", "form-json"])
def test_json_that_says_nothing_is_refused_and_nothing_is_kept(
    instance: Instance, source: str, body: bytes
) -> None:
    before = len(ask(instance, "files", limit=1000))

    if source == "form-json":
        answer = send(instance, source, b"payload=" + body.replace(b"\\", b"%5C"), FORM)
    else:
        answer = send(instance, source, body)

    assert_problem(answer, 400, "malformed-callback")
    assert len(ask(instance, "files", limit=1000)) == before
    assert half_written(instance) == []


def test_a_callback_without_its_status_is_refused_rather_than_taken_for_a_failure(
    instance: Instance,
) -> None:
    answer = send(instance, "json", b'{"id": "9", "state": "done", "file": "https://e.com/9"}')

    problem = assert_problem(answer, 400, "malformed-callback")
    assert "no status where one is looked for" in problem["detail"]
    assert events(instance, "callback.provider_failed", provider_id="9") == []


def test_no_file_of_many_is_dropped_in_silence(instance: Instance) -> None:
    links = [f"https://files.example.com/{number}.png" for number in range(65)]
    document = {"id": "many", "status": "done", "file": links}

    refused = send(instance, "json", msgspec.json.encode(document))
    taken = send(instance, "json", msgspec.json.encode({**document, "file": links[:64]}))

    problem = assert_problem(refused, 400, "malformed-callback")
    assert problem["detail"] == "the callback brings 65 files; 64 are taken at once"
    assert taken.status == 200
    found = [file for file in ask(instance, "files", limit=1000) if "many" in file["token"]]
    assert len(found) == 64


def test_a_byte_order_mark_and_chunks_make_no_difference(instance: Instance) -> None:
    body = b"\xef\xbb\xbf" + GOOD
    first = exchange(
        instance, head(CHUNKED, content_type=JSON, path=path("json")), in_chunks(body, 7)
    )
    again = send(instance, "json", GOOD, None)

    assert (first.status, again.status) == (200, 200)
    assert first.json() == again.json()


@pytest.mark.parametrize("source", ["json", "base64", "raw", "form-json", "multipart"])
def test_a_compressed_body_is_refused(instance: Instance, source: str) -> None:
    top = head(3, content_type=JSON, path=path(source)).removesuffix(b"\r\n")

    answer = exchange(instance, top + b"Content-Encoding: GZIP\r\n\r\n", b"\x1f\x8b\x08")

    problem = assert_problem(answer, 415, "unsupported-content-type")
    assert problem["detail"] == "callbacks are taken as they are, not compressed with gzip"


@pytest.mark.parametrize("content_type", [None, b"text/plain", b"application/json", b";;;"])
def test_a_source_of_forms_names_both_kinds_of_them(
    instance: Instance, content_type: bytes | None
) -> None:
    problem = assert_problem(
        send(instance, "form-json", GOOD, content_type), 415, "unsupported-content-type"
    )
    assert "application/x-www-form-urlencoded or multipart/form-data" in problem["detail"]


def test_of_a_repeated_header_or_field_the_first_holds(instance: Instance) -> None:
    body = b"payload=" + GOOD.replace(b'"1"', b'"first"') + b"&payload=" + GOOD
    assert send(instance, "form-json", body, FORM).status == 200
    (file,) = ask(instance, "files", source="form-json")
    assert file["token"] == "first"

    top = head(len(GOOD), content_type=JSON, path=path("json")).removesuffix(b"\r\n")
    assert exchange(instance, top + b"Content-Type: text/plain\r\n\r\n", GOOD).status == 200


def test_a_form_has_no_end_of_fields(instance: Instance) -> None:
    body = b"&".join(b"f%d=1" % number for number in range(5_000))
    assert_problem(send(instance, "form-json", body, FORM), 413, "too-large")


# How much is held.


Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SPACES = b"%x\r\n" % 65_536 + b" " * 65_536 + b"\r\n"
"""White space before JSON: 64 KiB of a body in chunks."""


async def begin(instance: Instance) -> Opened:
    """Send a body of 960 KiB but for its end, as far as it is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", instance.port)
    writer.write(head(CHUNKED, content_type=JSON, path=path("json")))
    with contextlib.suppress(ConnectionError):
        for _ in range(15):
            writer.write(SPACES)
            await writer.drain()
    return reader, writer


async def finish(opened: Opened) -> bytes:
    """Send the end, and return the head of the answer."""
    reader, writer = opened
    with contextlib.suppress(ConnectionError):
        writer.write(chunk(GOOD) + chunk(b""))
        await writer.drain()
    try:
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


async def test_many_large_bodies_at_once_are_held_within_the_limit(instance: Instance) -> None:
    assert send(instance, "json", GOOD).status == 200
    before = memory(instance)

    async with asyncio.timeout(90):
        opened = await asyncio.gather(*(begin(instance) for _ in range(200)))
        most = memory(instance)
        unread = exchange(instance, head(900_000, content_type=JSON, path=path("json")))
        small = exchange(instance, head(5, path=path("multipart")), b"wrong")
        answers = await asyncio.gather(*map(finish, opened))

    assert most - before < 3 * HELD, "190 MB had come, of which 16 MiB may be held"
    assert_problem(unread, 503, "too-busy")
    assert small.status == 400, "what is not held is not refused"
    refused = [answer for answer in answers if b" 503 " in answer]
    taken = [answer for answer in answers if b" 200 " in answer]
    assert len(refused) + len(taken) == 200
    assert min(len(refused), len(taken)) > 0
    assert all(b"retry-after: 5" in answer for answer in refused)
    assert finish_alone(instance) == 200, "what was held is given back"


def finish_alone(instance: Instance) -> int:
    return exchange(
        instance, request(b" " * 900_000 + GOOD, content_type=JSON, path=path("json"))
    ).status


def test_limits_that_cannot_both_hold_are_told(tmp_path: Path) -> None:
    config = tmp_path / "sinkwell.toml"
    config.write_text('[intake]\nmax_held_size = "1 MiB"\n')
    done = Instance(tmp_path).run_plain("check", "--config", str(config))
    assert done.returncode == 2
    assert "max_held_size must not be less than max_base64_size" in done.stderr
