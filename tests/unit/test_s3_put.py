import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from s3_support import MIB, Place

from sinkwell.contract import IfPresent, RejectedError, TransientError, UnusableError
from sinkwell.testing.s3 import S3Behaviour, S3Object, S3Stub
from sinkwell_s3.payload import load_cached

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE
SMALL, STREAMED, PARTS = 200_000, 3 * MIB, 11 * MIB


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with S3Stub() as stub:
        yield Place(stub, tmp_path)


@pytest.fixture
def careless(tmp_path: Path) -> Iterator[Place]:
    """A store that ignores conditions in silence and forgets metadata."""
    behaviour = S3Behaviour(conditions="ignored", keeps_metadata=False)
    with S3Stub(behaviour=behaviour) as stub:
        yield Place(stub, tmp_path)


WISHES: dict[str, object] = {
    "prefix": "captures/",
    "storage_class": "STANDARD_IA",
    "cache_control": "no-store",
    "content_disposition": "attachment",
    "sse": "kms",
    "kms_key": "alias/captures",
    "acl": "public-read",
    "extra_metadata": {"Team": "web"},
    "tags": {"project": "{label.project}", "kind": "a b"},
    "object_lock": "governance",
    "retain_for": "1d",
    "requester_pays": True,
    "expected_bucket_owner": "123456789012",
}


@pytest.mark.parametrize("transfer", ["native", "boto3"])
@pytest.mark.parametrize("size", [SMALL, PARTS])
async def test_all_that_is_asked_for_is_sent(tmp_path: Path, transfer: str, size: int) -> None:
    with S3Stub(behaviour=S3Behaviour(owner="123456789012", acls=True)) as stub:
        place = Place(stub, tmp_path)
        blob = place.blob(size, name="ü.png", labels={"project": "x&y"})
        async with place.opened(transfer=transfer, **WISHES) as sink:
            receipt = await sink.put(blob, "a b", if_present=KEEP)
        first = next(each for each in place.asked() if each.operation in CREATING)
    assert receipt.location == "s3://captures/captures/a%20b"
    sent = {name.lower(): value for name, value in first.headers.items()}
    expected = {
        "x-amz-storage-class": "STANDARD_IA",
        "cache-control": "no-store",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "alias/captures",
        "x-amz-acl": "public-read",
        "x-amz-meta-team": "web",
        "x-amz-meta-sha256": blob.sha256,
        "x-amz-meta-name": "%C3%BC.png",
        "x-amz-meta-labels": "project=x%26y",
        "x-amz-tagging": "project=x_y&kind=a%20b",
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-request-payer": "requester",
        "x-amz-expected-bucket-owner": "123456789012",
        "content-type": "image/png",
    }
    assert {name: sent.get(name) for name in expected} == expected
    assert sent["content-disposition"].startswith("attachment; filename=")
    assert sent["x-amz-object-lock-retain-until-date"].startswith("20")


CREATING = {"PutObject", "CreateMultipartUpload"}


async def test_nothing_is_sent_that_was_not_asked_for(place: Place) -> None:
    async with place.opened(metadata=False) as sink:
        await sink.put(place.blob(SMALL), "key", if_present=KEEP)
    (request,) = place.asked()
    assert {name.lower() for name in request.headers} == {
        *("host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"),
        *("if-none-match", "authorization", "x-amz-date", "x-amz-content-sha256"),
        "x-amz-checksum-sha256",
    }


async def test_a_small_file_is_one_request_where_conditions_are_honoured(place: Place) -> None:
    async with place.opened() as sink:
        await sink.put(place.blob(SMALL), "key", if_present=KEEP)
    assert [each.operation for each in place.asked()] == ["PutObject"]


async def test_a_store_of_which_nothing_is_known_is_asked_first(careless: Place) -> None:
    async with careless.opened(provider="custom") as sink:
        await sink.put(careless.blob(SMALL), "key", if_present=KEEP)
        requests = careless.asked()
        with pytest.raises(RejectedError, match="another object"):
            await sink.put(careless.blob(SMALL, "other"), "key", if_present=KEEP)
    assert [each.operation for each in requests] == ["HeadObject", "PutObject"]
    assert "if-none-match" not in {name.lower() for name in requests[1].headers}


@pytest.mark.parametrize("size", [SMALL, PARTS])
async def test_an_object_without_a_note_is_compared_by_its_md5_or_its_bytes(
    careless: Place, size: int
) -> None:
    blob = careless.blob(size)
    async with careless.opened(provider="custom") as sink:
        await sink.put(blob, "key", if_present=KEEP)
        careless.asked()
        assert (await sink.put(blob, "key", if_present=KEEP)).sha256 == blob.sha256
    by_md5 = ["HeadObject"]
    assert [each.operation for each in careless.asked()] == (
        by_md5 if size == SMALL else [*by_md5, "GetObject"]
    )


