"""The bytes of a file on their way out, and what was computed of exactly these bytes.

A receipt promises a sha256 of what is stored, but Cloud Storage verifies only crc32c (and md5).
So each byte that is sent is hashed twice, in the buffer that it is sent from: crc32c goes with
the request and the server refuses to store anything else; sha256 is compared with the spool's
record before the object can appear. The stored bytes are then those whose sha256 the receipt
names, without reading them back.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import google_crc32c

from sinkwell.contract import Blob, RejectedError, TransientError
from sinkwell.contract.sink import RunBlocking

PIECE = 1024 * 1024
"""Bytes that are read and hashed in one go."""

WRITE = 256 * 1024
"""Bytes that are handed to the connection at once, so that others get their turn."""


@dataclass(frozen=True, slots=True)
class Digests:
    """What was computed of a run of bytes."""

    size: int
    sha256: str
    """Lower-case hexadecimal."""
    crc32c: str
    """As Cloud Storage writes it: base64 of four bytes, the most significant first."""


class Hashing:
    """Computes size, sha256 and crc32c in one pass."""

    def __init__(self) -> None:
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._crc32c = 0

    def update(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._size += len(piece)
        self._sha256.update(piece)
        self._crc32c = google_crc32c.extend(self._crc32c, piece)

    def digests(self) -> Digests:
        """Return what was computed so far."""
        crc32c = base64.b64encode(self._crc32c.to_bytes(4, "big")).decode()
        return Digests(self._size, self._sha256.hexdigest(), crc32c)


def load(blob: Blob, label: str) -> tuple[bytes, Digests]:
    """Read a small file whole. Blocking. Raises as :func:`read` does."""
    payload = read(blob, 0, blob.size, label)
    hashing = Hashing()
    hashing.update(payload)
    return payload, agreed(hashing, blob, label)


def digest(blob: Blob, label: str) -> Digests:
    """Compute the digests of a file of any size. Blocking. Raises as :func:`read` does."""
    hashing = Hashing()
    for position in range(0, blob.size, PIECE):
        hashing.update(read(blob, position, min(PIECE, blob.size - position), label))
    return agreed(hashing, blob, label)


def agreed(hashing: Hashing, blob: Blob, label: str) -> Digests:
    """Return the digests. Raises ``RejectedError`` unless they are those of the blob."""
    digests = hashing.digests()
    if digests.sha256 != blob.sha256:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} is not what was received: its sha256 "
            f"is {digests.sha256}, and {blob.sha256} was recorded. Nothing was stored; ask the "
            f"provider for the file again."
        )
    return digests


def read(blob: Blob, position: int, size: int, label: str) -> bytes:
    """Return exactly ``size`` bytes of a file from ``position`` on. Blocking.

    It opens the file each time: a call that was cancelled leaves a thread behind at most, and
    never a descriptor that someone has to close under that thread's hands.

    Raises ``RejectedError`` when the file is gone or ends too soon, ``TransientError`` when it
    cannot be read now.
    """
    try:
        with blob.open() as file:
            file.seek(position)
            piece = file.read(size)
    except FileNotFoundError as error:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} is gone, so there is nothing to store. "
            f"Ask the provider for the file again."
        ) from error
    except OSError as error:
        raise TransientError(
            f"{label} failed: the spool's copy {blob.path} cannot be read: {error.strerror}. It "
            f"is tried again; if it stays, look at the disk of the spool."
        ) from error
    if len(piece) < size:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} ends after {position + len(piece)} of "
            f"{blob.size} bytes. Nothing was stored; ask the provider for the file again."
        )
    return piece


class Reading:
    """Reads a large file from its beginning, each byte once, hashing on the way."""

    def __init__(self, blob: Blob, label: str, run_blocking: RunBlocking) -> None:
        self.hashing = Hashing()
        self._blob = blob
        self._label = label
        self._run_blocking = run_blocking
        self._position = 0

    async def pieces(self, size: int) -> AsyncIterator[memoryview]:
        """Yield the next ``size`` bytes in small slices. Raises as :func:`read` does."""
        end = self._position + size
        while self._position < end:
            view = memoryview(await self.next(min(PIECE, end - self._position)))
            for start in range(0, len(view), WRITE):
                yield view[start : start + WRITE]

    async def next(self, size: int) -> bytes:
        """Return the next ``size`` bytes, hashed in a thread. Raises as :func:`read` does."""
        piece = await self._run_blocking(self._read, self._position, size)
        self._position += len(piece)
        return piece

    def _read(self, position: int, size: int) -> bytes:
        piece = read(self._blob, position, size, self._label)
        self.hashing.update(piece)
        return piece
