"""What a running process does not take: the problem, and that nothing is kept of it."""

import contextlib
import json
import random
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from instances import SECRET, Instance
from intake_support import (
    BOUNDARY,
    CHUNKED,
    Answer,
    ask,
    assert_problem,
    chunk,
    connect,
    count,
    exchange,
    field,
    file_part,
    half_written,
    head,
    in_chunks,
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

PNG = samples.png("limits")
KIB = 1024

SETTINGS = """
[intake]
max_file_size = "100 KiB"
max_field_size = "2 KiB"
max_fields_size = "5 KiB"
max_parts = 7
max_part_headers = 3
max_header_size = 512
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("limits"), SETTINGS) as instance:
        yield instance


@pytest.fixture
def instance(shared: Instance) -> Iterator[Instance]:
    """Return the running instance; a test that leaves anything in it fails."""
    rows = count(shared, "callbacks")
    yield shared
    assert within(5, lambda: half_written(shared) == spooled(shared) == [])
    assert count(shared, "callbacks") == rows
    assert "Traceback" not in shared.log.read_text()


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def send(instance: Instance, body: bytes, **options: bytes) -> Answer:
    return exchange(instance, request(body, **options))


# --- not this way -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", [b"/callbacks/nobody", b"/callbacks/", b"/callbacks", b"/callbacks/shotbot/x"]
)
def test_an_unknown_source_is_not_found(instance: Instance, path: bytes) -> None:
    assert_problem(send(instance, shotbot("t", PNG), path=path), 404, "unknown-source")


def test_a_hostile_path_is_not_found_either(instance: Instance) -> None:
    for path in (
        b"/callbacks/%00",
        b"/callbacks/%ff",
        b"/callbacks/..%2f..",
        b"/callbacks/" + b"a" * 9000,
    ):
        answer = send(instance, shotbot("t", PNG), path=path)
        problem = assert_problem(answer, 404, "unknown-source")
        assert len(problem["detail"]) < 500


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_post_is_taken(instance: Instance, method: str) -> None:
    answer = httpx.request(method, instance.callback_url)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


def test_a_question_for_the_headers_alone_is_answered(instance: Instance) -> None:
    assert httpx.head(instance.callback_url).status_code == 405


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"",
        b"application/json",
        b"application/x-www-form-urlencoded",
        b"text/plain",
        b"multipart/mixed; boundary=" + BOUNDARY,
        b"multipart/form-data-x; boundary=" + BOUNDARY,
        b"image/png",
        b";",
        b"\xff\xfe",
    ],
)
def test_another_content_type_is_not_taken(instance: Instance, content_type: bytes | None) -> None:
    sent = head(10**9, content_type=content_type)
    assert_problem(exchange(instance, sent), 415, "unsupported-content-type")


def test_a_body_that_is_json_is_never_read_as_an_upload(instance: Instance) -> None:
    body = json.dumps({"callback_secret": SECRET, "status": "OK", "token": "t", "file": "x"})
    answer = send(instance, body.encode(), content_type=b"application/json")
    assert_problem(answer, 415, "unsupported-content-type")
    assert_problem(send(instance, body.encode()), 400, "malformed-callback")


# --- not readable -----------------------------------------------------------------------------

GOOD = shotbot("malformed", PNG)
MALFORMED = {
    "nothing": b"",
    "garbage": noise(2000),
    "no end": GOOD[:-6],
    "cut in the file": GOOD[: len(GOOD) // 2],
    "cut in the headers": GOOD[: len(BOUNDARY) + 20],
    "another boundary": GOOD.replace(BOUNDARY, BOUNDARY[:-1] + b"X"),
    "bare line feeds": GOOD.replace(b"\r\n", b"\n"),
    "no disposition": GOOD.replace(b"Content-Disposition", b"Content-Position"),
    "another disposition": GOOD.replace(b"form-data;", b"attachment;"),
    "a header without a colon": GOOD.replace(b"Content-Type: image", b"Content-Type image"),
    "a header that is no text": GOOD.replace(b"shot.png", b"\xff\xfe"),
    "a part that lies about its length": multipart(
        *shotbot_fields("t"), part(b'file"; filename="a', PNG, b"Content-Length: 5")
    ),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_refused(instance: Instance, body: bytes) -> None:
    problem = assert_problem(send(instance, body), 400, "malformed-callback")
    assert "Error" not in problem["detail"], "Python's words are for the log"


@pytest.mark.parametrize(
    "content_type",
    [
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary=""',
        b"multipart/form-data; bounds=" + BOUNDARY,
        b"multipart/form-data; boundary=\xff",
    ],
)
def test_a_boundary_that_is_missing_or_broken_is_refused(
    instance: Instance, content_type: bytes
) -> None:
    answer = send(instance, GOOD, content_type=content_type)
    assert_problem(answer, 400, "malformed-callback")


def test_a_content_type_in_other_letters_is_taken(instance: Instance) -> None:
    kinds = (
        b"Multipart/Form-Data; Boundary=" + BOUNDARY,
        b'multipart/form-data;boundary="' + BOUNDARY + b'"',
        b"multipart/form-data; charset=utf-16; boundary=" + BOUNDARY + b"; x=y",
    )
    for kind in kinds:
        answer = send(instance, multipart(*shotbot_fields("", status="OK")), content_type=kind)
        problem = assert_problem(answer, 400, "malformed-callback")
        assert "token" in problem["detail"], "the fields were not read"


# --- not so much ------------------------------------------------------------------------------


def test_a_body_that_announces_too_much_is_refused_unread(instance: Instance) -> None:
    with connect(instance) as connection:
        connection.sendall(head(10**9))
        began = time.monotonic()
        answer = read_answer(connection)
    assert answer is not None
    assert_problem(answer, 413, "too-large")
    assert time.monotonic() - began < 2


def test_a_file_may_be_as_large_as_the_limit_and_no_larger(instance: Instance) -> None:
    big = noise(100 * KIB + 1)
    for sent in (
        request(shotbot("t", big)),
        head(CHUNKED) + in_chunks(shotbot("t", big)),
        head(CHUNKED) + in_chunks(shotbot("t", big), 1000),
    ):
        problem = assert_problem(exchange(instance, sent), 413, "too-large")
        assert "102400" in problem["detail"]
    # A wrong word at the very end shows that it came that far.
    fits = multipart(*shotbot_fields("t")[1:], file_part(big[:-1]), field("callback_secret", "no"))
    assert_problem(send(instance, fits), 403, "not-authentic")


def test_a_stream_without_end_is_cut_off(instance: Instance) -> None:
    piece = chunk(noise(64 * KIB))
    sent = 0
    with connect(instance) as connection:
        connection.sendall(head(CHUNKED) + chunk(multipart(*shotbot_fields("t"))[:-50]))
        with contextlib.suppress(ConnectionError):
            connection.sendall(chunk(b"\r\n--" + BOUNDARY + b"\r\n" + file_part(b"")[40:-2]))
            while sent < 10**9:
                sent += connection.send(piece)
    assert sent < 10**8


def test_two_files_share_the_limit(instance: Instance) -> None:
    half = noise(60 * KIB)
    body = multipart(*shotbot_fields("t"), file_part(half), file_part(half, name="other"))
    assert_problem(send(instance, body), 413, "too-large")


def refused(instance: Instance, *parts: bytes) -> str:
    """See that a callback with more parts is too large, and return what is said of it."""
    body = multipart(*shotbot_fields("t")[:1], *parts)
    return str(assert_problem(send(instance, body), 413, "too-large")["detail"])


def taken(instance: Instance, *parts: bytes) -> None:
    """See that a callback with more parts is read to its end, where it turns out to say little."""
    body = multipart(*shotbot_fields("t")[:1], *parts, field("status", "OK"))
    problem = assert_problem(send(instance, body), 400, "malformed-callback")
    assert "token" in problem["detail"]


def test_a_text_field_has_a_limit(instance: Instance) -> None:
    assert "'note'" in refused(instance, field("note", "x" * (2 * KIB + 1)))
    taken(instance, field("note", "x" * (2 * KIB)))


def test_all_text_fields_together_have_a_limit(instance: Instance) -> None:
    notes = [field(f"note{n}", "x" * 2000) for n in range(3)]
    assert "all fields" in refused(instance, *notes)
    taken(instance, *notes[:2])


def test_text_does_not_pass_for_a_file_to_get_round_its_limit(instance: Instance) -> None:
    texts = [part(b"note", b"x" * 3000, b"Content-Type: text/html; charset=no-such")]
    assert "'note'" in refused(instance, *texts)


def test_the_parts_are_counted(instance: Instance) -> None:
    assert "segment count" in refused(instance, *[field(f"n{n}", "") for n in range(7)])
    taken(instance, *[field(f"n{n}", "") for n in range(5)])


def test_the_headers_of_a_part_are_counted(instance: Instance) -> None:
    extra = [b"X-Header-%d: x" % n for n in range(3)]
    assert "header count" in refused(instance, part(b"note", b"", *extra))
    taken(instance, part(b"note", b"", *extra[:2]))


def test_a_header_of_a_part_has_a_limit(instance: Instance) -> None:
    assert "header length" in refused(instance, part(b"note", b"", b"X: " + b"x" * 512))
    assert "header length" in refused(instance, part(b"n" * 600, b""))
    assert "header length" in refused(instance, b"--" + BOUNDARY + b"\r\n" + b"x" * 5000)
    folded = b"X: x\r\n" + b"\r\n".join(b" " + b"x" * 100 for _ in range(6))
    assert "header length" in refused(instance, part(b"note", b"", folded))
    taken(instance, part(b"note", b"", b"X: " + b"x" * 500))


def test_headers_of_the_request_have_a_limit(instance: Instance) -> None:
    sent = head(10)[:-2] + b"X-Header: " + b"x" * 40_000 + b"\r\n\r\n"
    assert_problem(exchange(instance, sent), 431, "headers-too-large")


# --- not now ----------------------------------------------------------------------------------


def early(instance: Instance, sent: bytes) -> Answer:
    """Send the head of a callback alone, and return the answer that comes nevertheless."""
    with connect(instance, timeout=5) as connection:
        connection.sendall(sent)
        answer = read_answer(connection)
    assert answer is not None
    return answer


def curl(instance: Instance, file: Path, *options: str) -> tuple[int, str]:
    """Upload as people do; return the status, and what was received."""
    command = ["curl", "-sS", "-w", "%{http_code}", "-F", f"callback_secret={SECRET}"]
    command += ["-F", "status=OK", "-F", "token=t", "-F", f"file=@{file}", *options]
    done = subprocess.run(
        [*command, instance.callback_url], capture_output=True, text=True, timeout=30, check=True
    )
    return int(done.stdout[-3:]), done.stdout[:-3]


def assert_full(answer: Answer) -> None:
    assert_problem(answer, 503, "spool-unavailable")
    assert answer.headers["retry-after"] == "60"


def test_a_full_spool_is_told_before_the_body_is_read(tmp_path: Path) -> None:
    settings = '[spool]\nmax_size = "1 MiB"\nretention = "1h"\n'
    big = tmp_path / "big.png"
    big.write_bytes(noise(900_000))
    with running(tmp_path / "instance", settings) as instance:
        answer = early(instance, head(2 * KIB * KIB))
        assert_problem(answer, 413, "too-large")

        assert send(instance, shotbot("first", noise(600_000))).status == 200
        assert_full(early(instance, head(600_000)))
        status, problem = curl(instance, big, "-H", "Expect: 100-continue")
        assert (status, json.loads(problem)["status"]) == (503, 503)
        status, problem = curl(instance, big, "-H", "Expect:")
        assert (status, json.loads(problem)["status"]) == (503, 503)

        body = shotbot("second", noise(600_000))
        assert_full(exchange(instance, head(CHUNKED) + in_chunks(body)))
        assert half_written(instance) == []
        assert len(spooled(instance)) == 1
        assert count(instance, "callbacks") == 1

        assert send(instance, shotbot("small", PNG)).status == 200
        assert httpx.get(f"{instance.url}/readyz").status_code == 200


def test_a_spool_that_empties_takes_callbacks_again(tmp_path: Path) -> None:
    settings = '[spool]\nmax_size = "1 MiB"\n'
    with running(tmp_path / "instance", settings) as instance:
        for n in range(5):
            sent = request(shotbot(f"t{n}", noise(700_000 + n)))
            assert within(10, partial(taken_now, instance, sent))
        assert within(10, lambda: spooled(instance) == [])
        assert len(ask(instance, "files")) == 5


def taken_now(instance: Instance, sent: bytes) -> bool:
    answer = exchange(instance, sent)
    if answer.status != 200:
        assert_full(answer)
    return answer.status == 200


def test_below_the_reserve_of_the_disk_nothing_is_taken(tmp_path: Path) -> None:
    instance = Instance(directory=tmp_path, extra_settings='[spool]\nreserve = "1000 TB"\n')
    try:
        instance.launch()
        assert within(20, lambda: alive(instance))
        assert_full(early(instance, head(1000)))
        assert_full(early(instance, head(CHUNKED)))
        ready = httpx.get(f"{instance.url}/readyz")
        assert_problem(ready, 503, "not-ready")
        assert "reserve" in ready.json()["detail"]
    finally:
        instance.kill()


def alive(instance: Instance) -> bool:
    try:
        return httpx.get(f"{instance.url}/healthz", timeout=1).status_code == 200
    except httpx.TransportError:
        return False
