"""Multipart uploads to the S3 stub, with boto3 as the client."""

import base64
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from s3_clients import client, refused

from sinkwell.testing.s3 import S3Behaviour, S3Stub

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET, KEY = "captures", "a/b"
LEAST = 1000
PARTS = [hashlib.shake_128(bytes([n])).digest(size) for n, size in enumerate((1000, 1500, 10))]
WHOLE = b"".join(PARTS)


@pytest.fixture(scope="module")
def running() -> Iterator[S3Stub]:
    with S3Stub(behaviour=S3Behaviour(least_part=LEAST, most_parts=5)) as stub:
        yield stub


@pytest.fixture(scope="module")
def client_of_it(running: S3Stub) -> Iterator["S3Client"]:
    with closing(client(running)) as made:
        yield made


@pytest.fixture
def stub(running: S3Stub) -> S3Stub:
    running.make_bucket(BUCKET)
    return running


@pytest.fixture
def s3(stub: S3Stub, client_of_it: "S3Client") -> "S3Client":
    return client_of_it


def began(s3: "S3Client", **sent: Any) -> dict[str, Any]:
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=KEY, **sent)["UploadId"]
    return {"Bucket": BUCKET, "Key": KEY, "UploadId": upload}


def sent(s3: "S3Client", upload: dict[str, Any], number: int, body: bytes, **more: Any) -> Any:
    """Send a part; return what is listed of it at the end."""
    answer = s3.upload_part(**upload, PartNumber=number, Body=body, **more)
    sums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **sums}


def listed(*parts: Any) -> dict[str, Any]:
    return {"MultipartUpload": {"Parts": [*parts]}}


