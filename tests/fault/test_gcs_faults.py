"""A put into Cloud Storage that goes wrong ends in the right class, and leaves nothing behind."""

import asyncio
import time
from email.utils import formatdate

import pytest
from gcs_support import LARGE_FILE as LARGE
from gcs_support import LOOK, NOT_THERE, UPLOAD, Place, answer
from gcs_support import SMALL_FILE as SMALL

from sinkwell.contract import (
    IfPresent,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (answer(400, "invalid", "Invalid argument."), RejectedError),
        (answer(400, "invalid", "uniform bucket-level access is enabled"), UnusableError),
        (answer(401, "authError", "Invalid Credentials"), UnusableError),
        (answer(403, "forbidden", "no access"), UnusableError),
        ({"kind": "answer", **NOT_THERE}, UnusableError),
        (answer(408, "uploadBrokenConnection", "too slow"), TransientError),
        (answer(413, "uploadTooLarge", "too large"), RejectedError),
        (answer(429, "rateLimitExceeded", "too many"), TransientError),
        (answer(500, "internalError", "oh"), TransientError),
        (answer(503, "backendError", "later"), TransientError),
        ({"kind": "page", "status": 502}, TransientError),
        ({"kind": "page", "status": 200}, TransientError),
        ({"kind": "answer", "status": 301, "headers": {"Location": "http://x"}}, UnusableError),
        ({"kind": "reset"}, TransientError),
        ({"kind": "reset", "after": 100}, TransientError),
        ({"kind": "stall"}, TransientError),
    ],
    ids=str,
)
async def test_a_put_that_fails_has_its_class_and_leaves_nothing(
    gcs_place: Place, fault: dict[str, object], kind: type[SinkError], size: int
) -> None:
    blob = gcs_place.blob(size)
    async with gcs_place.opened(read_timeout=0.2) as sink:
        with gcs_place.stub.failing(UPLOAD | fault), pytest.raises(kind) as caught:
            await sink.put(blob, "key", if_present=KEEP)
        assert str(caught.value).startswith("sink 'archive': putting 'key' failed: ")
        assert gcs_place.objects() == []
        await sink.put(blob, "key", if_present=KEEP)
    assert gcs_place.holds("key", blob)
    assert gcs_place.sessions() == []


async def test_the_time_to_wait_is_kept(gcs_place: Place) -> None:
    async with gcs_place.opened() as sink:
        for wait in ("700", formatdate(time.time() + 700, usegmt=True)):
            busy = answer(503, "backendError", "later") | {"headers": {"Retry-After": wait}}
            with gcs_place.stub.failing(busy), pytest.raises(TransientError) as caught:
                await sink.put(gcs_place.blob(SMALL), "key", if_present=KEEP)
            assert caught.value.retry_after == pytest.approx(700, abs=60)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("choice", [KEEP, REPLACE])
async def test_a_lost_answer_is_no_failure_and_no_second_upload(
    gcs_place: Place, choice: IfPresent, size: int
) -> None:
    lost: dict[str, object] = {"kind": "lost", "method": "POST", **UPLOAD}
    if size == LARGE:  # the last request of the session, which is a small one
        lost |= {"method": "PUT", "most": 256 * 1024}
    async with gcs_place.opened() as sink:
        for number in range(50 if size == SMALL else 5):
            blob = gcs_place.blob(size, str(number))
            with gcs_place.stub.failing(lost):
                receipt = await sink.put(blob, f"key/{number}", if_present=choice)
            assert receipt.sha256 == blob.sha256
            assert gcs_place.holds(f"key/{number}", blob)
    sent = [each for each in gcs_place.asked() if "multipart" in each["query"].values()]
    assert len(sent) == (50 if size == SMALL else 0)


async def test_who_must_be_first_learns_only_at_the_next_try_that_a_lost_put_was_stored(
    gcs_place: Place,
) -> None:
    blob = gcs_place.blob(SMALL)
    async with gcs_place.opened() as sink:
        with gcs_place.stub.failing({"kind": "lost", **UPLOAD}), pytest.raises(TransientError):
            await sink.put(blob, "key", if_present=REFUSE)
        receipt = await sink.put(blob, "key", if_present=KEEP)
    assert receipt.sha256 == blob.sha256


async def test_a_lost_answer_that_cannot_be_looked_into_is_tried_again(gcs_place: Place) -> None:
    blob = gcs_place.blob(SMALL)
    away = {"kind": "answer", "status": 503, **LOOK}
    async with gcs_place.opened() as sink:
        with (
            gcs_place.stub.failing({"kind": "lost", **UPLOAD}, away),
            pytest.raises(TransientError, match="connection was lost"),
        ):
            await sink.put(blob, "key", if_present=KEEP)
        await sink.put(blob, "key", if_present=KEEP)
    assert gcs_place.holds("key", blob)


