from typing import Any, get_args

import msgspec
import pytest
from s3_support import MIB, settings_of

from sinkwell.contract import Secret
from sinkwell_s3.presets import PRESETS, Provider

PLACES: dict[str, dict[str, object]] = {
    "aws": {},
    "r2": {"account": "0123abc"},
    "b2": {"region": "us-west-004"},
    "scaleway": {"region": "fr-par"},
    "ovh": {"region": "gra"},
    "wasabi": {"region": "eu-central-1"},
    "digitalocean": {"region": "ams3"},
    "hetzner": {"region": "fsn1"},
    "linode": {"region": "nl-ams-1"},
    "storj": {},
    "tigris": {},
    "oss": {"region": "cn-hangzhou"},
    "cos": {"region": "ap-guangzhou"},
}
"""What each provider needs to be told; the others need an endpoint."""

ENDPOINTS = {
    "aws": None,
    "r2": "https://0123abc.r2.cloudflarestorage.com",
    "b2": "https://s3.us-west-004.backblazeb2.com",
    "scaleway": "https://s3.fr-par.scw.cloud",
    "ovh": "https://s3.gra.io.cloud.ovh.net",
    "wasabi": "https://s3.eu-central-1.wasabisys.com",
    "digitalocean": "https://ams3.digitaloceanspaces.com",
    "hetzner": "https://fsn1.your-objectstorage.com",
    "linode": "https://nl-ams-1.linodeobjects.com",
    "storj": "https://gateway.storjshare.io",
    "tigris": "https://t3.storage.dev",
    "oss": "https://s3.oss-cn-hangzhou.aliyuncs.com",
    "cos": "https://cos.ap-guangzhou.myqcloud.com",
}


def test_every_provider_has_a_preset() -> None:
    assert set(PRESETS) == set(get_args(Provider))


@pytest.mark.parametrize("provider", PRESETS)
def test_every_provider_is_complete_with_what_it_needs(provider: Provider) -> None:
    place = PLACES.get(provider, {"endpoint": "https://s3.example.com/"})
    settings = settings_of(provider=provider, bucket="captures", **place)

    assert settings.endpoint_url == ENDPOINTS.get(provider, "https://s3.example.com")
    assert settings.preset.region or provider == "aws"
    needed = [key for key in place if key != "endpoint"]
    for key in needed or ["endpoint"] * ("endpoint" in place):
        with pytest.raises(msgspec.ValidationError, match=f"set {key}"):
            settings_of(provider=provider, bucket="captures")


def test_what_is_not_known_of_a_store_is_off() -> None:
    preset = settings_of(bucket="captures", endpoint="https://s3.example.com").preset

    assert preset.checksum == "none"
    assert preset.create_only is None
    assert preset.verifies == "nothing"
    assert preset.addressing == "path"


def test_the_provider_follows_from_the_endpoint() -> None:
    assert settings_of(bucket="captures").provider_name == "aws"
    settings = settings_of(bucket="captures", endpoint="https://s3.example.com")
    assert settings.provider_name == "custom"


def test_every_value_of_a_preset_can_be_overridden() -> None:
    settings = settings_of(
        provider="b2",
        bucket="captures",
        endpoint="https://other.example.com",
        region="moon-1",
        addressing="virtual",
        checksum="sha256",
        conditional_writes="on",
        verify="store",
        max_parts=77,
        part_size="6 MiB",
    )
    preset = settings.preset

    assert settings.endpoint_url == "https://other.example.com"
    assert (preset.region, preset.addressing, preset.checksum) == ("moon-1", "virtual", "sha256")
    assert preset.create_only is not None
    assert preset.create_only.header == "If-None-Match"
    assert (preset.max_parts, preset.part_size) == (77, 6 * MIB)
    assert settings.store_verifies
    assert settings_of(bucket="captures", conditional_writes="off").preset.create_only is None


