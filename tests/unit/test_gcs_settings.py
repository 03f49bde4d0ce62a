import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sinkwell.contract import RejectedError, Secret
from sinkwell.contract.settings import decode_custom
from sinkwell_gcs.names import flaw, object_name
from sinkwell_gcs.settings import GcsSettings

SECTION: dict[str, Any] = {"type": "gcs", "bucket": "captures"}


def convert(**keys: Any) -> GcsSettings:
    return msgspec.convert(SECTION | keys, GcsSettings, dec_hook=decode_custom)


def test_a_bucket_is_all_that_must_be_said() -> None:
    settings = convert()

    assert settings.endpoint == "https://storage.googleapis.com"
    assert settings.predefined_acl is None
    assert not settings.anonymous


@pytest.mark.parametrize("bucket", ["", "ab", "gs://captures", "Captures", "a/b", "-ab", "a" * 223])
def test_what_is_no_name_of_a_bucket_is_refused(bucket: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="is no bucket's name"):
        convert(bucket=bucket)


def test_a_prefix_leaves_room_for_every_key() -> None:
    assert convert(prefix="p" * 124).prefix

    with pytest.raises(msgspec.ValidationError, match="124 bytes at most"):
        convert(prefix="p" * 125)


@pytest.mark.parametrize("prefix", ["a\nb", ".well-known/acme-challenge/"])
def test_a_prefix_that_no_object_may_have_is_refused(prefix: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="is not possible"):
        convert(prefix=prefix)


def test_nobody_has_no_credentials() -> None:
    with pytest.raises(msgspec.ValidationError, match="exclude each other"):
        convert(anonymous=True, credentials="x")


@pytest.mark.parametrize("endpoint", ["", "host", "ftp://host", "https://", "https://host?x"])
def test_an_endpoint_that_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="is no URL"):
        convert(endpoint=endpoint)


def test_a_password_in_an_endpoint_is_refused_and_not_repeated() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        convert(endpoint="https://me:hunter2@host")

    assert "hunter2" not in str(caught.value)


def test_a_token_never_goes_over_plain_http_beyond_this_machine() -> None:
    with pytest.raises(msgspec.ValidationError, match="would show the access token"):
        convert(endpoint="http://emulator:4443")

    assert convert(endpoint="http://emulator:4443", anonymous=True).endpoint
    for loopback in ("localhost", "127.0.0.1", "[::1]"):
        assert convert(endpoint=f"http://{loopback}:4443").endpoint


@pytest.mark.parametrize("size", ["255 KiB", "65 MiB", 0])
def test_what_is_held_in_memory_has_bounds(size: str | int) -> None:
    with pytest.raises(msgspec.ValidationError, match="from 256 KiB to 64 MiB"):
        convert(resumable_above=size)


@pytest.mark.parametrize(
    "keys",
    [
        {"kms_key": "my-key"},
        {"ca_bundle": "/nowhere/ca.pem"},
        {"cache_control": "no-store\r\nX: 1"},
        {"storage_class": "NÉARLINE"},
        {"predefined_acl": "public"},
        {"content_disposition": "download"},
        {"connect_timeout": 0},
        {"read_timeout": 0},
    ],
    ids=lambda keys: next(iter(keys)),
)
def test_a_value_that_cannot_work_is_refused_by_its_name(keys: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(next(iter(keys)))):
        convert(**keys)


def test_credentials_are_never_shown(tmp_path: Path) -> None:
    settings = convert(credentials='{"private_key": "hunter2"}')

    assert settings.credentials == Secret('{"private_key": "hunter2"}')
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        (".", "is '.' or '..'"),
        ("..", "is '.' or '..'"),
        ("a\rb", "end of line"),
        ("a\nb", "end of line"),
        (".well-known/acme-challenge/x", "reserved"),
        ("x" * 1025, "1025 bytes"),
        ("é" * 513, "1026 bytes"),
        ("a\ud800", "UTF-8"),
    ],
)
def test_names_that_cloud_storage_does_not_take_are_known(name: str, reason: str) -> None:
    assert reason in (flaw(name) or "")


@pytest.mark.parametrize(
    "name", ["a", "x" * 1024, "a/../b", "./a", "a//b", "/a", "a/", "é", "a#?*[]", ".well-known/a"]
)
def test_names_that_it_takes_are_taken(name: str) -> None:
    assert flaw(name) is None


def test_an_empty_key_is_refused_even_behind_a_prefix() -> None:
    with pytest.raises(RejectedError, match="is empty"):
        object_name("captures/", "", "sink 'x': putting ''")
