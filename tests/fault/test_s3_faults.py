"""A put into S3 that goes wrong ends in the right class, leaves nothing, and is mended by the next.

Whatever happens to a request or its answer: no file is stored twice or over another one, none
that is stored is called a failure, and no upload in parts is left.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from s3_support import MIB, Place, run_blocking, settings_of

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    Sink,
    SinkContext,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell.testing.s3 import FAULTS, S3Behaviour, S3Object, S3Stub
from sinkwell_s3 import S3

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE
SMALL, LARGE, PART = 20_000, MIB + 1, MIB
"""Bytes of a file that is put at once, of one in two parts, and of a part."""
AT_ONCE = 22

LATER, ACT, NEVER = TransientError, UnusableError, RejectedError
MEANT: dict[str, type[SinkError] | None] = {
    **dict.fromkeys(("InternalError", "SlowDown", "ServiceUnavailable", "TooManyRequests"), LATER),
    **dict.fromkeys(("RequestTimeout", "OperationAborted", "ConditionalRequestConflict"), LATER),
    **dict.fromkeys(("bad gateway", "gateway timeout", "request timeout", "captive portal"), LATER),
    **dict.fromkeys(("BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"), LATER),
    **dict.fromkeys(("reset at once", "reset in the body", "reset before storing"), LATER),
    **dict.fromkeys(("closed before storing", "stall at once", "stall before storing"), LATER),
    **dict.fromkeys(("truncated error", "not HTTP", "error in a 200"), LATER),
    "PreconditionFailed": LATER,
    **dict.fromkeys(("AccessDenied", "NoSuchBucket", "PermanentRedirect", "NotImplemented"), ACT),
    **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"), ACT),
    **dict.fromkeys(("RequestTimeTooSkewed", "QuotaExceeded"), ACT),
    "AccessControlListNotSupported": ACT,
    **dict.fromkeys(("InvalidArgument", "KeyTooLongError", "EntityTooLarge", "InvalidTag"), NEVER),
    **dict.fromkeys(("reset after storing", "lost answer", "stall after storing"), None),
    "error after storing": None,
    **dict.fromkeys(("a byte a second", "truncated answer", "truncated XML", "wrong ETag"), None),
}
"""What a sink has to make of each fault of a put; None where the file is stored after all."""

WAITS = {"SlowDown": 3.0, "TooManyRequests": 7.0}
UPLOADING = ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")
LOST = ("lost answer", "reset after storing", "truncated answer", "error after storing")
SILENT = tuple(name for name in FAULTS if name.startswith("stall") or name == "a byte a second")
SOON = 1.0
"""Seconds after which a sink that is told to be impatient waits no longer for an answer."""

soak = pytest.mark.soak
transfers = pytest.mark.parametrize("transfer", ["native", "boto3"])


@pytest.fixture(scope="module")
def strict() -> Iterator[S3Stub]:
    with S3Stub(behaviour=S3Behaviour(least_part=PART)) as running:
        yield running


@pytest.fixture
def place(strict: S3Stub, tmp_path: Path) -> Place:
    return Place(strict, tmp_path)


@asynccontextmanager
async def opened(place: Place, **keys: object) -> AsyncIterator[Sink]:
    """Open a sink that sends in parts what is still small.

    The settings allow no such small parts; with larger ones not half as much fits into the time.
    """
    settings = settings_of(**place.section(**keys))
    msgspec.structs.force_setattr(settings, "multipart_threshold", PART)
    msgspec.structs.force_setattr(settings, "part_size", PART)
    sink = await S3.open(settings, SinkContext("archive", run_blocking, place.state))
    try:
        yield sink
    finally:
        await sink.close()


async def put_all(
    sink: Sink, blob: Blob, keys: Sequence[str], choice: IfPresent = KEEP
) -> list[Receipt | SinkError]:
    """Put a file under every key, many at once; anything but a ``SinkError`` ends the test."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def put(key: str) -> Receipt | SinkError:
        async with slots:
            try:
                return await sink.put(blob, key, if_present=choice)
            except SinkError as error:
                return error

    return await asyncio.gather(*map(put, keys))


