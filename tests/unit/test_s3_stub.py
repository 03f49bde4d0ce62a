"""The S3 stub takes what AWS takes, refuses what AWS refuses, and fails as it is told to.

The client is boto3, which was written by those who run S3; what it would never send goes over a
plain connection.
"""

import base64
import hashlib
import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError
from object_servers import Authority
from s3_clients import client, refused, tls

from sinkwell.testing.s3 import S3Behaviour, S3Object, S3Stub

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "captures"
BODY = hashlib.shake_128(b"body").digest(100_000)
MIB = 1024 * 1024
PART = S3Behaviour().least_part


@pytest.fixture(scope="module")
def running() -> Iterator[S3Stub]:
    with S3Stub() as stub:
        yield stub


@pytest.fixture
def stub(running: S3Stub) -> S3Stub:
    running.make_bucket(BUCKET)
    running.forget()
    return running


@pytest.fixture(scope="module")
def s3(running: S3Stub) -> Iterator["S3Client"]:
    with closing(client(running)) as made:
        yield made


@pytest.fixture
def secure(authority: Authority) -> Iterator[S3Stub]:
    with S3Stub([BUCKET], tls=tls(authority)) as running:
        yield running


@pytest.mark.parametrize(
    "key",
    ["a", "a/b.png", "a b+c", "ü/文", "~!*'()&$@=;:,?#%[]{}|^`<>\"\\", "../a", "a//b", "k" * 1024],
)
def test_what_is_put_is_there_under_every_key(stub: S3Stub, s3: "S3Client", key: str) -> None:
    put = s3.put_object(Bucket=BUCKET, Key=key, Body=BODY, ContentType="image/png")
    got = s3.get_object(Bucket=BUCKET, Key=key)
    assert got["Body"].read() == BODY
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == len(BODY)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]] == [key]
    s3.delete_object(Bucket=BUCKET, Key=key)
    assert refused(s3.get_object, Bucket=BUCKET, Key=key) == "NoSuchKey"
    assert stub.objects(BUCKET) == {}


def test_everything_that_is_sent_beside_is_kept(stub: S3Stub, s3: "S3Client") -> None:
    kept: dict[str, Any] = {
        "ContentType": "image/png",
        "CacheControl": "no-store",
        "ContentDisposition": "inline",
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "alias/captures",
        "Metadata": {"source": "shotbot", "name": "a%20b"},
    }
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    sent: dict[str, Any] = {
        "Tagging": "kind=capture",
        "ChecksumSHA256": digest,
        "RequestPayer": "requester",
    }
    sent |= {"ExpectedBucketOwner": "111122223333", "ACL": "bucket-owner-full-control"}
    s3.put_object(Bucket=BUCKET, Key="a", Body=BODY, IfNoneMatch="*", **kept, **sent)
    found: Any = s3.head_object(Bucket=BUCKET, Key="a", ChecksumMode="ENABLED")
    assert {name: found[name] for name in kept} == kept
    assert found["ChecksumSHA256"] == digest
    assert found["ETag"] != f'"{hashlib.md5(BODY).hexdigest()}"'  # as it is encrypted by a key
    assert stub.objects(BUCKET)["a"].headers["x-amz-tagging"] == "kind=capture"


