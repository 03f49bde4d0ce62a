"""What goes over the wire to each provider: by its real address, over TLS, from both transfers.

The names of the providers lead to a strict store on this machine, which verifies every signature.
"""

import base64
import hashlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import trustme
from s3_support import Place, run_blocking, settings_of

from sinkwell.contract import IfPresent, PresigningSink, Sink, SinkContext
from sinkwell.testing.s3 import S3Behaviour, S3Request, S3Stub
from sinkwell_s3 import S3
from sinkwell_s3.presets import PRESETS

KEEP, REPLACE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE
MIB = 1024 * 1024
SMALL, LARGE, PART = 20_000, 2 * MIB + 1, MIB
INM = {"if-none-match": "*"}
OWN = {"endpoint": "https://store.example.com"}
TRANSFERS = ("native", "boto3")


@dataclass(frozen=True)
class Provider:
    """How a provider is to be spoken to."""

    url: str
    """Where the bucket ``captures`` is."""
    region: str
    condition: dict[str, str]
    checksums: frozenset[str] = frozenset()
    """Headers with checksums, of a put at once and of one in parts."""
    settings: dict[str, str] | None = None


FULL = frozenset({"x-amz-checksum-sha256", "x-amz-checksum-crc32"})
SHA256 = frozenset({"x-amz-checksum-sha256"})
EU = {"region": "eu-west-1"}

PROVIDERS: dict[str, Provider] = {
    "aws": Provider("https://captures.s3.eu-west-1.amazonaws.com", "eu-west-1", INM, FULL, EU),
    "r2": Provider(
        "https://0123.r2.cloudflarestorage.com/captures",
        "auto",
        INM,
        settings={"account": "0123"},
    ),
    "b2": Provider("https://s3.eu-west-1.backblazeb2.com/captures", "eu-west-1", {}, settings=EU),
    "scaleway": Provider("https://captures.s3.eu-west-1.scw.cloud", "eu-west-1", INM, settings=EU),
    "ovh": Provider("https://s3.eu-west-1.io.cloud.ovh.net/captures", "eu-west-1", {}, settings=EU),
    "wasabi": Provider("https://s3.eu-west-1.wasabisys.com/captures", "eu-west-1", {}, settings=EU),
    "digitalocean": Provider(
        "https://captures.eu-west-1.digitaloceanspaces.com", "eu-west-1", {}, settings=EU
    ),
    "minio": Provider("https://store.example.com/captures", "us-east-1", INM, SHA256, OWN),
    "garage": Provider("https://store.example.com/captures", "garage", {}, settings=OWN),
    "hetzner": Provider(
        "https://eu-west-1.your-objectstorage.com/captures", "eu-west-1", {}, settings=EU
    ),
    "linode": Provider(
        "https://captures.eu-west-1.linodeobjects.com", "eu-west-1", {}, settings=EU
    ),
    "storj": Provider("https://gateway.storjshare.io/captures", "us-east-1", INM),
    "tigris": Provider("https://captures.t3.storage.dev", "auto", INM),
    "ceph": Provider("https://store.example.com/captures", "us-east-1", INM, settings=OWN),
    "oss": Provider(
        "https://captures.s3.oss-eu-west-1.aliyuncs.com",
        "eu-west-1",
        {"x-oss-forbid-overwrite": "true"},
        settings=EU,
    ),
    "cos": Provider(
        "https://captures.cos.eu-west-1.myqcloud.com",
        "eu-west-1",
        {"x-cos-forbid-overwrite": "true"},
        settings=EU,
    ),
    "seaweedfs": Provider("https://store.example.com/captures", "us-east-1", INM, SHA256, OWN),
    "custom": Provider("https://store.example.com/captures", "us-east-1", {}, settings=OWN),
}
CONDITIONS = {name for each in PROVIDERS.values() for name in each.condition}


def host_of(provider: Provider) -> str:
    return urlsplit(provider.url).hostname or ""


@dataclass(frozen=True)
class Trust:
    """A certificate for the names of all providers, and who is to be trusted for it."""

    ca: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    names = sorted({host_of(each) for each in PROVIDERS.values()})
    ca = tmp_path_factory.mktemp("trust") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA).configure_cert(server)
    return Trust(ca, server)


