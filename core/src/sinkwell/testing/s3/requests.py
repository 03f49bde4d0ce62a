"""A request as it arrived, and which operation of S3 it asks for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from sinkwell.testing.s3.answers import S3Error

_OPERATIONS: Mapping[tuple[str, str, str], str] = {
    ("HEAD", "bucket", ""): "HeadBucket",
    ("GET", "bucket", "list-type"): "ListObjectsV2",
    ("GET", "bucket", "uploads"): "ListMultipartUploads",
    ("GET", "bucket", "location"): "GetBucketLocation",
    ("HEAD", "object", ""): "HeadObject",
    ("GET", "object", ""): "GetObject",
    ("PUT", "object", ""): "PutObject",
    ("DELETE", "object", ""): "DeleteObject",
    ("POST", "object", "uploads"): "CreateMultipartUpload",
    ("PUT", "object", "partNumber uploadId"): "UploadPart",
    ("GET", "object", "uploadId"): "ListParts",
    ("POST", "object", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "object", "uploadId"): "AbortMultipartUpload",
}
"""By method, by what the path names, and by the parameters that change the meaning."""

_DETAILS = frozenset(
    {
        *("continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker"),
        *("max-keys", "max-parts", "max-uploads", "part-number-marker", "prefix"),
        *("start-after", "upload-id-marker", "x-id"),
    }
)
"""Parameters that leave the operation what it is, beside those that begin as below."""
_DETAILS_BEGIN = ("x-amz-", "response-")


@dataclass(slots=True)
class S3Request:
    """A request that the stub saw; it is noted when its headers are there."""

    method: str
    target: str
    """Path and query as they came over the wire."""
    headers: Mapping[str, str]
    """By lower-case name; those that came more than once are joined by commas."""
    query: Sequence[tuple[str, str]]
    """The parameters, decoded, in the order in which they came."""
    bucket: str
    key: str
    """Decoded; empty for requests to the bucket."""
    secure: bool
    """Whether it came over TLS."""
    addressing: str
    """``path`` or ``virtual``: where the name of the bucket stood."""
    size: int = 0
    """Bytes of the body that were read."""
    sha256: str = ""
    """Digest of the body, in lower-case hexadecimal; empty until all of it was read."""
    status: int | None = None
    """What it was answered; None where it got no answer (yet)."""
    fault: str = ""
    """Name of the fault that it met."""
    at: float = field(default_factory=time.time)
    """When it came, in seconds since 1970."""

    @property
    def operation(self) -> str:
        """The name of the operation in the API of S3; empty for one that the stub lacks."""
        changing = " ".join(
            sorted(
                name
                for name, _ in self.query
                if name not in _DETAILS and not name.lower().startswith(_DETAILS_BEGIN)
            )
        )
        level = "object" if self.key else "bucket" if self.bucket else "service"
        return _OPERATIONS.get((self.method, level, changing), "")

    def parameter(self, name: str, default: str = "") -> str:
        """Return the first value of a parameter."""
        return next((value for each, value in self.query if each == name), default)


def read_request(
    method: str,
    target: bytes,
    headers: Sequence[tuple[str, str]],
    *,
    hosts: Sequence[str],
    secure: bool,
) -> S3Request:
    """Make a request of a head; ``hosts`` are the names under which buckets are sub-domains.

    Raises ``S3Error`` for a target that is no URI of S3.
    """
    joined: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        joined[lower] = f"{joined[lower]},{value}" if lower in joined else value
    path, _, query = target.partition(b"?")
    bucket, addressing = _bucket_of(joined.get("host", ""), hosts), "virtual"
    key = _text(path[1:])
    if not bucket:
        addressing = "path"
        bucket, _, key = key.partition("/")
    return S3Request(
        method,
        target.decode("latin-1"),
        joined,
        [_parameter(each) for each in query.split(b"&") if each],
        bucket,
        key,
        secure,
        addressing,
    )


def _bucket_of(host: str, hosts: Sequence[str]) -> str:
    """Return the bucket that a Host header names, or nothing."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    for domain in hosts:
        if name.endswith(f".{domain}"):
            return name.removesuffix(f".{domain}")
    return ""


def _parameter(text: bytes) -> tuple[str, str]:
    name, _, value = text.partition(b"=")
    return _text(name), _text(value)


def _text(encoded: bytes) -> str:
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as error:
        raise S3Error("InvalidURI") from error