def test_a_request_is_noted_with_all_that_it_was(stub: S3Stub, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="a b", Body=BODY, Metadata={"x": "y"})
    refused(s3.get_object, Bucket=BUCKET, Key="none")
    put, get = stub.requests
    assert (put.operation, put.bucket, put.key) == ("PutObject", BUCKET, "a b")
    assert (put.size, put.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert put.headers["x-amz-meta-x"] == "y"
    assert (put.status, put.secure, put.addressing) == (200, False, "path")
    assert (get.operation, get.status) == ("GetObject", 404)
    stub.forget()
    assert stub.requests == []


def test_lists_come_in_pages_and_folders(stub: S3Stub, s3: "S3Client") -> None:
    keys = sorted(f"{folder}/{name}" for folder in "abc" for name in ("1", "ü", "z\x01"))
    for key in keys:
        stub.put(BUCKET, key, S3Object(b"x", '"1"', {}))
    pages = [
        *s3.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, PaginationConfig={"PageSize": 2}
        )
    ]
    assert [each["Key"] for page in pages for each in page["Contents"]] == keys
    assert len(pages) == 5
    found = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/", StartAfter="a/ü")
    assert [each["Prefix"] for each in found["CommonPrefixes"]] == ["b/", "c/"]
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix="b/")["KeyCount"] == 3


def test_ranges_are_given(stub: S3Stub, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"0123456789")
    for wanted, expected in (("2-4", b"234"), ("7-", b"789"), ("-2", b"89"), ("8-99", b"89")):
        got = s3.get_object(Bucket=BUCKET, Key="a", Range=f"bytes={wanted}")
        assert got["Body"].read() == expected
    assert refused(s3.get_object, Bucket=BUCKET, Key="a", Range="bytes=10-") == "InvalidRange"


# Who may.


def test_wrong_keys_are_refused(stub: S3Stub) -> None:
    for wrong, code in (
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"key": "AKNOBODY"}, "InvalidAccessKeyId"),
        ({"token": "stray"}, "InvalidToken"),
        ({"region": "eu-west-1"}, "AuthorizationHeaderMalformed"),
    ):
        with closing(client(stub, **wrong)) as s3:
            assert refused(s3.put_object, Bucket=BUCKET, Key="a", Body=BODY) == code
    assert stub.objects(BUCKET) == {}
    assert stub.secret_key not in repr(stub._user)


def test_a_session_token_is_asked_for() -> None:
    with S3Stub([BUCKET], session_token="a-token") as stub:
        with closing(client(stub, token="a-token")) as s3:
            s3.put_object(Bucket=BUCKET, Key="a", Body=BODY)
            url = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "a"})
        assert fetched(url) == (200, BODY)
        with closing(client(stub)) as s3:
            assert refused(s3.put_object, Bucket=BUCKET, Key="b", Body=BODY) == "InvalidToken"


def test_a_clock_that_is_off_is_refused() -> None:
    now = [time.time()]
    with S3Stub([BUCKET], clock=lambda: now[0]) as stub, closing(client(stub)) as s3:
        s3.put_object(Bucket=BUCKET, Key="a", Body=BODY)
        for offset, code in (
            (14 * 60, ""),
            (16 * 60, "RequestTimeTooSkewed"),
            (-16 * 60, "RequestTimeTooSkewed"),
        ):
            now[0] = time.time() + offset
            if code:
                assert refused(s3.put_object, Bucket=BUCKET, Key="a", Body=BODY) == code
            else:
                s3.put_object(Bucket=BUCKET, Key="a", Body=BODY)


def altered(stub: S3Stub, s3: "S3Client", **headers: str | None) -> str:
    """Put an object with headers altered after they were signed; return the code of the refusal."""

    def alter(request: Any, **_: object) -> None:
        for name, value in headers.items():
            if name.replace("_", "-") in request.headers:
                del request.headers[name.replace("_", "-")]
            if value is not None:
                request.headers[name.replace("_", "-")] = value

    s3.meta.events.register_last("before-send.s3.PutObject", alter)
    try:
        return refused(s3.put_object, Bucket=BUCKET, Key="a", Body=BODY, Metadata={"x": "y"})
    finally:
        s3.meta.events.unregister("before-send.s3.PutObject", alter)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x_amz_meta_x": "z"}, "SignatureDoesNotMatch"),
        ({"x_amz_meta_stray": "z"}, "AccessDenied"),
        ({"x_amz_content_sha256": None}, "InvalidRequest"),
        ({"x_amz_content_sha256": "UNSIGNED-PAYLOAD"}, "SignatureDoesNotMatch"),
        ({"x_amz_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}, "NotImplemented"),
        ({"content_encoding": "aws-chunked"}, "NotImplemented"),
        ({"x_amz_date": "yesterday"}, "AccessDenied"),
        ({"authorization": None}, "AccessDenied"),
        ({"authorization": "Basic abc"}, "AuthorizationHeaderMalformed"),
    ],
    ids=str,
)
def test_what_was_altered_on_the_way_is_refused(
    stub: S3Stub, s3: "S3Client", headers: dict[str, str | None], code: str
) -> None:
    assert altered(stub, s3, **headers) == code
    assert stub.objects(BUCKET) == {}


