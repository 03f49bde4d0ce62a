import asyncio
import base64
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from s3_support import MIB, Place

from sinkwell.contract import IfPresent, RejectedError, TransientError
from sinkwell.testing.s3 import S3Stub
from sinkwell_s3.multipart import part_size

KEEP = IfPresent.KEEP_IF_SAME
LARGE = 11 * MIB


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with S3Stub() as stub:
        yield Place(stub, tmp_path)


def journal(place: Place) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in place.state.glob("*.upload")]


async def comes_true(condition: Callable[[], bool]) -> bool:
    for _ in range(1000):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return False


async def settled(place: Place) -> bool:
    return await comes_true(
        lambda: not place.stub.uploads(place.bucket) and not list(place.state.iterdir())
    )


@pytest.mark.parametrize(
    ("size", "wanted", "most", "made"),
    [
        (20 * MIB, 8 * MIB, 10_000, 8 * MIB),
        (1000 * 8 * MIB, 8 * MIB, 1000, 8 * MIB),
        (1000 * 8 * MIB + 1, 8 * MIB, 1000, 9 * MIB),
        (5 * 1024**4, 8 * MIB, 10_000, 525 * MIB),
    ],
)
def test_parts_are_as_wanted_or_as_large_as_so_few_need(
    size: int, wanted: int, most: int, made: int
) -> None:
    assert part_size(size, wanted, most, "putting") == made
    assert -(-size // made) <= most


def test_a_file_that_no_number_of_parts_holds_is_rejected() -> None:
    with pytest.raises(RejectedError, match="5 GiB are the most"):
        part_size(5 * 1024**4, 8 * MIB, 1000, "putting")


async def test_an_upload_is_on_disk_before_its_first_part_is_sent(place: Place) -> None:
    async with place.opened() as sink:
        with place.stub.failing("stall before storing", operation="UploadPart"):
            put = asyncio.create_task(sink.put(place.blob(LARGE), "key", if_present=KEEP))
            assert await comes_true(
                lambda: any(each.operation == "UploadPart" for each in place.stub.requests)
            )
            (entry,) = journal(place)
            (file,) = place.state.glob("*.upload")
            put.cancel()
            with pytest.raises(asyncio.CancelledError):
                await put
    assert (entry["name"], entry["url"]) == ("key", f"{place.stub.url}/{place.bucket}")
    assert entry["upload"]
    assert not file.exists()
    assert place.stub.uploads(place.bucket) == []


async def test_nothing_is_left_of_an_upload_that_went_well(place: Place) -> None:
    blob = place.blob(LARGE)
    async with place.opened() as sink:
        await sink.put(blob, "key", if_present=KEEP)
    assert place.objects()["key"].content == blob.path.read_bytes()
    assert list(place.state.iterdir()) == []


@pytest.mark.parametrize("transfer", ["native", "boto3"])
async def test_the_whole_has_a_checksum_that_the_store_compares(
    place: Place, transfer: str
) -> None:
    blob = place.blob(LARGE)
    async with place.opened(transfer=transfer) as sink:
        await sink.put(blob, "key", if_present=KEEP)
    complete = next(e for e in place.asked() if e.operation == "CompleteMultipartUpload")
    headers = {name.lower(): value for name, value in complete.headers.items()}
    crc32 = zlib.crc32(blob.path.read_bytes()).to_bytes(4, "big")
    assert headers["x-amz-checksum-crc32"] == base64.b64encode(crc32).decode()
    assert headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert headers["if-none-match"] == "*"


_KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from s3_support import opened
from sinkwell.contract import Blob, IfPresent

async def main():
    blob = Blob(Path({path!r}), {size}, {sha256!r}, "image/png")
    async with opened(Path({state!r}), **{section!r}) as sink:
        await sink.put(blob, "key", if_present=IfPresent.KEEP_IF_SAME)

asyncio.run(main())
"""


async def test_what_a_killed_process_leaves_is_swept_when_the_sink_opens(place: Place) -> None:
    blob = place.blob(LARGE)
    script = _KILLED.format(
        tests=str(Path(__file__).parents[1]),
        path=str(blob.path),
        size=blob.size,
        sha256=blob.sha256,
        state=str(place.state),
        section=place.section(),
    )
    with place.stub.failing("stall before storing", operation="UploadPart"):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
        assert await comes_true(lambda: any(each["upload"] for each in journal(place)))
        # Another process that opens the same sink leaves an upload alone that is worked on.
        async with place.opened():
            await asyncio.sleep(0.3)
        assert place.stub.uploads(place.bucket) == ["key"]
        process.kill()
        await process.wait()
    assert place.stub.uploads(place.bucket) == ["key"]
    async with place.opened():
        assert await settled(place)


async def test_an_upload_whose_id_was_lost_is_found_by_its_name(place: Place) -> None:
    async with place.opened() as sink:
        with (
            place.stub.failing("lost answer", operation="CreateMultipartUpload", times=1),
            pytest.raises(TransientError),
        ):
            await sink.put(place.blob(LARGE), "key", if_present=KEEP)
        assert await settled(place)


async def test_uploads_of_another_bucket_and_torn_files_are_no_trouble(place: Place) -> None:
    foreign = {"url": "https://elsewhere/b", "name": "k", "upload": "u", "began": 0}
    (place.state / "a.upload").write_text(json.dumps(foreign))
    (place.state / "b.upload").write_text('{"url": "htt')
    (place.state / "c.new").write_text("")
    (place.state / "unrelated").write_text("kept")
    async with place.opened() as sink:
        await sink.put(place.blob(LARGE), "key", if_present=KEEP)
    assert {path.name for path in place.state.iterdir()} == {"a.upload", "unrelated"}


async def test_an_upload_that_cannot_be_recorded_is_not_begun(place: Place) -> None:
    blob = place.blob(LARGE)
    async with place.opened() as sink:
        place.state.rmdir()
        with pytest.raises(TransientError, match="cannot be recorded"):
            await sink.put(blob, "key", if_present=KEEP)
        assert not any(e.operation == "CreateMultipartUpload" for e in place.asked())
        place.state.mkdir()
        await sink.put(blob, "key", if_present=KEEP)
