"""A whole Sinkwell on a store that fails all the time: what was answered 200 is stored once."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from instances import Instance

from sinkwell.testing.s3 import FAULTS, Rule, S3Fault, S3Stub, answering

BUCKET = "captures"
SMALL, LARGE = 20_000, 5 * 1024 * 1024 + 1
SETTINGS = """
[server]
port = {{port}}

[sources.shotbot]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]

[sinks.archive]
type = "s3"
provider = "aws"
region = "us-east-1"
endpoint = "{url}"
bucket = "{bucket}"
access_key = "env:S3_ACCESS_KEY"
secret_key = "env:S3_SECRET_KEY"
prefix = "kept/"
key = "{{{{id}}}}.{{{{ext}}}}"
multipart_threshold = "5 MiB"
part_size = "5 MiB"
read_timeout = "1s"

[retry]
base = "50ms"
cap = "200ms"
attempts = 10
"""

PASSING: list[S3Fault] = [
    *(FAULTS[name] for name in ("InternalError", "ServiceUnavailable", "RequestTimeout")),
    *(FAULTS[name] for name in ("bad gateway", "captive portal", "BadDigest", "not HTTP")),
    *(FAULTS[name] for name in ("reset at once", "reset in the body", "closed before storing")),
    *(FAULTS[name] for name in ("reset after storing", "lost answer", "truncated answer")),
    *(FAULTS[name] for name in ("error after storing", "error in a 200", "PreconditionFailed")),
    *(FAULTS[name] for name in ("wrong ETag", "stall before storing", "stall after storing")),
    answering("SlowDown", Retry_After="1"),
]


@pytest.fixture
def stub() -> Iterator[S3Stub]:
    with S3Stub([BUCKET]) as running:
        yield running


@pytest.fixture
def gateway(stub: S3Stub, make_instance: Callable[..., Instance]) -> Instance:
    keys = {"S3_ACCESS_KEY": stub.access_key, "S3_SECRET_KEY": stub.secret_key}
    made = make_instance(settings=SETTINGS.format(url=stub.url, bucket=BUCKET), environ=keys)
    made.start()
    return made


def picture(token: str, size: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + random.Random(token).randbytes(size - 8)


def send(gateway: Instance, sizes: dict[str, int]) -> None:
    """Send a callback for each token; all of them are answered 200."""
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda each: gateway.post(each[0], picture(*each)), sizes.items())
        assert {answer.status_code for answer in answers} == {200}


def attempts_of(gateway: Instance, delivery: dict[str, Any]) -> list[dict[str, Any]]:
    url = f"{gateway.url}/api/v1/deliveries/{delivery['id']}/attempts"
    found: list[dict[str, Any]] = gateway.ask("GET", url, timeout=10).json()
    return found


def is_met(rule: Rule, within: float = 20.0) -> None:
    """Wait until a request has met a fault."""
    until = time.monotonic() + within
    while not rule.hits:
        assert time.monotonic() < until, "no request came"
        time.sleep(0.01)


def is_stored_once(gateway: Instance, stub: S3Stub, sizes: dict[str, int]) -> None:
    """See that each file is there, whole and once, and that every attempt is on record."""
    objects = stub.objects(BUCKET)
    assert sorted(objects) == sorted(f"kept/{token}.png" for token in sizes)
    for token, size in sizes.items():
        assert objects[f"kept/{token}.png"].content == picture(token, size), token
    deliveries = {row["token"]: row for row in gateway.rows("deliveries", "--limit", "2000")}
    assert {row["state"] for row in deliveries.values()} == {"stored"}
    assert deliveries.keys() == sizes.keys()
    first = ("PutObject", "CreateMultipartUpload")
    seen = Counter(each.key for each in stub.requests if each.operation in first)
    for token, row in deliveries.items():
        made = attempts_of(gateway, row)
        # A paused sink also notes those that it did not even try.
        tried = [each for each in made if each["outcome"] != "unusable"]
        assert len(tried) <= seen[f"kept/{token}.png"] <= len(made), (token, made)
        assert made[-1]["outcome"] == "stored"
    assert stub.uploads(BUCKET) == []


@pytest.mark.parametrize("amount", [80, pytest.param(2000, marks=pytest.mark.soak)])
def test_each_file_is_stored_once_and_every_attempt_is_on_record(
    gateway: Instance, stub: S3Stub, amount: int
) -> None:
    chance = random.Random(4)
    sizes = {f"shot{number:04}": SMALL for number in range(amount)}
    large = {f"large{number}": LARGE for number in range(4)}
    with ExitStack() as rules:
        for token in sizes:
            for fault in chance.sample(PASSING, chance.randint(0, 3)):
                rule = stub.failing(fault, operation="PutObject", key=f"*{token}*", times=1)
                rules.enter_context(rule)
        for token, operation in zip(
            large,
            ("CreateMultipartUpload", "UploadPart", "Complete*", "Complete*"),
            strict=True,
        ):
            for name in ("lost answer", "InternalError"):
                rule = stub.failing(name, operation=operation, key=f"*{token}*", times=1)
                rules.enter_context(rule)
        send(gateway, sizes | large)
        gateway.wait_drained()
    is_stored_once(gateway, stub, sizes | large)


def test_a_store_that_is_shut_takes_no_attempt_and_all_is_stored_when_it_opens(
    gateway: Instance, stub: S3Stub
) -> None:
    every: dict[str, int] = {}
    for fault in ("AccessDenied", "NoSuchBucket", "InvalidAccessKeyId"):
        some = {f"{fault}{number}": SMALL for number in range(20)}
        with stub.failing(fault) as rule:
            send(gateway, some)
            is_met(rule)
        gateway.wait_drained()
        every |= some
    is_stored_once(gateway, stub, every)
    assert {row["attempts"] for row in gateway.rows("deliveries")} == {1}


def test_what_the_store_never_takes_is_told_with_its_reason(
    gateway: Instance, stub: S3Stub
) -> None:
    with stub.failing("EntityTooLarge", key="*bad*") as rule:
        send(gateway, {"good": SMALL, "bad": SMALL})
        gateway.wait_drained()
    rows = {row["token"]: row for row in gateway.rows("deliveries")}
    assert (rows["good"]["state"], rows["bad"]["state"]) == ("stored", "rejected")
    assert "larger than an object may be" in rows["bad"]["error"]
    assert len(attempts_of(gateway, rows["bad"])) == rule.hits == 1
    assert [*stub.objects(BUCKET)] == ["kept/good.png"]