def base64_sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_an_object_is_there_when_its_upload_is_complete(stub: S3Stub, s3: "S3Client") -> None:
    upload = began(s3, ContentType="image/png", Metadata={"x": "y"})
    parts = [sent(s3, upload, number, body) for number, body in enumerate(PARTS, 1)]
    assert stub.objects(BUCKET) == {}
    assert stub.uploads(BUCKET) == [KEY]
    assert [each["Size"] for each in s3.list_parts(**upload)["Parts"]] == [1000, 1500, 10]
    answer = s3.complete_multipart_upload(**upload, **listed(*parts))
    digests = b"".join(hashlib.md5(part).digest() for part in PARTS)
    assert answer["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
    found = s3.get_object(Bucket=BUCKET, Key=KEY)
    assert found["Body"].read() == WHOLE
    assert (found["ContentType"], found["Metadata"]) == ("image/png", {"x": "y"})
    assert stub.uploads(BUCKET) == []


def test_an_upload_that_is_aborted_leaves_nothing(stub: S3Stub, s3: "S3Client") -> None:
    upload = began(s3)
    part = sent(s3, upload, 1, PARTS[0])
    s3.abort_multipart_upload(**upload)
    assert stub.uploads(BUCKET) == []
    assert refused(s3.complete_multipart_upload, **upload, **listed(part)) == "NoSuchUpload"
    assert refused(s3.abort_multipart_upload, **upload) == "NoSuchUpload"
    assert refused(s3.upload_part, **upload, PartNumber=1, Body=b"") == "NoSuchUpload"


def test_parts_are_what_they_must_be(stub: S3Stub, s3: "S3Client") -> None:
    upload = began(s3)
    one, two, three = [sent(s3, upload, number, body) for number, body in enumerate(PARTS, 1)]
    small = sent(s3, upload, 4, b"small")
    for parts, code in (
        ((two, one), "InvalidPartOrder"),
        ((one, two | {"ETag": one["ETag"]}), "InvalidPart"),
        ((one, two | {"PartNumber": 5}), "InvalidPart"),
        ((one, small, three | {"PartNumber": 5}), "InvalidPart"),
        ((one, three, small), "EntityTooSmall"),
        ((), "MalformedXML"),
    ):
        assert refused(s3.complete_multipart_upload, **upload, **listed(*parts)) == code
    for number in (0, 6):
        assert refused(s3.upload_part, **upload, PartNumber=number, Body=b"") == "InvalidArgument"
    whole = listed(one, two, three)
    wrong = {"MpuObjectSize": len(WHOLE) + 1}
    assert refused(s3.complete_multipart_upload, **upload, **whole, **wrong) == "InvalidRequest"
    s3.complete_multipart_upload(**upload, **whole, MpuObjectSize=len(WHOLE))
    assert stub.objects(BUCKET)[KEY].content == WHOLE


def test_parts_of_one_size_can_be_asked_for() -> None:
    behaviour = S3Behaviour(least_part=LEAST, equal_parts=True)
    with S3Stub([BUCKET], behaviour=behaviour) as stub, closing(client(stub)) as s3:
        upload = began(s3)
        parts = [sent(s3, upload, number, body) for number, body in enumerate(PARTS, 1)]
        assert refused(s3.complete_multipart_upload, **upload, **listed(*parts)) == "InvalidPart"
        parts[1] = sent(s3, upload, 2, PARTS[0])
        s3.complete_multipart_upload(**upload, **listed(*parts))


def test_checksums_of_parts_make_that_of_the_whole(stub: S3Stub, s3: "S3Client") -> None:
    upload = began(s3, ChecksumAlgorithm="SHA256")
    wrong = base64_sha256(PARTS[1])
    part = {**upload, "PartNumber": 1, "Body": PARTS[0]}
    assert refused(s3.upload_part, **part, ChecksumSHA256=wrong) == "BadDigest"
    parts = [
        sent(s3, upload, number, body, ChecksumSHA256=base64_sha256(body))
        for number, body in enumerate(PARTS, 1)
    ]
    bare = [{name: each[name] for name in ("PartNumber", "ETag")} for each in parts]
    assert refused(s3.complete_multipart_upload, **upload, **listed(*bare)) == "InvalidRequest"
    digests = b"".join(hashlib.sha256(part).digest() for part in PARTS)
    whole = f"{base64_sha256(digests)}-3"
    other = {"ChecksumSHA256": f"{base64_sha256(b'')}-3"}
    assert refused(s3.complete_multipart_upload, **upload, **listed(*parts), **other) == "BadDigest"
    answer = s3.complete_multipart_upload(**upload, **listed(*parts), ChecksumSHA256=whole)
    assert answer["ChecksumSHA256"] == whole
    found = s3.head_object(Bucket=BUCKET, Key=KEY, ChecksumMode="ENABLED")
    assert (found["ChecksumSHA256"], found["ChecksumType"]) == (whole, "COMPOSITE")


def test_a_checksum_of_the_whole_object_is_verified_at_the_end(
    stub: S3Stub, s3: "S3Client"
) -> None:
    right = base64.b64encode(zlib.crc32(WHOLE).to_bytes(4, "big")).decode()
    upload = began(s3, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [sent(s3, upload, number, body) for number, body in enumerate(PARTS, 1)]
    wrong: dict[str, Any] = {"ChecksumCRC32": "AAAAAA==", "ChecksumType": "FULL_OBJECT"}
    assert refused(s3.complete_multipart_upload, **upload, **listed(*parts), **wrong) == "BadDigest"
    answer = s3.complete_multipart_upload(
        **upload, **listed(*parts), **(wrong | {"ChecksumCRC32": right})
    )
    assert answer["ChecksumCRC32"] == right
    kind = {"ChecksumAlgorithm": "SHA256", "ChecksumType": "FULL_OBJECT"}
    create = {"Bucket": BUCKET, "Key": KEY, **kind}
    assert refused(s3.create_multipart_upload, **create) == "InvalidRequest"


def test_a_condition_holds_at_the_end_of_an_upload(stub: S3Stub, s3: "S3Client") -> None:
    upload = began(s3)
    part = sent(s3, upload, 1, PARTS[0])
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"another")
    end = {**upload, **listed(part), "IfNoneMatch": "*"}
    assert refused(s3.complete_multipart_upload, **end) == "PreconditionFailed"
    assert stub.objects(BUCKET)[KEY].content == b"another"
    assert stub.uploads(BUCKET) == [KEY]


def test_open_uploads_are_listed_in_pages(s3: "S3Client") -> None:
    made = {
        (key, s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"])
        for key in ("a", "a", "ü", "z")
    }
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=BUCKET, PaginationConfig={"PageSize": 1}
    )
    found = [(each["Key"], each["UploadId"]) for page in pages for each in page["Uploads"]]
    assert found == sorted(made)
    only = s3.list_multipart_uploads(Bucket=BUCKET, Prefix="ü")["Uploads"]
    assert [each["Key"] for each in only] == ["ü"]