class Far:
    """The store of a provider, as everyone in this process sees it under its real name."""

    def __init__(
        self, name: str, trust: Trust, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.provider = PROVIDERS[name]
        self._name = name
        self._trust = trust
        host = host_of(self.provider)
        honoured = self.provider.condition == INM
        self.stub = S3Stub(
            behaviour=S3Behaviour(
                region=self.provider.region,
                hosts=(host.removeprefix("captures."),),
                addressing="path" if urlsplit(self.provider.url).path else "virtual",
                conditions="honoured" if honoured else "refused",
                least_part=PART,
                acls=True,
            ),
            tls=trust.server,
        )
        self.place = Place(self.stub, directory)
        resolve = socket.getaddrinfo

        def to_the_stub(name: str, port: object, *rest: Any, **more: Any) -> Any:
            known = (name, port) == (host, 443)
            assert known, f"something asks for {name}:{port}"
            return resolve("127.0.0.1", self.stub.port, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", to_the_stub)

    @asynccontextmanager
    async def opened(self, **keys: object) -> AsyncIterator[Sink]:
        """Open a sink that has no more settings than it needs."""
        settings = settings_of(
            provider=self._name,
            bucket=self.place.bucket,
            access_key=self.stub.access_key,
            secret_key=self.stub.secret_key,
            ca_bundle=str(self._trust.ca),
            **((self.provider.settings or {}) | keys),
        )
        # Smaller than the settings allow, as no byte more is needed to see the headers.
        msgspec.structs.force_setattr(settings, "multipart_threshold", PART)
        msgspec.structs.force_setattr(settings, "part_size", PART)
        sink = await S3.open(settings, SinkContext("archive", run_blocking, self.place.state))
        try:
            yield sink
        finally:
            await sink.close()


@pytest.fixture
def far(
    request: pytest.FixtureRequest,
    trust: Trust,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Far]:
    made = Far(getattr(request, "param", "aws"), trust, tmp_path, monkeypatch)
    with made.stub:
        yield made


async def put(far: Far, transfer: str, size: int, choice: IfPresent = KEEP) -> list[S3Request]:
    """Put a file with hostile names beside it; return the requests that write."""
    blob = far.place.blob(size, name="größe\r\nx.png", labels={"job": "ü\n1"})
    far.stub.make_bucket(far.place.bucket)
    far.stub.forget()
    async with far.opened(transfer=transfer) as sink:
        await sink.put(blob, "a/b-1.png", if_present=choice)
    stored = far.place.objects()["a/b-1.png"]
    assert stored.content == blob.path.read_bytes()
    assert stored.metadata["sha256"] == blob.sha256
    return [each for each in far.place.asked() if each.method in {"PUT", "POST"}]


def test_every_preset_is_here() -> None:
    assert PROVIDERS.keys() == PRESETS.keys()


@pytest.mark.parametrize("far", PROVIDERS, indirect=True)
async def test_each_provider_gets_whole_signed_bodies_and_no_header_that_it_may_refuse(
    far: Far,
) -> None:
    provider = far.provider
    for transfer in TRANSFERS:
        small = await put(far, transfer, SMALL)
        large = await put(far, transfer, LARGE)
        replacing = await put(far, transfer, SMALL, REPLACE)
        assert [each.operation for each in small + replacing] == ["PutObject"] * 2
        assert len([each for each in large if each.operation == "UploadPart"]) == 3
        for request in small + large + replacing:
            is_plain(request, provider)
        ends = [each for each in large if each.operation == "CompleteMultipartUpload"]
        for request in small + ends:
            assert conditions_of(request) == provider.condition
        others = [each for each in large + replacing if each not in ends]
        assert all(conditions_of(each) == {} for each in others)
        sent = {name for each in small + large for name in checksums_of(each)}
        assert sent == provider.checksums, transfer
        digest = base64.b64encode(bytes.fromhex(small[0].sha256)).decode()
        assert checksums_of(small[0]).get("x-amz-checksum-sha256", digest) == digest


def is_plain(request: S3Request, provider: Provider) -> None:
    """See that a request is whole, signed, of a size told beforehand, and asks for nothing."""
    headers = request.headers
    place = urlsplit(provider.url)
    assert request.secure
    assert request.status == 200
    assert headers["host"] == place.hostname
    assert urlsplit(request.target).path == f"{place.path}/a/b-1.png"
    assert headers["x-amz-content-sha256"] == request.sha256 != ""
    assert headers["content-length"] == str(request.size)
    for name in ("transfer-encoding", "content-encoding", "x-amz-trailer", "content-md5"):
        assert name not in headers
    assert not [each for each in headers if re.match("x-amz-(acl|grant|decoded|tagging)", each)]
    assert all(value.isascii() and value.isprintable() for value in headers.values())


def conditions_of(request: S3Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name in CONDITIONS}


def checksums_of(request: S3Request) -> dict[str, str]:
    """Return the checksums of the bytes; those of what is only announced are none."""
    kinds = ("algorithm", "type", "mode")
    return {
        name: value
        for name, value in request.headers.items()
        if name.startswith("x-amz-checksum-") and not name.endswith(kinds)
    }


async def test_all_that_is_asked_for_is_sent(far: Far) -> None:
    wishes: dict[str, object] = {
        "prefix": "kept/",
        "storage_class": "STANDARD_IA",
        "sse": "kms",
        "kms_key": "alias/captures",
        "acl": "bucket-owner-read",
        "cache_control": "max-age=60",
        "content_disposition": "attachment",
        "extra_metadata": {"team": "web"},
        "tags": {"project": "{label.job}"},
        "object_lock": "governance",
        "retain_for": "1d",
        "requester_pays": True,
        "expected_bucket_owner": "111122223333",
    }
    blob = far.place.blob(SMALL, name="größe.png", labels={"job": "a b"})
    for transfer in TRANSFERS:
        far.stub.make_bucket(far.place.bucket)
        far.stub.forget()
        async with far.opened(transfer=transfer, **wishes) as sink:
            receipt = await sink.put(blob, "a.png", if_present=KEEP)
        (request,) = far.place.asked()
        assert (request.key, receipt.location) == ("kept/a.png", "s3://captures/kept/a.png")
        sent = {name: request.headers[name] for name in SENT}
        assert sent == SENT, transfer
        disposition = request.headers["content-disposition"]
        assert disposition.startswith("attachment; filename=")
        assert "gr%C3%B6%C3%9Fe.png" in disposition
        until = request.headers["x-amz-object-lock-retain-until-date"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", until)
        assert (
            request.headers["x-amz-content-sha256"]
            == hashlib.sha256(blob.path.read_bytes()).hexdigest()
        )
        assert "x-amz-checksum-sha256" in request.headers


SENT = {
    "content-type": "image/png",
    "cache-control": "max-age=60",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "alias/captures",
    "x-amz-acl": "bucket-owner-read",
    "x-amz-meta-team": "web",
    "x-amz-tagging": "project=a%20b",
    "x-amz-object-lock-mode": "GOVERNANCE",
    "x-amz-request-payer": "requester",
    "x-amz-expected-bucket-owner": "111122223333",
    "if-none-match": "*",
}


async def test_a_link_leads_to_the_region_of_the_bucket(far: Far) -> None:
    async with far.opened() as sink:
        assert isinstance(sink, PresigningSink)
        link = await sink.presign("a/b.png", expires_in=60)
    assert link.startswith(f"{far.provider.url}/a/b.png?X-Amz-Algorithm=AWS4-HMAC-SHA256&")


async def test_what_was_asked_of_the_preset_is_overridden_by_the_settings(far: Far) -> None:
    blob = far.place.blob(SMALL)
    for transfer in TRANSFERS:
        far.stub.make_bucket(far.place.bucket)
        keys: dict[str, object] = {"conditional_writes": "off", "checksum": "none"}
        async with far.opened(transfer=transfer, metadata=False, **keys) as sink:
            await sink.put(blob, "a.png", if_present=KEEP)
        look, request = far.place.asked()
        assert (look.operation, request.operation) == ("HeadObject", "PutObject")
        assert conditions_of(request) == checksums_of(request) == {}
        assert not [name for name in request.headers if name.startswith("x-amz-meta-")]