async def test_the_bytes_of_another_are_never_overwritten_after_a_lost_answer(
    gcs_place: Place,
) -> None:
    first, second = gcs_place.blob(SMALL, "first"), gcs_place.blob(SMALL, "second")
    async with gcs_place.opened() as sink:
        await sink.put(first, "key", if_present=KEEP)
        with gcs_place.stub.failing({"kind": "lost", **UPLOAD}), pytest.raises(TransientError):
            await sink.put(second, "key", if_present=KEEP)
        with pytest.raises(RejectedError, match="another object is there already"):
            await sink.put(second, "key", if_present=KEEP)
    assert gcs_place.holds("key", first)


async def test_what_was_stored_wrong_is_removed_again(gcs_place: Place) -> None:
    blob = gcs_place.blob(SMALL)
    async with gcs_place.opened() as sink:
        for choice in (KEEP, REPLACE):
            garbled: dict[str, object] = {"kind": "garbled", "method": "POST"}
            with (
                gcs_place.stub.failing(garbled),
                pytest.raises(TransientError, match="they were removed again"),
            ):
                await sink.put(blob, "key", if_present=choice)
            assert gcs_place.objects() == []


async def test_what_was_stored_wrong_and_stays_is_told(gcs_place: Place) -> None:
    async with gcs_place.opened() as sink:
        keeping = answer(403, "forbidden", "no storage.objects.delete access")
        with (
            gcs_place.stub.failing({"kind": "garbled", "method": "POST"}, keeping),
            pytest.raises(TransientError, match="could not be removed"),
        ):
            await sink.put(gcs_place.blob(SMALL), "key", if_present=KEEP)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset", "after": 300_000},
        {"kind": "answer", "status": 503},
        {"kind": "answer", "status": 410},
        {"kind": "stall"},
        {"kind": "page", "status": 308},
    ],
    ids=str,
)
async def test_a_session_that_fails_midway_is_cancelled(
    gcs_place: Place, fault: dict[str, object]
) -> None:
    blob = gcs_place.blob(LARGE)
    async with gcs_place.opened(read_timeout=0.2) as sink:
        with gcs_place.stub.failing({"method": "PUT", **fault}), pytest.raises(TransientError):
            await sink.put(blob, "key", if_present=KEEP)
    assert gcs_place.sessions() == []
    assert gcs_place.objects() == []


async def test_a_server_that_takes_no_more_is_given_up_after_the_read_timeout(
    gcs_place: Place,
) -> None:
    blob = gcs_place.blob(32 * 1024 * 1024)  # more than all buffers on the way hold
    async with gcs_place.opened(read_timeout=0.5) as sink:
        with gcs_place.stub.failing({"kind": "stall", "method": "PUT"}):
            began = time.monotonic()
            with pytest.raises(TransientError, match="in time"):
                await sink.put(blob, "key", if_present=KEEP)
            assert time.monotonic() - began < 10
    assert gcs_place.objects() == []
    assert gcs_place.sessions() == []


async def test_a_put_that_is_cancelled_at_any_moment_leaves_no_session(gcs_place: Place) -> None:
    blob = gcs_place.blob(4 * LARGE)
    async with gcs_place.opened() as sink:
        for number in range(20):
            put = asyncio.ensure_future(sink.put(blob, f"key/{number}", if_present=KEEP))
            await asyncio.sleep(number / 1000)
            put.cancel()
            await asyncio.wait([put])
    assert gcs_place.sessions() == []
    assert all(gcs_place.holds(key, blob) for key in gcs_place.objects())


@pytest.mark.parametrize(
    "address", ["", "ftp://host/x", "http://", "http://host:port/x", "https://host/x", "http://[x"]
)
async def test_a_session_without_an_address_to_send_to_is_tried_again(
    gcs_place: Place, address: str
) -> None:
    odd = answer(200, "", "") | {"method": "POST", "headers": {"Location": address}}
    async with gcs_place.opened() as sink:
        with (
            gcs_place.stub.failing(odd),
            pytest.raises(TransientError, match="names no http address"),
        ):
            await sink.put(gcs_place.blob(LARGE), "key", if_present=KEEP)


async def test_closing_does_not_wait_long_for_a_server_that_hangs(gcs_place: Place) -> None:
    failing = answer(503, "backendError", "later") | {"method": "PUT"}
    hanging: dict[str, object] = {"kind": "stall", "method": "DELETE"}
    async with gcs_place.opened() as sink:
        with gcs_place.stub.failing(failing, hanging):
            with pytest.raises(TransientError):
                await sink.put(gcs_place.blob(LARGE), "key", if_present=KEEP)
            began = time.monotonic()
            await sink.close()
            assert time.monotonic() - began < 2


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_file_that_changed_in_the_spool_never_appears(gcs_place: Place, size: int) -> None:
    blob = gcs_place.blob(size)
    content = bytearray(blob.path.read_bytes())
    content[size // 2] ^= 1
    blob.path.write_bytes(content)
    async with gcs_place.opened() as sink:
        with pytest.raises(RejectedError, match="is not what was received"):
            await sink.put(blob, "key", if_present=REPLACE)
    assert gcs_place.objects() == []
    assert gcs_place.sessions() == []
