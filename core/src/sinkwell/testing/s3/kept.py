"""What may be sent beside the bytes of an object: which of it is kept, and what is refused."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from sinkwell.testing.s3.answers import S3Error
from sinkwell.testing.s3.checksums import HEADER
from sinkwell.testing.s3.store import META, S3Behaviour

MOST_METADATA = 2048
"""Bytes of all names and values of metadata together."""

_KEPT = (
    *("content-type", "cache-control", "content-disposition", "content-encoding"),
    *("content-language", "expires", "x-amz-storage-class", "x-amz-tagging"),
    *("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"),
    *("x-amz-server-side-encryption-bucket-key-enabled", "x-amz-website-redirect-location"),
    *("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"),
    *("x-amz-object-lock-legal-hold", "x-amz-acl"),
)
_STORAGE_CLASSES = frozenset(
    {
        *("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING"),
        *("GLACIER", "GLACIER_IR", "DEEP_ARCHIVE", "EXPRESS_ONEZONE"),
    }
)
_ENCRYPTIONS = frozenset({"AES256", "aws:kms", "aws:kms:dsse"})
_ACLS = frozenset(
    {
        *("private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read"),
        *("bucket-owner-read", "bucket-owner-full-control"),
    }
)
_MOST_TAGS, _LONGEST_TAG, _LONGEST_TAG_VALUE = 10, 128, 256


def kept(headers: Mapping[str, str], behaviour: S3Behaviour) -> dict[str, str]:
    """Return what an object keeps of the headers of its put.

    Raises ``S3Error`` for a value that S3 does not take, and for one that it takes and that
    clients and proxies read differently: metadata that is not printable ASCII.
    """
    _check_metadata(headers)
    _check_acl(headers.get("x-amz-acl"), behaviour)
    _one_of(headers.get("x-amz-storage-class"), _STORAGE_CLASSES, "InvalidStorageClass")
    _one_of(headers.get("x-amz-server-side-encryption"), _ENCRYPTIONS, "InvalidArgument")
    _check_tags(headers.get("x-amz-tagging", ""))
    _check_lock(headers)
    if not behaviour.keeps_metadata:
        return {name: headers[name] for name in ("content-type",) if name in headers}
    return {
        name: value for name, value in headers.items() if name in _KEPT or name.startswith(META)
    }


def _check_metadata(headers: Mapping[str, str]) -> None:
    given = {name: value for name, value in headers.items() if name.startswith(META)}
    if sum(len(name) - len(META) + len(value) for name, value in given.items()) > MOST_METADATA:
        raise S3Error("MetadataTooLarge")
    for name, value in given.items():
        if not (value.isascii() and value.isprintable()):
            raise S3Error("InvalidArgument", f"{name} is not printable ASCII")


def _check_acl(acl: str | None, behaviour: S3Behaviour) -> None:
    _one_of(acl, _ACLS, "InvalidArgument")
    if acl not in {None, "bucket-owner-full-control"} and not behaviour.acls:
        raise S3Error("AccessControlListNotSupported")


def _one_of(value: str | None, accepted: frozenset[str], code: str) -> None:
    if value is not None and value not in accepted:
        raise S3Error(code, f"{value!r} is none of {', '.join(sorted(accepted))}")


def _check_tags(tagging: str) -> None:
    tags = parse_qsl(tagging, keep_blank_values=True)
    if len(tags) > _MOST_TAGS or len({name for name, _ in tags}) < len(tags):
        raise S3Error("InvalidTag", "There are too many tags, or two of one name")
    for name, value in tags:
        if not 1 <= len(name) <= _LONGEST_TAG or len(value) > _LONGEST_TAG_VALUE:
            raise S3Error("InvalidTag")


def _check_lock(headers: Mapping[str, str]) -> None:
    """See that a retention is whole, and that the put has a checksum, which it then must have."""
    mode = headers.get("x-amz-object-lock-mode")
    until = headers.get("x-amz-object-lock-retain-until-date")
    if mode is None and until is None and "x-amz-object-lock-legal-hold" not in headers:
        return
    if (mode is None) != (until is None) or mode not in {None, "GOVERNANCE", "COMPLIANCE"}:
        raise S3Error("InvalidArgument", "The retention needs a known mode and a date")
    if until is not None:
        try:
            datetime.fromisoformat(until)
        except ValueError as error:
            raise S3Error("InvalidArgument", "The date of the retention is not ISO 8601") from error
    sums = (name for name in headers if name == "content-md5" or name.startswith(HEADER))
    if not any(sums):
        raise S3Error("InvalidRequest", "Object Lock needs Content-MD5 or a checksum")