def test_a_store_that_verifies_checksums_alone_is_trusted_with_a_checksum_alone() -> None:
    place: dict[str, Any] = {"provider": "seaweedfs", "endpoint": "http://s3", "bucket": "captures"}

    assert settings_of(**place).store_verifies
    assert not settings_of(**place, checksum="none").store_verifies
    assert not settings_of(**place, verify="self").store_verifies


OTHERS = "https://s3.example.com"


@pytest.mark.parametrize(
    ("keys", "cure"),
    [
        ({"bucket": "s3://captures"}, "without s3://"),
        ({"bucket": "ab"}, "3 to 255"),
        ({"region": "Europe West"}, "lower-case letters"),
        ({"endpoint": "s3.example.com"}, "no URL like"),
        ({"endpoint": "https://user:hushed@s3.example.com"}, "must not hold a user"),
        ({"provider": "r2", "endpoint": "http://s3", "account": "0"}, "https:// alone"),
        ({"provider": "oss", "region": "cn", "addressing": "path"}, "remove it"),
        ({"endpoint": OTHERS, "accelerate": True}, "AWS's own"),
        ({"provider": "aws", "endpoint": OTHERS, "dual_stack": True}, "remove endpoint"),
        ({"accelerate": True, "addressing": "path"}, "without dots"),
        ({"prefix": "/a/"}, "begins or ends"),
        ({"prefix": "a/../b/"}, "segment '.' or '..'"),
        ({"prefix": "e\u0301/"}, "composed form"),
        ({"prefix": "a" * 124}, "123 bytes"),
        ({"prefix": "a\n/"}, "control character"),
        ({"access_key": "AKID"}, "set both or none"),
        ({"session_token": "token"}, "set these too"),
        ({"access_key": "AKID", "secret_key": "hushed", "profile": "p"}, "remove one"),
        ({"role_arn": "admin"}, "arn:aws:iam::"),
        ({"role_external_id": "x"}, "set it too"),
        ({"role_session_name": "a b"}, "2 to 64"),
        ({"kms_key": "alias/x"}, 'sse = "kms"'),
        ({"provider": "minio", "endpoint": OTHERS, "acl": "private"}, "remove acl"),
        ({"provider": "hetzner", "region": "fsn1", "acl": "x"}, "private, public-read"),
        ({"object_lock": "governance"}, "set both or none"),
        ({"object_lock": "governance", "retain_for": 1}, "at least a minute"),
        ({"expected_bucket_owner": "me"}, "12 digits"),
        ({"cache_control": "a\r\nb"}, "printable ASCII"),
        ({"extra_metadata": {"sha256": "x"}}, "which the sink writes"),
        ({"extra_metadata": {"a b": "x"}}, "letters, digits and '-'"),
        ({"extra_metadata": {"team": "ü"}}, "printable ASCII"),
        ({"tags": {str(n): "x" for n in range(11)}}, "10 are the most"),
        ({"tags": {"a&b": "x"}}, "cannot have the name"),
        ({"tags": {"a": "{domain}"}}, "{label.KEY}"),
        ({"proxy": "https://proxy"}, "no URL like http://"),
        ({"proxy": "http://user:hushed@proxy"}, "must not hold a user"),
        ({"ca_bundle": "/no/such/file"}, "no such file"),
        ({"connect_timeout": 0}, "more than 0"),
        ({"part_size": "1 MB"}, "5 MiB to 5 GiB"),
        ({"multipart_threshold": "6 GiB"}, "5 MiB to 5 GiB"),
        ({"max_parts": 0}, "1 to 10,000"),
    ],
)
def test_what_cannot_work_is_refused_with_the_cure(keys: dict[str, object], cure: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        settings_of(**{"bucket": "captures", **keys})

    assert cure in str(caught.value)
    assert "hushed" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    settings = settings_of(
        bucket="captures", access_key="hushed", secret_key="hushed", session_token="hushed"
    )

    assert "hushed" not in repr(settings)
    assert settings.secret_key == Secret("hushed")