@pytest.mark.parametrize("transfer", ["native", "boto3"])
@pytest.mark.parametrize("size", [SMALL, STREAMED, PARTS])
@pytest.mark.parametrize("provider", ["aws", "custom"])
async def test_a_damaged_file_is_never_stored(
    place: Place, transfer: str, size: int, provider: str
) -> None:
    blob = place.blob(size)
    content = bytearray(blob.path.read_bytes())
    content[-1] ^= 1
    blob.path.write_bytes(content)
    async with place.opened(transfer=transfer, provider=provider) as sink:
        with pytest.raises(RejectedError, match="is not what was received"):
            await sink.put(blob, "key", if_present=KEEP)
    assert place.objects() == {}
    assert place.stub.uploads(place.bucket) == []


@pytest.mark.parametrize("size", [SMALL, PARTS])
async def test_a_lost_answer_is_looked_into(place: Place, size: int) -> None:
    operation = "PutObject" if size == SMALL else "CompleteMultipartUpload"
    blob = place.blob(size)
    async with place.opened() as sink:
        with place.stub.failing("lost answer", operation=operation, times=1):
            assert (await sink.put(blob, "key", if_present=KEEP)).sha256 == blob.sha256
        with (
            place.stub.failing("lost answer", operation=operation, times=1),
            pytest.raises(TransientError),
        ):
            await sink.put(blob, "other", if_present=REFUSE)


async def test_a_key_that_may_only_put_is_enough_where_conditions_are_honoured(
    place: Place,
) -> None:
    blob = place.blob(SMALL)
    async with place.opened() as sink:
        with place.stub.failing("AccessDenied", operation="HeadObject"):
            await sink.put(blob, "key", if_present=KEEP)
            with pytest.raises(RejectedError, match="s3:GetObject"):
                await sink.put(blob, "key", if_present=KEEP)
            await sink.put(place.blob(PARTS), "large", if_present=KEEP)
    async with place.opened(provider="custom") as sink:
        with (
            place.stub.failing("AccessDenied", operation="HeadObject"),
            pytest.raises(UnusableError, match="conditional_writes"),
        ):
            await sink.put(blob, "other", if_present=KEEP)


async def test_a_large_file_whose_key_is_taken_is_not_sent(place: Place) -> None:
    blob, other = place.blob(PARTS), place.blob(PARTS, "other")
    async with place.opened() as sink:
        await sink.put(blob, "key", if_present=KEEP)
        place.asked()
        await sink.put(blob, "key", if_present=KEEP)
        for choice in (KEEP, REFUSE):
            with pytest.raises(RejectedError):
                await sink.put(other, "key", if_present=choice)
    assert {each.operation for each in place.asked()} == {"HeadObject"}


async def test_a_foreign_object_is_kept_whatever_it_claims(place: Place) -> None:
    blob = place.blob(SMALL)
    foreign = S3Object(b"x" * SMALL, hashlib.md5(b"x" * SMALL).hexdigest(), {})
    place.stub.put(place.bucket, "key", foreign)
    async with place.opened() as sink:
        with pytest.raises(RejectedError, match="another object"):
            await sink.put(blob, "key", if_present=KEEP)
        stat = await sink.stat("key")
    assert place.objects()["key"].content == foreign.content
    assert stat is not None
    assert stat.size == SMALL


async def test_metadata_has_room_for_any_name_and_any_labels(place: Place) -> None:
    blob = place.blob(SMALL, name="é" * 5000, labels={f"k{n}": "v" * 300 for n in range(50)})
    async with place.opened() as sink:
        await sink.put(blob, "key", if_present=KEEP)
    metadata = place.objects()["key"].metadata
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2000
    assert set(unquote(metadata["name"])) == {"é"}
    assert metadata["sha256"] == blob.sha256


async def test_a_file_that_the_kernel_does_not_have_in_memory_is_read_from_the_disk(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = place.blob(SMALL)
    assert load_cached(blob) == blob.path.read_bytes()[:SMALL]
    read = os.preadv

    def uncached(fd: int, buffers: Sequence[Any], offset: int, flags: int = 0) -> int:
        if flags & os.RWF_NOWAIT:
            raise BlockingIOError
        return read(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "preadv", uncached)
    async with place.opened() as sink:
        await sink.put(blob, "a.png", if_present=KEEP)

    assert load_cached(blob) is None
    assert place.objects()["a.png"].content == blob.path.read_bytes()[:SMALL]