def is_meant(
    outcome: Receipt | SinkError, kind: type[SinkError] | None, fault: str, place: Place
) -> None:
    """See that an outcome is that of a fault, and what it says is fit to be shown."""
    if kind is None:
        assert isinstance(outcome, Receipt), f"{fault}: a false failure: {outcome}"
        return
    assert isinstance(outcome, kind), f"{fault}: it is {outcome!r}"
    if isinstance(outcome, TransientError):
        assert outcome.retry_after == WAITS.get(fault), fault
    assert str(outcome).startswith("sink 'archive': putting "), fault
    assert place.stub.secret_key not in str(outcome)


def holds(place: Place, keys: Sequence[str], blob: Blob, fault: str = "") -> None:
    """See that these objects are there and no other."""
    payload = blob.path.read_bytes()
    found = place.objects()
    assert sorted(found) == sorted(keys), fault
    assert all(each.content == payload for each in found.values()), fault


def is_kept(place: Place, before: dict[str, S3Object], fault: str) -> None:
    """See that what was there is there as it was: not even the same was put over it."""
    after = place.objects()
    assert all(after[key] is stored for key, stored in before.items()), fault


def test_every_fault_has_a_meaning() -> None:
    assert MEANT.keys() == FAULTS.keys()


@pytest.mark.parametrize(
    ("transfer", "amount"),
    [
        ("native", 25),  # of 41 faults: 1,025 puts that fail, and as many that succeed
        ("boto3", 4),
        pytest.param("native", 50, marks=soak),
        pytest.param("boto3", 50, marks=soak),
    ],
)
@pytest.mark.parametrize("kind", [LATER, ACT, NEVER, None], ids=["later", "act", "never", "stored"])
async def test_a_put_that_fails_has_its_class_and_the_next_one_succeeds(
    place: Place, kind: type[SinkError] | None, transfer: str, amount: int
) -> None:
    async with opened(place, transfer=transfer) as sink:
        for fault in faults_of(kind, transfer):
            await fails_and_succeeds(place, sink, fault, amount)


@transfers
@pytest.mark.parametrize("fault", SILENT)
async def test_a_put_that_is_not_answered_ends_and_the_next_one_succeeds(
    place: Place, fault: str, transfer: str
) -> None:
    async with opened(place, transfer=transfer, read_timeout=SOON) as sink:
        await fails_and_succeeds(place, sink, fault, 4)


async def fails_and_succeeds(place: Place, sink: Sink, fault: str, amount: int) -> None:
    """Put so many files under a fault, and again without it."""
    blob, keys = place.blob(SMALL), [f"{number}.png" for number in range(amount)]
    place.stub.make_bucket(place.bucket)
    with place.stub.failing(fault, operation="PutObject") as rule:
        outcomes = await put_all(sink, blob, keys)
    assert rule.hits == amount, f"{fault}: not one request an attempt"
    for outcome in outcomes:
        is_meant(outcome, MEANT[fault], fault, place)
    before = place.objects()
    assert len(before) == (amount if FAULTS[fault].takes_effect else 0), fault
    for outcome in await put_all(sink, blob, keys):
        assert isinstance(outcome, Receipt), f"after {fault}: {outcome}"
    holds(place, keys, blob, fault)
    is_kept(place, before, fault)


def faults_of(kind: type[SinkError] | None, transfer: str) -> list[str]:
    """Return the faults of one meaning.

    Those that take their time are looked at apart, as is the one redirect that boto3 follows.
    """
    apart = {*SILENT, "PermanentRedirect"} if transfer == "boto3" else {*SILENT}
    return [fault for fault, meant in MEANT.items() if meant is kind and fault not in apart]


