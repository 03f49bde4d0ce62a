"""The S3 stub fails in the way that it is told to, and only then."""

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from s3_clients import client, refused

from sinkwell.testing import LARGE, Fault
from sinkwell.testing.s3 import (
    FAULTS,
    Manner,
    S3Behaviour,
    S3Fault,
    S3Stub,
    StubDestination,
    answering,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, KEY, BODY = "captures", "a", b"body" * 1000
PUT: dict[str, Any] = {"Bucket": BUCKET, "Key": KEY, "Body": BODY}


@pytest.fixture(scope="module")
def running() -> Iterator[S3Stub]:
    with S3Stub(behaviour=S3Behaviour(least_part=1)) as stub:
        yield stub


@pytest.fixture
def stub(running: S3Stub) -> S3Stub:
    running.make_bucket(BUCKET)
    running.forget()
    return running


@pytest.fixture(scope="module")
def s3(running: S3Stub) -> Iterator["S3Client"]:
    with closing(client(running, read_timeout=0.3)) as made:
        yield made


def test_there_are_more_than_twenty_kinds() -> None:
    assert len(FAULTS) > 40
    assert {fault.manner for fault in FAULTS.values()} == {*Manner}


# boto3 follows a redirect by itself; it is looked at apart.
ERRORS = [name for name in FAULTS if " " not in name and name != "PermanentRedirect"]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_its_code_and_nothing_is_stored(
    stub: S3Stub, s3: "S3Client", name: str
) -> None:
    with stub.failing(name) as rule, pytest.raises(ClientError) as caught:
        s3.put_object(**PUT)
    assert caught.value.response["Error"]["Code"] == name
    assert (rule.hits, stub.requests[-1].fault) == (1, name)
    answer = FAULTS[name].answer
    assert answer is not None
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == answer.status
    assert stub.objects(BUCKET) == {}


def test_a_redirect_names_the_region(stub: S3Stub) -> None:
    with (
        closing(client(stub)) as own,  # it will not forget the region
        stub.failing("PermanentRedirect"),
        pytest.raises(ClientError) as caught,
    ):
        own.head_bucket(Bucket=BUCKET)
    told = caught.value.response["ResponseMetadata"]
    assert told["HTTPStatusCode"] == 301
    assert told["HTTPHeaders"]["x-amz-bucket-region"] == "eu-central-1"


def test_somebody_else_can_answer(stub: S3Stub, s3: "S3Client") -> None:
    with stub.failing("captive portal"):
        assert "ETag" not in s3.put_object(**PUT)
    for name, status in (("bad gateway", 502), ("gateway timeout", 504), ("request timeout", 408)):
        with stub.failing(name), pytest.raises(ClientError) as caught:
            s3.put_object(**PUT)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert stub.objects(BUCKET) == {}


def test_the_time_to_wait_is_told(stub: S3Stub, s3: "S3Client") -> None:
    with stub.failing("SlowDown"), pytest.raises(ClientError) as caught:
        s3.put_object(**PUT)
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["retry-after"] == "3"
    with stub.failing(answering("SlowDown", Retry_After="40")), pytest.raises(ClientError) as own:
        s3.put_object(**PUT)
    assert own.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "40"


@pytest.mark.parametrize(
    ("name", "error", "stored"),
    [
        ("reset at once", (ConnectionClosedError, HTTPClientError), False),
        ("reset in the body", (ConnectionClosedError, HTTPClientError), False),
        ("reset before storing", (ConnectionClosedError, HTTPClientError), False),
        ("reset after storing", (ConnectionClosedError, HTTPClientError), True),
        ("closed before storing", ConnectionClosedError, False),
        ("lost answer", ConnectionClosedError, True),
        ("stall at once", ReadTimeoutError, False),
        ("stall before storing", ReadTimeoutError, False),
        ("stall after storing", ReadTimeoutError, True),
        ("a byte a second", ReadTimeoutError, True),
        ("not HTTP", (ConnectionClosedError, HTTPClientError), False),
        ("error after storing", ClientError, True),
        ("truncated error", (ClientError, ResponseParserError), False),
    ],
)
def test_a_broken_connection_is_broken_when_it_is_to_be(
    stub: S3Stub, s3: "S3Client", name: str, error: Any, stored: bool
) -> None:
    with stub.failing(name), pytest.raises(error):
        s3.put_object(**PUT)
    assert (KEY in stub.objects(BUCKET)) is stored
    assert stub.requests[-1].fault == name
    s3.put_object(**PUT)
    assert stub.objects(BUCKET)[KEY].content == BODY


def completing(s3: "S3Client") -> dict[str, Any]:
    """Bring an upload to its end; return what completes it."""
    upload: dict[str, Any] = {"Bucket": BUCKET, "Key": KEY}
    upload |= {"UploadId": s3.create_multipart_upload(**upload)["UploadId"]}
    part: Any = s3.upload_part(**upload, PartNumber=1, Body=BODY)
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    return {**upload, "MultipartUpload": {"Parts": parts}}


@pytest.mark.parametrize(
    ("name", "error", "stored"),
    [
        ("truncated XML", ClientError, True),
        ("truncated answer", ClientError, True),
        ("error in a 200", ClientError, False),
    ],
)
def test_the_answer_to_a_completion_is_spoilt(
    stub: S3Stub, s3: "S3Client", name: str, error: type[Exception], stored: bool
) -> None:
    complete = completing(s3)
    with stub.failing(name, operation="CompleteMultipartUpload"), pytest.raises(error):
        s3.complete_multipart_upload(**complete)
    assert (KEY in stub.objects(BUCKET)) is stored


def test_an_etag_is_wrong(stub: S3Stub, s3: "S3Client") -> None:
    with stub.failing("wrong ETag"):
        wrong = s3.put_object(**PUT)["ETag"]
    assert wrong != stub.objects(BUCKET)[KEY].etag


def test_a_fault_is_for_whom_it_is_meant(stub: S3Stub, s3: "S3Client") -> None:
    rules = contextlib.ExitStack()
    with rules:
        for how in (
            {"key": "b/*"},
            {"operation": "*Upload*"},
            {"least": len(BODY) + 1},
            {"operation": "GetObject", "times": 2},
        ):
            rules.enter_context(stub.failing("InternalError", **how))
        s3.put_object(**PUT)
        for put in (PUT | {"Key": "b/c"}, PUT | {"Body": BODY + b"x"}):
            assert refused(s3.put_object, **put) == "InternalError"
        upload = {"Bucket": BUCKET, "Key": KEY}
        assert refused(s3.create_multipart_upload, **upload) == "InternalError"
        for _ in range(2):
            assert refused(s3.get_object, **upload) == "InternalError"
        s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].close()
    s3.put_object(**PUT | {"Key": "b/c"})
    assert [each.fault for each in stub.requests].count("InternalError") == 5


