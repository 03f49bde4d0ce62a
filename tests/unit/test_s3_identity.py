import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import AssumeRoleCredentialFetcher, RefreshableCredentials
from s3_support import Place, opened, run_blocking, settings_of

from sinkwell.contract import IfPresent, UnusableError
from sinkwell.testing.s3 import S3Stub
from sinkwell_s3.identity import Identity
from sinkwell_s3.meanings import AnswerLostError

KEEP = IfPresent.KEEP_IF_SAME
VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with S3Stub() as stub:
        yield Place(stub, tmp_path)


def without_keys(place: Place, **keys: object) -> dict[str, object]:
    section = place.section(**keys)
    return {name: value for name, value in section.items() if not name.endswith("_key")}


async def find(**keys: object) -> Identity:
    return await Identity.find(settings_of(bucket="captures", **keys), "archive", run_blocking)


KEYS = {"access_key": "AKID0123456789", "secret_key": "hushed"}


@pytest.mark.parametrize(
    ("keys", "url"),
    [
        ({"region": "eu-west-1"}, "https://captures.s3.eu-west-1.amazonaws.com"),
        ({}, "https://captures.s3.amazonaws.com"),
        ({"accelerate": True}, "https://captures.s3-accelerate.amazonaws.com"),
        (
            {"dual_stack": True, "region": "eu-west-1"},
            "https://captures.s3.dualstack.eu-west-1.amazonaws.com",
        ),
        ({"region": "cn-north-1"}, "https://captures.s3.cn-north-1.amazonaws.com.cn"),
        ({"endpoint": "https://s3.example.com:9000/"}, "https://s3.example.com:9000/captures"),
        (
            {"endpoint": "https://s3.example.com", "addressing": "virtual"},
            "https://captures.s3.example.com",
        ),
        (
            {"provider": "oss", "region": "cn-hangzhou"},
            "https://captures.s3.oss-cn-hangzhou.aliyuncs.com",
        ),
    ],
)
async def test_the_address_of_the_bucket_is_as_boto3_resolves_it(
    keys: dict[str, object], url: str
) -> None:
    identity = await find(**KEYS, **keys)

    assert identity.bucket_url == url
    await identity.close()


async def test_credentials_come_from_the_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", place.stub.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", place.stub.secret_key)
    async with opened(place.state, **without_keys(place)) as sink:
        await sink.put(place.blob(100), "key", if_present=KEEP)


async def test_credentials_come_from_a_profile_and_are_read_again_when_refused(
    place: Place, tmp_path: Path
) -> None:
    def write(secret: str) -> None:
        text = f"aws_access_key_id={place.stub.access_key}\naws_secret_access_key={secret}\n"
        (tmp_path / "credentials").write_text(f"[captures]\n{text}")

    write("an-old-secret")
    async with opened(place.state, **without_keys(place, profile="captures")) as sink:
        with pytest.raises(UnusableError, match="SignatureDoesNotMatch"):
            await sink.put(place.blob(100), "key", if_present=KEEP)
        write(place.stub.secret_key)
        await sink.put(place.blob(100), "key", if_present=KEEP)


async def test_a_session_token_is_signed_and_sent(tmp_path: Path) -> None:
    with S3Stub(session_token="a/token+=") as stub:
        place = Place(stub, tmp_path)
        async with place.opened(session_token="a/token+=") as sink:
            await sink.put(place.blob(100), "key", if_present=KEEP)
        async with place.opened() as sink:
            with pytest.raises(UnusableError):
                await sink.put(place.blob(100), "other", if_present=KEEP)


async def test_without_any_credentials_it_is_said_what_to_do() -> None:
    with pytest.raises(UnusableError, match="Set access_key and secret_key"):
        await find()
    with pytest.raises(UnusableError, match="ProfileNotFound"):
        await find(profile="nobody")


async def test_nothing_secret_is_shown() -> None:
    identity = await find(**KEYS)

    shown = f"{identity!r} {identity.described()} {await identity.keys('putting')!r}"
    assert "hushed" not in shown
    assert "0123456789" not in shown
    await identity.close()


async def test_a_role_is_assumed_once_for_many_requests(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def assume(fetcher: Any) -> dict[str, str]:
        calls.append(threading.current_thread().name)
        until = datetime.now(UTC) + timedelta(hours=1)
        return {
            "access_key": place.stub.access_key,
            "secret_key": place.stub.secret_key,
            "token": None,  # type: ignore[dict-item] # the stub has none
            "expiry_time": until.isoformat(),
        }

    monkeypatch.setattr(AssumeRoleCredentialFetcher, "fetch_credentials", assume)
    role = "arn:aws:iam::123456789012:role/captures"
    async with opened(place.state, **place.section(role_arn=role)) as sink:
        for number in range(3):
            await sink.put(place.blob(100), f"{number}", if_present=KEEP)
    assert len(calls) == 1
    assert threading.main_thread().name not in calls


async def test_credentials_are_renewed_before_they_end_and_old_ones_used_meanwhile() -> None:
    identity = await find(**KEYS)
    renewals: list[str] = []

    def renew() -> dict[str, str]:
        renewals.append(threading.current_thread().name)
        return metadata(timedelta(hours=1), "new")

    def metadata(left: timedelta, key: str) -> dict[str, str]:
        until = (datetime.now(UTC) + left).isoformat()
        return {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": until}

    soon = metadata(timedelta(minutes=10), "old")
    identity._credentials = RefreshableCredentials.create_from_metadata(soon, renew, "test")
    identity._keys = None
    identity._find = lambda: None  # type: ignore[method-assign] # what is found stays
    first = await identity.keys("putting")
    await identity._background.ended()
    second = await identity.keys("putting")

    assert first.access_key in {"old", "new"}
    assert second.access_key == "new"
    assert len(renewals) == 1
    assert threading.main_thread().name not in renewals
    await identity.close()


async def test_a_store_that_is_away_is_no_trouble_of_the_credentials(place: Place) -> None:
    async with place.opened() as sink:
        with place.stub.failing("reset before storing"), pytest.raises(AnswerLostError):
            await sink.put(place.blob(100), "key", if_present=KEEP)