async def test_a_redirect_that_boto3_follows_is_for_people_all_the_same(place: Place) -> None:
    async with opened(place, transfer="boto3") as sink:
        with place.stub.failing("PermanentRedirect"):
            (outcome,) = await put_all(sink, place.blob(SMALL), ["a"])
    is_meant(outcome, ACT, "PermanentRedirect", place)
    assert "eu-central-1" in str(outcome)


@pytest.mark.parametrize(
    ("transfer", "amount"),
    [
        ("native", 3),
        ("boto3", 1),
        pytest.param("native", 50, marks=soak),
        pytest.param("boto3", 50, marks=soak),
    ],
)
@pytest.mark.parametrize("operation", UPLOADING)
async def test_a_put_in_parts_that_fails_leaves_no_upload_and_the_next_one_succeeds(
    place: Place, operation: str, transfer: str, amount: int
) -> None:
    async with opened(place, transfer=transfer) as sink:
        for kind in (LATER, ACT, NEVER, None):
            for fault in faults_of(kind, transfer):
                await fails_in_parts_and_succeeds(place, sink, fault, operation, amount)


@pytest.mark.parametrize("operation", UPLOADING)
@pytest.mark.parametrize("fault", ["stall before storing", "stall after storing"])
async def test_a_put_in_parts_that_is_not_answered_leaves_no_upload(
    place: Place, fault: str, operation: str
) -> None:
    async with opened(place, read_timeout=SOON) as sink:
        await fails_in_parts_and_succeeds(place, sink, fault, operation, 2)


async def fails_in_parts_and_succeeds(
    place: Place, sink: Sink, fault: str, operation: str, amount: int
) -> None:
    """Put so many files in parts, one request of each under a fault, and again without it."""
    blob, keys = place.blob(LARGE), [f"{number}.png" for number in range(amount)]
    place.stub.make_bucket(place.bucket)
    with ExitStack() as rules:
        for key in keys:
            rules.enter_context(place.stub.failing(fault, operation=operation, key=key, times=1))
        outcomes = await put_all(sink, blob, keys)
    for outcome in outcomes:
        is_meant(outcome, meant_in_parts(fault, operation), fault, place)
    before = place.objects()
    for outcome in await put_all(sink, blob, keys):
        assert isinstance(outcome, Receipt), f"after {fault}: {outcome}"
    holds(place, keys, blob, fault)
    is_kept(place, before, fault)
    await no_upload_is_left(place, fault)


def meant_in_parts(fault: str, operation: str) -> type[SinkError] | None:
    """Return what a put in parts makes of a fault: only of the end can an answer be lost in vain.

    An answer in which nothing is wrong is none: that to a part has no document, and that to the
    beginning no ETag.
    """
    harmless = {("wrong ETag", "CreateMultipartUpload"), ("truncated XML", "UploadPart")}
    if operation == "CompleteMultipartUpload" or (fault, operation) in harmless:
        return MEANT[fault]
    return MEANT[fault] or LATER


async def no_upload_is_left(place: Place, fault: str) -> None:
    """See that uploads that failed are thrown away, soon if not yet."""
    for _ in range(100):
        if not place.stub.uploads(place.bucket):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"{fault}: {len(place.stub.uploads(place.bucket))} uploads are left")


# Lost answers.


@pytest.mark.parametrize(
    ("transfer", "size", "amount"),
    [
        ("native", SMALL, 780),
        ("boto3", SMALL, 150),
        ("native", LARGE, 50),
        ("boto3", LARGE, 20),
        pytest.param("native", SMALL, 10_000, marks=soak),
        pytest.param("boto3", LARGE, 500, marks=soak),
    ],
)
async def test_a_thousand_lost_answers_make_no_failure_and_nothing_twice(
    place: Place, transfer: str, size: int, amount: int
) -> None:
    blob = place.blob(size)
    keys = [f"{LOST[number % len(LOST)]}/{number}" for number in range(amount)]
    last = "PutObject" if size == SMALL else "CompleteMultipartUpload"
    place.stub.forget()
    async with opened(place, transfer=transfer) as sink:
        with ExitStack() as rules:
            for fault in LOST:
                rules.enter_context(place.stub.failing(fault, operation=last, key=f"{fault}/*"))
            outcomes = await put_all(sink, blob, keys)
    assert [str(each) for each in outcomes if not isinstance(each, Receipt)] == []
    sent = [each.key for each in place.asked() if each.operation == last]
    assert sorted(sent) == sorted(keys)
    holds(place, keys, blob)
    await no_upload_is_left(place, "lost answers")