def test_a_body_that_was_altered_on_the_way_is_refused(stub: S3Stub) -> None:
    def alter(request: Any, **_: object) -> None:
        request.body = BODY[:-1] + b"x"

    with closing(client(stub)) as own:
        own.meta.events.register_last("before-send.s3.PutObject", alter)
        put = {"Bucket": BUCKET, "Key": "a", "Body": BODY}
        assert refused(own.put_object, **put) == "XAmzContentSHA256Mismatch"
    assert stub.objects(BUCKET) == {}


# How it may come.


def test_over_tls_only_a_whole_signed_body_is_taken(secure: S3Stub, authority: Authority) -> None:
    with closing(client(secure, ca=authority.ca)) as s3:
        s3.put_object(Bucket=BUCKET, Key="a", Body=BODY)
    with closing(client(secure, ca=authority.ca, checksums="when_supported")) as s3:
        assert refused(s3.put_object, Bucket=BUCKET, Key="b", Body=BODY) == "NotImplemented"
    taken, chunked = secure.requests
    assert taken.headers["x-amz-content-sha256"] == hashlib.sha256(BODY).hexdigest()
    assert chunked.headers["x-amz-content-sha256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert taken.secure
    assert [*secure.objects(BUCKET)] == ["a"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["PUT /captures/a HTTP/1.1"], 411),
        (["PUT /captures/a HTTP/1.1", "Content-Length: many"], 400),
        (["PUT /captures/a HTTP/1.1", "Transfer-Encoding: chunked"], 411),
        (["PUT /captures/%ff HTTP/1.1", "Content-Length: 0"], 400),
        (["PUT /captures/a HTTP/1.1", "Content-Length: 0"], 403),
        (["nonsense"], 400),
        ([f"GET /captures/a HTTP/1.1\r\nx: {'x' * 70_000}"], 400),
    ],
    ids=lambda each: str(each)[:60],
)
def test_a_request_that_is_not_framed_is_refused(
    stub: S3Stub, lines: list[str], status: int
) -> None:
    with socket.create_connection(("127.0.0.1", stub.port), timeout=5) as connection:
        connection.sendall("\r\n".join([*lines, "Host: localhost", "", ""]).encode())
        assert connection.recv(100).startswith(f"HTTP/1.1 {status} ".encode())


def test_buckets_are_found_by_path_and_by_name_as_the_store_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest, **more: resolve("127.0.0.1", *rest, **more)
    )
    for accepted in ("both", "path", "virtual"):
        behaviour = S3Behaviour(addressing=accepted)
        with S3Stub([BUCKET], behaviour=behaviour) as stub:
            for style in ("path", "virtual"):
                with closing(client(stub, host="localhost", s3={"addressing_style": style})) as s3:
                    if accepted in {"both", style}:
                        s3.put_object(Bucket=BUCKET, Key="a/b", Body=BODY)
                    else:
                        put = {"Bucket": BUCKET, "Key": "a/b", "Body": BODY}
                        assert refused(s3.put_object, **put) == "NoSuchBucket"
                assert stub.requests[-1].addressing == style


# Presigned.


