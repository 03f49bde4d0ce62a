"""Shotbot's callbacks at the door of a running process: what is answered, kept and told."""

import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import httpx
import pytest
from instances import SECRET, Instance
from intake_support import (
    CHUNKED,
    Answer,
    ask,
    assert_problem,
    connect,
    descriptors,
    events,
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
from intake_support import count as count_rows

from sinkwell import samples

OLD = "old-secret-0123456789"
PNG = samples.png("callback")

SETTINGS = """
[server]
port = {port}

[log]
level = "debug"

[sources.shotbot]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET", "env:SHOTBOT_OLD_SECRET"]

[sinks.local]
type = "local"
root = "{root}"
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    directory = tmp_path_factory.mktemp("callbacks")
    environ = {"SHOTBOT_OLD_SECRET": OLD}
    with running(directory, settings=SETTINGS, environ=environ) as instance:
        yield instance


@pytest.fixture
def instance(shared: Instance) -> Iterator[Instance]:
    yield shared
    assert '"level":"error"' not in shared.log.read_text().replace(": ", ":"), shared.log_text()


numbers = count()


@pytest.fixture
def token() -> str:
    """Return a token that no other test uses."""
    return f"t0ken{next(numbers)}"


def send(instance: Instance, body: bytes, **options: Any) -> Answer:
    return exchange(instance, request(body, **options))


def deliver(instance: Instance, token: str, body: bytes) -> dict[str, Any]:
    """Send a callback that must be taken, and return its delivery once that is stored."""
    assert send(instance, body).status == 200
    return delivered(instance, token)


def delivered(instance: Instance, token: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def stored() -> bool:
        found[:] = ask(instance, "deliveries", token=token)
        return bool(found) and all(each["state"] == "stored" for each in found)

    assert within(10, stored), f"{found}\n{instance.log_text()}"
    (delivery,) = found
    return delivery


def nothing_kept(instance: Instance, token: str) -> bool:
    return (
        ask(instance, "files", token=token) == []
        and events(instance, "callback.received", provider_id=token) == []
        and half_written(instance) == []
    )


# --- the secret -------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [SECRET, OLD])
def test_while_a_secret_is_changed_both_are_taken(
    instance: Instance, token: str, secret: str
) -> None:
    delivery = deliver(instance, token, shotbot(token, PNG, callback_secret=secret))
    assert instance.stored()[delivery["key"]] == PNG


@pytest.mark.parametrize(
    "secret",
    [
        b"wrong",
        b"",
        SECRET[:-1].encode(),
        SECRET.encode() + b"0",
        SECRET.encode() + b"\0",
        "pässwörd ☃".encode(),
        b"\xff\xfe\x80",
        b"\xed\xa0\x80",
        b"x" * 60_000,
    ],
)
def test_a_wrong_secret_is_refused_whatever_its_bytes(
    instance: Instance, token: str, secret: bytes
) -> None:
    answer = send(instance, shotbot(token, PNG, callback_secret=secret))
    assert_problem(answer, 403, "not-authentic")
    assert nothing_kept(instance, token)


def test_without_a_secret_it_is_refused(instance: Instance, token: str) -> None:
    _, *others = shotbot_fields(token)
    answer = send(instance, multipart(*others, file_part(PNG)))
    assert_problem(answer, 403, "not-authentic")
    assert nothing_kept(instance, token)


def test_a_secret_behind_the_file_is_taken(instance: Instance, token: str) -> None:
    picture = samples.sized(samples.png("behind"), 700_000)
    secret, *others = shotbot_fields(token)
    deliver(instance, token, multipart(*others, file_part(picture), secret))


def test_a_wrong_secret_behind_the_file_leaves_nothing(instance: Instance, token: str) -> None:
    picture = samples.sized(samples.png("behind"), 700_000)
    _, *others = shotbot_fields(token)
    body = multipart(*others, file_part(picture), field("callback_secret", "wrong"))
    assert_problem(send(instance, body), 403, "not-authentic")
    assert nothing_kept(instance, token)


def test_of_two_secrets_the_first_counts(instance: Instance, token: str) -> None:
    body = multipart(field("callback_secret", "wrong"), *shotbot_fields(token), file_part(PNG))
    assert_problem(send(instance, body), 403, "not-authentic")
    assert nothing_kept(instance, token)


def test_a_secret_in_a_file_part_is_none(instance: Instance, token: str) -> None:
    _, *others = shotbot_fields(token)
    disguised = file_part(SECRET.encode(), name="callback_secret")
    answer = send(instance, multipart(disguised, *others, file_part(PNG)))
    assert_problem(answer, 403, "not-authentic")


def test_a_wrong_secret_is_refused_before_the_file_has_come(instance: Instance, token: str) -> None:
    fields = b"".join(shotbot_fields(token, callback_secret="wrong"))
    answer = exchange(instance, head(10**9), fields)
    assert_problem(answer, 403, "not-authentic")
    assert answer.headers["connection"] == "close"


# --- what the callback says -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claimed", "content", "extension", "media_type"),
    [
        ("jpg", samples.jpeg("a"), "jpg", "image/jpeg"),
        ("png", samples.png("a"), "png", "image/png"),
        ("webp", samples.webp("a"), "webp", "image/webp"),
        ("pdf", samples.pdf("a"), "pdf", "application/pdf"),
        ("jpg", b"not known", "jpg", "image/jpeg"),
        ("png", b"not known", "png", "image/png"),
        ("webp", b"not known", "webp", "image/webp"),
        ("avif", b"not known", "avif", "image/avif"),
        ("pdf", b"not known", "pdf", "application/pdf"),
        ("tiff", b"not known", "jpg", "image/jpeg"),
        ("", b"not known", "jpg", "image/jpeg"),
        ("jpg", samples.png("a"), "png", "image/png"),
        ("png", samples.pdf("a"), "pdf", "application/pdf"),
        ("tiff", samples.webp("a"), "webp", "image/webp"),
        ("jpg", b"<html><script>alert(1)</script></html>", "html", "text/html"),
    ],
)
def test_the_key_and_the_media_type_are_what_the_content_is_or_else_the_claim(
    instance: Instance, token: str, claimed: str, content: bytes, extension: str, media_type: str
) -> None:
    delivery = deliver(instance, token, shotbot(token, content, format=claimed))
    (file,) = ask(instance, "files", token=token)
    day = time.strftime("%Y/%m/%d", time.gmtime(file["received_at"]))
    assert delivery["key"] == f"screenshots/{day}/{token}.{extension}"
    assert (instance.root / delivery["key"]).read_bytes() == content
    assert (file["media_type"], file["size"]) == (media_type, len(content))


def test_a_token_is_cleaned_to_letters_and_digits(instance: Instance) -> None:
    delivery = deliver(instance, "etcpasswdX", shotbot("../../etc/passwd\0X", PNG))
    assert delivery["key"].endswith("/etcpasswdX.png")


def test_a_callback_in_chunks_is_taken(instance: Instance, token: str) -> None:
    sent = head(CHUNKED) + in_chunks(shotbot(token, PNG), 50)
    assert exchange(instance, sent).status == 200
    assert (instance.root / delivered(instance, token)["key"]).read_bytes() == PNG


@pytest.mark.parametrize("missing", ["callback_secret", "status", "format", "token"])
def test_only_secret_and_token_must_be_there(instance: Instance, token: str, missing: str) -> None:
    names = ["callback_secret", "status", "token", "format"]
    fields = shotbot_fields(token)
    del fields[names.index(missing)]
    answer = send(instance, multipart(*fields, file_part(PNG)))
    assert answer.status == {"callback_secret": 403, "token": 400}.get(missing, 200)


def missing_token(_: str) -> bytes:
    return shotbot("", PNG)


def token_of_signs(_: str) -> bytes:
    return shotbot("-/-", PNG)


def missing_file(token: str) -> bytes:
    return multipart(*shotbot_fields(token))


def file_by_another_name(token: str) -> bytes:
    return multipart(*shotbot_fields(token), file_part(PNG, name="image"))


def file_as_text(token: str) -> bytes:
    return multipart(*shotbot_fields(token), field("file", "iVBORw0KGgo="))


@pytest.mark.parametrize(
    "body", [missing_token, token_of_signs, missing_file, file_by_another_name, file_as_text]
)
def test_without_token_or_file_it_is_malformed(
    instance: Instance, token: str, body: Callable[[str], bytes]
) -> None:
    problem = assert_problem(send(instance, body(token)), 400, "malformed-callback")
    assert "token" in problem["detail"] or "file" in problem["detail"]
    assert nothing_kept(instance, token)


@pytest.mark.parametrize("name", ["shot.png", "../../../etc/passwd", "a\tb", "", "☃" * 300])
def test_the_name_of_the_file_has_no_say_in_where_it_goes(
    instance: Instance, token: str, name: str
) -> None:
    named = part(f'file"; filename="{name}'.encode(), PNG, b"Content-Type: image/png")
    delivery = deliver(instance, token, multipart(*shotbot_fields(token), named))
    assert delivery["key"].endswith(f"/{token}.png")


# --- failures of the provider -----------------------------------------------------------------


@pytest.mark.parametrize("status", ["ERR", "FAILED", "", b"\xff\xfe", "x" * 1000])
def test_a_failure_is_recorded_and_told_and_brings_no_file(
    instance: Instance, token: str, status: str | bytes
) -> None:
    big = samples.sized(PNG, 600_000)
    assert send(instance, shotbot(token, big, status=status)).status == 200
    (event,) = events(instance, "callback.provider_failed", provider_id=token)
    if isinstance(status, str):
        assert event["provider_status"] == status[:64]
    assert nothing_kept(instance, token)


def test_a_failure_without_a_file_or_token_is_answered_200(instance: Instance) -> None:
    before = len(events(instance, "callback.provider_failed"))
    assert send(instance, multipart(*shotbot_fields("", status="ERR"))).status == 200
    assert len(events(instance, "callback.provider_failed")) == before + 1


def test_a_failure_with_a_wrong_secret_is_refused(instance: Instance, token: str) -> None:
    body = shotbot(token, PNG, status="ERR", callback_secret="wrong")
    assert_problem(send(instance, body), 403, "not-authentic")
    assert events(instance, "callback.provider_failed", provider_id=token) == []


def test_a_failure_that_is_told_again_is_told_once(instance: Instance, token: str) -> None:
    failure = shotbot(token, PNG, status="ERR")
    first, second = send(instance, failure), send(instance, failure)
    assert (second.status, second.content) == (200, first.content)
    assert len(events(instance, "callback.provider_failed", provider_id=token)) == 1


def test_what_comes_after_a_failure_is_delivered(instance: Instance, token: str) -> None:
    assert send(instance, shotbot(token, b"", status="ERR")).status == 200
    delivery = deliver(instance, token, shotbot(token, PNG))
    assert (instance.root / delivery["key"]).read_bytes() == PNG


# --- repeats ----------------------------------------------------------------------------------


def test_a_repeat_gets_the_same_answer_and_changes_nothing(instance: Instance, token: str) -> None:
    body = shotbot(token, PNG)
    first, second = send(instance, body), send(instance, body)
    assert (first.status, second.status) == (200, 200)
    assert first.content == second.content
    delivered(instance, token)
    send(instance, body)
    assert len(ask(instance, "deliveries", token=token)) == 1
    repeats = events(instance, "callback.duplicate", provider_id=token)
    assert [repeat["same_content"] for repeat in repeats] == [True, True]
    assert within(5, lambda: spooled(instance) == []), "a repeat left its file"


def test_of_sixteen_at_the_same_moment_one_is_delivered(instance: Instance, token: str) -> None:
    together = threading.Barrier(16)
    body = request(shotbot(token, PNG))

    def repeat(_: int) -> Answer | None:
        with connect(instance) as connection:
            connection.sendall(body[:-1])
            together.wait(10)
            connection.sendall(body[-1:])
            return read_answer(connection)

    with ThreadPoolExecutor(16) as senders:
        answers = [answer for answer in senders.map(repeat, range(16)) if answer]
    assert [answer.status for answer in answers] == [200] * 16
    assert len({answer.content for answer in answers}) == 1
    delivered(instance, token)
    assert len(events(instance, "callback.received", provider_id=token)) == 1
    assert len(events(instance, "callback.duplicate", provider_id=token)) == 15
    assert within(5, lambda: spooled(instance) == []), "a repeat left its file"


def test_a_repeat_with_other_bytes_is_told_and_the_first_bytes_stand(
    instance: Instance, token: str
) -> None:
    other = samples.png("other")
    first, second = (send(instance, shotbot(token, content)) for content in (PNG, other))
    assert (second.status, second.content) == (200, first.content)
    (repeat,) = events(instance, "callback.duplicate", provider_id=token)
    assert repeat["same_content"] is False
    assert (instance.root / delivered(instance, token)["key"]).read_bytes() == PNG


# --- clients that go away ---------------------------------------------------------------------


def cuts(sent: bytes) -> list[int]:
    """Return offsets before the end: dense at both ends, around each write, and at random."""
    ends = [*range(1, 1000, 9), *range(len(sent) - 150, len(sent))]
    writes = [n * 256 * 1024 + off for n in (1, 2) for off in (-1, 0, 1, 700, 900)]
    return [*ends, *writes, *random.Random(len(sent)).sample(range(1, len(sent)), 60)]


def reset(connection: socket.socket) -> None:
    """Close without a word: what was not read yet is lost."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_client_that_goes_away_leaves_nothing_wherever_it_was(instance: Instance) -> None:
    body = shotbot("goneaway", samples.sized(PNG, 600_000))
    rows, open_before = count_rows(instance, "callbacks"), descriptors(instance)
    for sent in (request(body), head(CHUNKED) + in_chunks(body)):
        for n, at in enumerate(cuts(sent)):
            connection = connect(instance)
            connection.sendall(sent[:at])
            if n % 3:
                connection.close()
            else:
                reset(connection)

    assert within(10, lambda: half_written(instance) == [])
    assert within(10, lambda: descriptors(instance) <= open_before)
    assert spooled(instance) == []
    assert count_rows(instance, "callbacks") == rows
    deliver(instance, "goneaway", body)


def test_the_half_of_a_file_is_removed_when_its_sender_goes_away(instance: Instance) -> None:
    sent = request(shotbot("halfway", samples.sized(PNG, 600_000)))
    with connect(instance) as connection:
        connection.sendall(sent[:400_000])
        assert within(10, lambda: len(half_written(instance)) == 1), "it was not being written"
    assert within(10, lambda: half_written(instance) == [])
    assert nothing_kept(instance, "halfway")


# --- what is not told -------------------------------------------------------------------------


def test_no_secret_is_in_the_log_the_ledger_or_an_answer(instance: Instance, token: str) -> None:
    guess = "guessed-secret-0123456789"
    broken = multipart(*shotbot_fields(token), b"\r\n" + field("callback_secret", SECRET))
    bodies = [
        shotbot(token, PNG),
        shotbot(token, PNG, callback_secret=OLD, status="ERR"),
        shotbot(token, PNG, callback_secret=guess),
        multipart(*shotbot_fields(token, callback_secret=guess), field("callback_secret", SECRET)),
        shotbot("", PNG),
        shotbot(token, PNG)[:-4],
        broken,
    ]
    answers = [send(instance, body) for body in bodies]
    assert [answer.status for answer in answers] == [200, 200, 403, 403, 400, 400, 400]
    delivered(instance, token)

    written = [path for path in instance.data_dir.rglob("*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in [instance.log, *written])
    told = b"".join(answer.content for answer in answers)
    assert b"a callback was refused" in kept, "nothing was logged"
    assert token.encode() in kept, "the ledger was not looked into"
    for secret in (SECRET, OLD, guess):
        assert secret.encode() not in kept
        assert secret.encode() not in told


def test_the_whole_api_is_closed_to_a_name_that_was_pointed_here(instance: Instance) -> None:
    with httpx.Client(base_url=instance.url) as client:
        paths = client.get("/api/v1/openapi/openapi.json").json()["paths"]
        asked = [(method, path) for path, methods in paths.items() for method in methods]
        assert ("get", "/api/v1/files") in asked
        for headers in ({"Host": "rebound.example"}, {"Sec-Fetch-Site": "cross-site"}):
            for method, path in asked:
                answer = client.request(
                    method, path.replace("{", "").replace("}", ""), headers=headers
                )
                assert answer.status_code == 401
                if method != "head":  # whose answers have no body
                    assert_problem(answer, 401, "not-authorized")
