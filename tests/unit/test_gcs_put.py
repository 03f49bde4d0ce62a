import pytest
from gcs_support import LARGE_FILE as LARGE
from gcs_support import LOOK, Place, answer
from gcs_support import SMALL_FILE as SMALL

from sinkwell.contract import (
    IfPresent,
    RejectedError,
)

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


async def test_all_that_is_asked_for_is_sent_and_nothing_else(gcs_place: Place) -> None:
    kms = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    wishes: dict[str, object] = {
        "prefix": "captures/",
        "storage_class": "NEARLINE",
        "cache_control": "no-store",
        "content_disposition": "attachment",
        "custom_time": "1d",
        "kms_key": kms,
        "predefined_acl": "projectPrivate",
        "user_project": "payer",
    }
    blob = gcs_place.blob(SMALL, name="ü.png", labels={"größe": "a\r\nb"})
    async with gcs_place.opened(**wishes) as sink:
        receipt = await sink.put(blob, "a b", if_present=KEEP)
    assert receipt.location == f"gs://{gcs_place.bucket}/captures/a%20b"
    query = gcs_place.asked()[-1]["query"]
    assert query["kmsKeyName"] == kms
    assert query["predefinedAcl"] == "projectPrivate"
    assert query["userProject"] == "payer"
    assert query["ifGenerationMatch"] == "0"
    described = gcs_place.described("captures/a b")
    assert described["storageClass"] == "NEARLINE"
    assert described["cacheControl"] == "no-store"
    assert described["contentDisposition"].startswith("attachment; filename=")
    async with gcs_place.opened() as sink:
        await sink.put(blob, "plain", if_present=REPLACE)
    assert set(gcs_place.asked()[-1]["query"]) == {"uploadType", "fields", "prettyPrint"}
    assert gcs_place.described("plain").keys() == {
        *("name", "contentType", "metadata"),
        *("crc32c", "size", "generation"),
    }


async def test_what_is_kept_with_an_object_can_be_read_anywhere(gcs_place: Place) -> None:
    blob = gcs_place.blob(SMALL, name="ü.png", labels={"größe": "a\r\nb", "long": "x" * 9000})
    for size in (SMALL, LARGE):
        async with gcs_place.opened(content_disposition="inline", custom_time=0) as sink:
            await sink.put(
                gcs_place.blob(size, name=blob.name, labels=blob.labels), f"{size}", if_present=KEEP
            )
        described = gcs_place.stub.tell(
            "described", {"bucket": gcs_place.bucket, "name": f"{size}"}
        )
        metadata = described["metadata"]
        assert metadata["name"] == "%C3%BC.png"
        assert metadata["label-gr%C3%B6%C3%9Fe"] == "a%0D%0Ab"
        assert sum(map(len, [*metadata, *metadata.values()])) <= 8 * 1024
        assert described["contentDisposition"].startswith("inline; filename=")
        assert described["contentType"] == "image/png"
        assert described["customTime"].endswith("Z")


async def test_an_object_without_a_note_of_its_digest_is_read_to_compare(gcs_place: Place) -> None:
    blob = gcs_place.blob(SMALL)
    async with gcs_place.opened(metadata=False) as sink:
        await sink.put(blob, "key", if_present=KEEP)
        stat = await sink.stat("key")
        assert stat is not None
        assert stat.sha256 is None
        gcs_place.asked()
        assert (await sink.put(blob, "key", if_present=KEEP)).sha256 == blob.sha256
    assert [each["query"].get("alt") for each in gcs_place.asked()] == [None, None, "media"]


async def test_a_large_file_whose_key_is_taken_is_not_sent(gcs_place: Place) -> None:
    blob, other = gcs_place.blob(LARGE), gcs_place.blob(LARGE, "other")
    async with gcs_place.opened() as sink:
        await sink.put(blob, "key", if_present=KEEP)
        gcs_place.asked()
        await sink.put(blob, "key", if_present=KEEP)
        for choice in (KEEP, REFUSE):
            with pytest.raises(RejectedError):
                await sink.put(other, "key", if_present=choice)
    assert {each["method"] for each in gcs_place.asked()} == {"GET"}


async def test_a_large_file_that_loses_a_race_is_compared_at_the_end(gcs_place: Place) -> None:
    blob, other = gcs_place.blob(LARGE), gcs_place.blob(LARGE, "other")
    unseen = {"times": 1, **LOOK, **answer(404, "notFound", "No such object: x")}
    async with gcs_place.opened() as sink:
        await sink.put(blob, "key", if_present=KEEP)
        with gcs_place.stub.failing(unseen):
            assert (await sink.put(blob, "key", if_present=KEEP)).sha256 == blob.sha256
        with gcs_place.stub.failing(unseen), pytest.raises(RejectedError, match="another object"):
            await sink.put(other, "key", if_present=KEEP)
    assert gcs_place.sessions() == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_account_that_may_only_create_puts_and_says_what_it_cannot_compare(
    gcs_place: Place, size: int
) -> None:
    blind = answer(403, "forbidden", "no storage.objects.get access") | LOOK
    async with gcs_place.opened() as sink:
        with gcs_place.stub.failing(blind):
            await sink.put(gcs_place.blob(size), "key", if_present=KEEP)
            with pytest.raises(RejectedError, match="Storage Object Viewer"):
                await sink.put(gcs_place.blob(size), "key", if_present=KEEP)