def test_what_stalls_ends_with_its_fault(stub: S3Stub) -> None:
    with socket.create_connection(("127.0.0.1", stub.port), timeout=10) as connection:
        with stub.failing("stall at once"):
            connection.sendall(b"GET /captures/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.settimeout(0.2)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        connection.settimeout(10)
        assert connection.recv(1) == b""


def test_it_ends_at_once_whoever_waits() -> None:
    with contextlib.ExitStack() as later:
        with S3Stub([BUCKET]) as stub:
            later.enter_context(stub.failing("stall at once"))
            address = ("127.0.0.1", stub.port)
            waiting = later.enter_context(socket.create_connection(address, timeout=10))
            idle = later.enter_context(socket.create_connection(address, timeout=10))
            waiting.sendall(b"GET /captures/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while not stub.requests:
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        for connection in (waiting, idle):
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""


def test_faults_can_be_made_of_their_parts(stub: S3Stub, s3: "S3Client") -> None:
    own = S3Fault(name="own", takes_effect=True, headers={"ETag": '"own"'})
    with stub.failing(own):
        assert s3.put_object(**PUT)["ETag"] == '"own"'


def test_the_kit_is_given_every_fault(stub: S3Stub, s3: "S3Client") -> None:
    destination = StubDestination(stub, BUCKET, "below/")
    faults = destination.faults()
    assert {*faults} == {*Fault}
    large = PUT | {"Body": bytes(LARGE), "Key": "below/large"}
    for fault, make in faults.items():
        with make(), pytest.raises((ClientError, HTTPClientError)):
            s3.put_object(**large)
        assert destination.keys() == [], fault
    s3.put_object(**large)
    s3.put_object(**PUT)
    assert destination.keys() == ["large"]
    assert destination.read("large") == bytes(LARGE)
    s3.create_multipart_upload(Bucket=BUCKET, Key=KEY)
    assert destination.leftovers() == [KEY]