def fetched(url: str, method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_presigned_link_opens_one_object_for_a_while() -> None:
    now = [time.time()]
    with S3Stub([BUCKET], clock=lambda: now[0]) as stub, closing(client(stub)) as s3:
        s3.put_object(Bucket=BUCKET, Key="a b", Body=BODY)
        params = {"Bucket": BUCKET, "Key": "a b", "ResponseContentType": "image/x-own"}
        url = s3.generate_presigned_url("get_object", Params=params, ExpiresIn=60)
        assert fetched(url) == (200, BODY)
        for wrong in (
            url.replace("a%20b", "a%20c"),
            url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
            url.replace("image%2Fx-own", "text%2Fhtml"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
        ):
            assert wrong != url
            assert fetched(wrong)[0] == 403
        assert fetched(url, "DELETE")[0] == 403
        assert fetched(url.replace("X-Amz-Expires=60", "X-Amz-Expires=999999"))[0] == 400
        assert fetched(url.replace("X-Amz-Algorithm=AWS4", "X-Amz-Algorithm=AWS5"))[0] == 400
        now[0] += 61
        status, body = fetched(url)
        assert (status, b"expired" in body) == (403, True)
        now[0] -= 3600
        assert fetched(url)[0] == 403


def test_a_presigned_put_is_taken(stub: S3Stub, s3: "S3Client") -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "a"})
    assert fetched(url, "PUT", BODY)[0] == 200
    assert stub.objects(BUCKET)["a"].content == BODY


# Digests.


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_verified_and_told(stub: S3Stub, s3: "S3Client", name: str) -> None:
    # The check value of the catalogue of CRCs, and digests of the same nine bytes.
    right = {
        "CRC32": (0xCBF43926).to_bytes(4, "big"),
        "CRC32C": (0xE3069283).to_bytes(4, "big"),
        "CRC64NVME": (0xAE8B14860A799888).to_bytes(8, "big"),
        "SHA1": hashlib.sha1(b"123456789").digest(),
        "SHA256": hashlib.sha256(b"123456789").digest(),
    }[name]
    put: dict[str, Any] = {"Bucket": BUCKET, "Key": "a", "Body": b"123456789"}
    given: Any = {f"Checksum{name}": base64.b64encode(right).decode()}
    answer: Any = s3.put_object(**put, **given)
    told: Any = s3.head_object(Bucket=BUCKET, Key="a", ChecksumMode="ENABLED")
    wrong: Any = {f"Checksum{name}": base64.b64encode(right[::-1]).decode()}
    assert refused(s3.put_object, **put, **wrong) == "BadDigest"
    assert answer[f"Checksum{name}"] == told[f"Checksum{name}"] == given[f"Checksum{name}"]
    assert told["ChecksumType"] == "FULL_OBJECT"


def test_content_md5_is_verified(stub: S3Stub, s3: "S3Client") -> None:
    put: dict[str, Any] = {"Bucket": BUCKET, "Key": "a", "Body": BODY}
    digest = hashlib.md5(BODY).digest()
    s3.put_object(**put, ContentMD5=base64.b64encode(digest).decode())
    wrong = base64.b64encode(digest[::-1]).decode()
    assert refused(s3.put_object, **put, ContentMD5=wrong) == "BadDigest"
    assert refused(s3.put_object, **put, ContentMD5="no digest") == "InvalidDigest"


