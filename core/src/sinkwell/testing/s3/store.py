"""What a store holds, and how it behaves where stores differ."""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Literal

from sinkwell.testing.s3.answers import S3Error
from sinkwell.testing.s3.requests import S3Request

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class S3Behaviour:
    """How a store behaves where stores that speak S3 differ; the defaults are those of AWS."""

    region: str = "us-east-1"
    """The one region that signatures must be for."""
    hosts: tuple[str, ...] = ("localhost",)
    """Names under which buckets are sub-domains: ``captures.localhost``."""
    addressing: Literal["both", "path", "virtual"] = "both"
    """Where the name of the bucket may stand; elsewhere it is not found."""
    conditions: Literal["honoured", "ignored", "refused"] = "honoured"
    """What becomes of ``If-None-Match: *`` on a write: 412 where something is there, nothing at
    all, or 501."""
    keeps_metadata: bool = True
    """False where what was sent beside the bytes is forgotten, but for the media type."""
    md5_etags: bool = True
    """False where the ETag of an object says nothing about its bytes."""
    acls: bool = False
    """Whether an ACL may be sent; AWS has that switched off."""
    owner: str = "111122223333"
    """The account that owns the buckets."""
    longest_key: int = 1024
    """In bytes."""
    largest_put: int = 5 * 1024 * MIB
    least_part: int = 5 * MIB
    """Bytes of a part that is not the last."""
    most_parts: int = 10_000
    equal_parts: bool = False
    """Whether all parts but the last must be of one size."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object, complete."""

    content: bytes = field(repr=False)
    etag: str
    """With its quotes."""
    headers: Mapping[str, str]
    """What was sent beside the bytes and is kept, by lower-case name."""
    checksums: Mapping[str, str] = field(default_factory=dict)
    """By algorithm (``sha256``), in base64."""
    checksum_type: str = "FULL_OBJECT"
    modified: float = field(default_factory=time.time)
    """In seconds since 1970."""

    @property
    def metadata(self) -> dict[str, str]:
        """The user's own metadata, without ``x-amz-meta-``."""
        return {
            name.removeprefix(META): value
            for name, value in self.headers.items()
            if name.startswith(META)
        }


META = "x-amz-meta-"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload."""

    content: bytes = field(repr=False)
    etag: str
    checksums: Mapping[str, str]


@dataclass(slots=True)
class Upload:
    """A multipart upload that is neither completed nor aborted."""

    id: str
    key: str
    headers: Mapping[str, str]
    algorithm: str
    """Of its checksums, in lower case; empty where none was asked for."""
    checksum_type: str
    parts: dict[int, Part] = field(default_factory=dict)
    began: float = field(default_factory=time.time)


@dataclass(slots=True)
class Bucket:
    """A bucket: its objects by key, its open uploads by id."""

    name: str
    objects: dict[str, S3Object] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)


@dataclass(slots=True)
class Store:
    """All buckets, and the behaviour that they share."""

    behaviour: S3Behaviour
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def bucket(self, request: S3Request) -> Bucket:
        """Return the bucket of a request. Raises ``S3Error`` where it may not see it."""
        style = self.behaviour.addressing
        found = self.buckets.get(request.bucket)
        if found is None or style not in {"both", request.addressing}:
            raise S3Error("NoSuchBucket")
        expected = request.headers.get("x-amz-expected-bucket-owner", self.behaviour.owner)
        if expected != self.behaviour.owner:
            raise S3Error("AccessDenied", "The bucket belongs to another account")
        return found

    def may_write(self, request: S3Request, bucket: Bucket) -> None:
        """See that the key can be had, and that the condition of the request holds for it."""
        if len(request.key.encode()) > self.behaviour.longest_key:
            raise S3Error("KeyTooLongError")
        condition = request.headers.get("if-none-match")
        if "if-match" in request.headers or condition not in {None, "*"}:
            raise S3Error("NotImplemented", "No such condition is known for a write")
        if condition is None or self.behaviour.conditions == "ignored":
            return
        if self.behaviour.conditions == "refused":
            raise S3Error("NotImplemented", "If-None-Match implies what is not implemented")
        if request.key in bucket.objects:
            raise S3Error("PreconditionFailed")

    def has_md5_etag(self, headers: Mapping[str, str]) -> bool:
        """Tell whether an ETag is made of the bytes: not where a KMS key encrypts them."""
        by_kms = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        return self.behaviour.md5_etags and not by_kms


def md5_etag(content: bytes) -> str:
    """Return the ETag of a body that is sent at once."""
    return quoted(hashlib.md5(content, usedforsecurity=False).hexdigest())


def opaque_etag() -> str:
    """Return an ETag that says nothing about the bytes."""
    return quoted(secrets.token_hex(16))


def quoted(text: str) -> str:
    """Return an ETag."""
    return f'"{text}"'


def http_date(seconds: float) -> str:
    """Return a time as headers have it."""
    return formatdate(seconds, usegmt=True)


def iso_date(seconds: float) -> str:
    """Return a time as documents have it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
