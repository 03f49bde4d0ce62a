"""An object's own data beside its bytes: what is sent with it, and what comes back.

It is written as the parameters of S3's API, by the names that boto3 and its documentation use.
"""

import base64
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from sinkwell.contract import Blob, content_disposition, metadata_text
from sinkwell_s3.answers import Answer
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.tags import tagging

Params = dict[str, str | dict[str, str]]
"""Parameters of one request, ``ContentType`` and the like."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9=\"_.+-]+)*")
_UNKNOWN = "application/octet-stream"
_HEX = re.compile(r"[0-9a-f]+")
_MD5_LENGTH, _SHA256_LENGTH = 32, 64
_LONGEST_METADATA = 1700
"""Bytes of metadata, names and values together. S3 takes 2,048; some stores take 2,000 of all
headers that begin with ``x-amz-``."""
_SSE = {"s3": "AES256", "kms": "aws:kms"}


@dataclass(frozen=True, slots=True)
class Found:
    """What a store says of an object."""

    size: int
    etag: str = ""
    media_type: str | None = None
    checksum: str | None = None
    """The sha256 of its bytes, in hexadecimal, where the store computed it."""
    noted: str | None = None
    """The sha256 that a sink noted with it, in hexadecimal."""

    @classmethod
    def of(cls, answer: Answer) -> "Found":
        """Read the headers of an answer. Raises ``ValueError`` when they name no size."""
        headers = answer.headers
        noted = headers.get("x-amz-meta-sha256", "")
        return cls(
            int(headers["Content-Length"]) if "Content-Length" in headers else -1,
            headers.get("ETag", "").strip('"'),
            headers.get("Content-Type"),
            checksum_in(answer),
            noted if _is_hex(noted, _SHA256_LENGTH) else None,
        )

    @property
    def sha256(self) -> str | None:
        """The digest, as far as it is known without reading the object."""
        return self.checksum or self.noted

    @property
    def md5(self) -> str | None:
        """What may be the md5 of its bytes: the ETag of an object that was put in one piece."""
        return self.etag if _is_hex(self.etag, _MD5_LENGTH) else None


def checksum_in(answer: Answer) -> str | None:
    """Return the sha256 that a store computed of a whole object, in hexadecimal."""
    text = answer.headers.get("x-amz-checksum-sha256", "")
    if answer.headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None  # it is one of its parts' digests
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return digest.hex() if len(digest) * 2 == _SHA256_LENGTH else None


def encoded(digest: str) -> str:
    """Return a digest as checksum headers write it: base64 of its bytes."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def common(settings: S3Settings) -> Params:
    """Return what goes with every request for an object."""
    made: Params = {}
    if settings.requester_pays:
        made["RequestPayer"] = "requester"
    if settings.expected_bucket_owner:
        made["ExpectedBucketOwner"] = settings.expected_bucket_owner
    return made


def properties(settings: S3Settings, blob: Blob, name: str) -> Params:
    """Return what a new object gets, whether it is put at once or in parts."""
    made: Params = {**common(settings), "ContentType": media_type(blob)}
    wishes = {
        "ACL": settings.acl,
        "CacheControl": settings.cache_control,
        "StorageClass": settings.storage_class,
        "ServerSideEncryption": _SSE.get(settings.sse),
        "SSEKMSKeyId": settings.kms_key,
    }
    made |= {key: value for key, value in wishes.items() if value}
    if metadata := _metadata(settings, blob):
        made["Metadata"] = metadata
    if settings.tags:
        made["Tagging"] = tagging(settings.tags, blob.labels)
    if settings.content_disposition:
        made["ContentDisposition"] = content_disposition(
            blob.name or name.rpartition("/")[2], disposition=settings.content_disposition
        )
    if settings.object_lock and settings.retain_for:
        until = datetime.fromtimestamp(time.time() + settings.retain_for, UTC)
        made["ObjectLockMode"] = settings.object_lock.upper()
        made["ObjectLockRetainUntilDate"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    return made


def media_type(blob: Blob) -> str:
    """Return the blob's media type as far as it can stand in a header."""
    return blob.media_type if _MEDIA_TYPE.fullmatch(blob.media_type) else _UNKNOWN


def _metadata(settings: S3Settings, blob: Blob) -> dict[str, str]:
    """Return the metadata in ASCII, within the limit: what fits, in order of weight.

    Labels are one value, as S3 keeps no capitals in names and proxies drop what they find odd.
    """
    made = dict(settings.extra_metadata)
    if not settings.metadata:
        return made
    made["sha256"] = blob.sha256
    left = _LONGEST_METADATA - sum(len(key) + len(value) for key, value in made.items())
    if name := metadata_text(blob.name or "", limit=max(0, left - len("name"))):
        made["name"] = name
        left -= len("name") + len(name)
    labels = ""
    for pair in blob.labels.items():
        more = urlencode([pair], errors="surrogatepass")
        joined = f"{labels}&{more}" if labels else more
        if len(joined) <= left - len("labels"):
            labels = joined
    if labels:
        made["labels"] = labels
    return made


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and _HEX.fullmatch(text) is not None