# What is refused of an object.


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"Key": "k" * 1025}, "KeyTooLongError"),
        ({"Bucket": "nowhere"}, "NoSuchBucket"),
        ({"ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"StorageClass": "ATTIC"}, "InvalidStorageClass"),
        ({"Metadata": {"a": "x" * 2048}}, "MetadataTooLarge"),
        ({"Tagging": "&".join(f"{n}=1" for n in range(11))}, "InvalidTag"),
        ({"Tagging": "a=1&a=2"}, "InvalidTag"),
        ({"Tagging": f"{'a' * 129}=1"}, "InvalidTag"),
        ({"ExpectedBucketOwner": "999999999999"}, "AccessDenied"),
        ({"ObjectLockMode": "GOVERNANCE"}, "InvalidArgument"),
        ({"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": 4e9}, "InvalidRequest"),
        ({"IfMatch": '"0"'}, "NotImplemented"),
        ({"ServerSideEncryption": "rot13"}, "InvalidArgument"),
    ],
    ids=lambda each: str(each)[:50],
)
def test_what_s3_does_not_take_is_refused(
    stub: S3Stub, s3: "S3Client", sent: dict[str, object], code: str
) -> None:
    put: dict[str, Any] = {"Bucket": BUCKET, "Key": "a", "Body": BODY}
    assert refused(s3.put_object, **(put | sent)) == code
    assert stub.objects(BUCKET) == {}


def test_object_lock_is_taken_with_a_checksum(stub: S3Stub, s3: "S3Client") -> None:
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    lock: Any = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": 4e9}
    s3.put_object(Bucket=BUCKET, Key="a", Body=BODY, ChecksumSHA256=digest, **lock)
    assert s3.head_object(Bucket=BUCKET, Key="a")["ObjectLockMode"] == "COMPLIANCE"


def test_an_operation_that_it_lacks_is_not_implemented(stub: S3Stub, s3: "S3Client") -> None:
    assert refused(s3.get_bucket_policy, Bucket=BUCKET) == "NotImplemented"
    source = {"Bucket": BUCKET, "Key": "a"}
    assert refused(s3.copy_object, Bucket=BUCKET, Key="b", CopySource=source) == "NotImplemented"


# Where stores differ.


def test_conditions_are_honoured_ignored_or_refused() -> None:
    put: dict[str, Any] = {"Bucket": BUCKET, "Key": "a", "IfNoneMatch": "*"}
    outcomes = {}
    for conditions in ("honoured", "ignored", "refused"):
        behaviour = S3Behaviour(conditions=conditions)
        with S3Stub([BUCKET], behaviour=behaviour) as stub, closing(client(stub)) as s3:
            codes = []
            for body in (b"first", b"second"):
                try:
                    s3.put_object(**put, Body=body)
                    codes.append("")
                except ClientError as error:
                    codes.append(error.response["Error"]["Code"])
            outcomes[conditions] = codes, {k: o.content for k, o in stub.objects(BUCKET).items()}
    assert outcomes == {
        "honoured": (["", "PreconditionFailed"], {"a": b"first"}),
        "ignored": (["", ""], {"a": b"second"}),
        "refused": (["NotImplemented"] * 2, {}),
    }


def test_a_store_can_forget_metadata_and_make_etags_of_its_own() -> None:
    behaviour = S3Behaviour(keeps_metadata=False, md5_etags=False, acls=True)
    with S3Stub([BUCKET], behaviour=behaviour) as stub, closing(client(stub)) as s3:
        put: dict[str, Any] = {"Bucket": BUCKET, "Key": "a", "Body": BODY, "ContentType": "a/b"}
        s3.put_object(**put, Metadata={"x": "y"}, ACL="public-read")
        found = s3.head_object(Bucket=BUCKET, Key="a")
    assert (found["Metadata"], found["ContentType"]) == ({}, "a/b")
    assert found["ETag"] != f'"{hashlib.md5(BODY).hexdigest()}"'


def test_the_region_is_told() -> None:
    behaviour = S3Behaviour(region="eu-central-2")
    with S3Stub([BUCKET], behaviour=behaviour) as stub, closing(client(stub)) as s3:
        found = s3.head_bucket(Bucket=BUCKET)
        assert found["BucketRegion"] == "eu-central-2"
        assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == "eu-central-2"
        assert refused(s3.head_bucket, Bucket="nowhere") == "404"
    with S3Stub([BUCKET]) as stub, closing(client(stub)) as s3:
        assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] is None