@transfers
@pytest.mark.parametrize(
    "behaviour",
    [
        {"conditions": "ignored"},
        {"conditions": "refused"},
        {"conditions": "ignored", "keeps_metadata": False},
        {"conditions": "ignored", "keeps_metadata": False, "md5_etags": False},
    ],
    ids=str,
)
async def test_a_lost_answer_is_no_failure_whatever_the_store_can(
    behaviour: dict[str, Any], transfer: str, tmp_path: Path
) -> None:
    with S3Stub(behaviour=S3Behaviour(least_part=PART, **behaviour)) as stub:
        place = Place(stub, tmp_path)
        async with opened(place, provider="custom", transfer=transfer) as sink:
            for size, last in ((SMALL, "PutObject"), (LARGE, "CompleteMultipartUpload")):
                for choice in (KEEP, REPLACE):
                    stub.make_bucket(place.bucket)
                    stub.forget()
                    blob, keys = place.blob(size), [f"{number}.png" for number in range(5)]
                    with stub.failing("lost answer", operation=last):
                        outcomes = await put_all(sink, blob, keys, choice)
                    assert [str(each) for each in outcomes if not isinstance(each, Receipt)] == []
                    holds(place, keys, blob)
                    assert [each.operation for each in stub.requests].count(last) == len(keys)


@transfers
async def test_a_lost_answer_that_cannot_be_looked_into_is_tried_again(
    place: Place, transfer: str
) -> None:
    blob = place.blob(SMALL)
    async with opened(place, transfer=transfer) as sink:
        with (
            place.stub.failing("lost answer", operation="PutObject"),
            place.stub.failing("InternalError", operation="HeadObject"),
        ):
            (outcome,) = await put_all(sink, blob, ["a"])
        assert isinstance(outcome, TransientError)
        before = place.objects()
        assert isinstance((await put_all(sink, blob, ["a"]))[0], Receipt)
    is_kept(place, before, "lost answer")


@transfers
async def test_the_bytes_of_another_are_never_overwritten_after_a_lost_answer(
    place: Place, transfer: str
) -> None:
    ours, others = place.blob(SMALL, "ours"), place.blob(SMALL, "others")
    async with opened(place, transfer=transfer) as sink:
        await put_all(sink, others, ["a"])
        before = place.objects()
        with place.stub.failing("lost answer", operation="PutObject"):
            (lost,) = await put_all(sink, ours, ["a"])
        (known,) = await put_all(sink, ours, ["a"])
    assert isinstance(lost, TransientError)
    assert isinstance(known, RejectedError)
    is_kept(place, before, "lost answer")


@transfers
async def test_who_must_be_first_learns_at_the_next_try_that_a_lost_put_was_stored(
    place: Place, transfer: str
) -> None:
    blob = place.blob(SMALL)
    async with opened(place, transfer=transfer) as sink:
        with place.stub.failing("lost answer", operation="PutObject"):
            (lost,) = await put_all(sink, blob, ["a"], REFUSE)
        (kept,) = await put_all(sink, blob, ["a"], KEEP)
        (refused,) = await put_all(sink, blob, ["a"], REFUSE)
    assert isinstance(lost, TransientError)
    assert isinstance(kept, Receipt)
    assert isinstance(refused, RejectedError)
