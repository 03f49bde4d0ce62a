"""The checksums that a client may send beside its signature, and whether they are right."""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from sinkwell.testing.s3.answers import S3Error

HEADER = "x-amz-checksum-"


def checked(headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Return the checksums that were sent, by algorithm (``sha256``), all of them right.

    Raises ``S3Error`` for one that is wrong, unknown, or announced and not there.
    """
    if "content-md5" in headers:
        _check_md5(headers["content-md5"], body)
    sent = {
        name.removeprefix(HEADER): value
        for name, value in headers.items()
        if name.startswith(HEADER) and name.removeprefix(HEADER) not in _NO_CHECKSUM
    }
    announced = headers.get("x-amz-sdk-checksum-algorithm", "").lower()
    if announced and announced not in sent:
        raise S3Error("InvalidRequest", f"x-amz-checksum-{announced} is announced and missing")
    for name, value in sent.items():
        if value != checksum(name, body):
            raise S3Error("BadDigest", f"The {name.upper()} that you gave did not match")
    return sent


_NO_CHECKSUM = {"algorithm", "mode", "type"}


def _check_md5(value: str, body: bytes) -> None:
    try:
        given = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise S3Error("InvalidDigest") from error
    if len(given) != hashlib.md5(b"", usedforsecurity=False).digest_size:
        raise S3Error("InvalidDigest")
    if given != hashlib.md5(body, usedforsecurity=False).digest():
        raise S3Error("BadDigest", "Content-MD5 did not match")


def checksum(name: str, body: bytes) -> str:
    """Return a checksum of S3 in base64; ``name`` is in lower case."""
    if name not in _DIGESTS:
        raise S3Error("InvalidRequest", f"There is no checksum {name!r}")
    return base64.b64encode(_DIGESTS[name](body)).decode()


def composite(name: str, parts: Sequence[str]) -> str:
    """Return the checksum of the checksums of all parts, and how many these are."""
    joined = b"".join(map(base64.b64decode, parts))
    return f"{checksum(name, joined)}-{len(parts)}"


@cache
def _table(polynomial: int) -> list[int]:
    table = []
    for number in range(256):
        remainder = number
        for _ in range(8):
            remainder = (remainder >> 1) ^ (polynomial if remainder & 1 else 0)
        table.append(remainder)
    return table


def _crc(polynomial: int, width: int) -> Callable[[bytes], bytes]:
    """Return a CRC of ``width`` bytes, reflected, that begins and ends with all bits set."""
    ones = (1 << 8 * width) - 1

    def digest(body: bytes) -> bytes:
        table, remainder = _table(polynomial), ones
        for byte in body:
            remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
        return (remainder ^ ones).to_bytes(width, "big")

    return digest


_DIGESTS: Mapping[str, Callable[[bytes], bytes]] = {
    "crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "crc32c": _crc(0x82F63B78, 4),
    "crc64nvme": _crc(0x9A6C9329AC4BC9B5, 8),
    "sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "sha256": lambda body: hashlib.sha256(body).digest(),
}
