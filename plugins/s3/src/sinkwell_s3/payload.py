"""The bytes of a file on their way out.

A receipt promises a sha256 of what is stored. Where the store is known to refuse bytes whose
sha256 is not the one that goes with them, its answer is that promise. Elsewhere each byte is
hashed in the buffer that it is sent from, and the last ones are kept back until the digest
agrees: no file that was damaged here ever appears.
"""

import dataclasses
import hashlib
import os
from collections.abc import AsyncIterator
from typing import BinaryIO

from sinkwell.contract import Blob, RejectedError, TransientError
from sinkwell.contract.sink import RunBlocking

PIECE = 1024 * 1024
"""Bytes that are read in one go; a file of no more is sent in one piece."""

WRITE = 256 * 1024
"""Bytes that are handed to the connection at once, so that others get their turn."""


def window(blob: Blob, start: int, size: int, sha256: str = "") -> Blob:
    """Return a run of a blob's bytes as a blob of its own."""
    return dataclasses.replace(blob, offset=blob.offset + start, size=size, sha256=sha256)


def load_cached(blob: Blob) -> bytes | bytearray | None:
    """Return a small file that the kernel has in memory, None when it would have to be read.

    It never waits for a disk, so it needs no thread: most of what reading such a file costs.
    """
    try:
        fd = os.open(blob.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            payload = bytearray(blob.size)
            count = os.preadv(fd, [payload], blob.offset, os.RWF_NOWAIT)
        finally:
            os.close(fd)
    except OSError:
        return None  # whoever reads it with patience tells what is wrong
    return payload if count == blob.size else None


def load(blob: Blob, label: str, *, verify: bool) -> bytes:
    """Read a small file whole. Blocking. Raises as :func:`read` does and, to verify, as agreed."""
    payload = read(blob, 0, blob.size, label)
    if verify:
        agree(hashlib.sha256(payload).hexdigest(), blob, label)
    return payload


def verify(blob: Blob, label: str) -> None:
    """See that a file of any size still has its digest. Blocking. Raises as :func:`load` does."""
    digest = hashlib.sha256()
    for position in range(0, blob.size, PIECE):
        digest.update(read(blob, position, min(PIECE, blob.size - position), label))
    agree(digest.hexdigest(), blob, label)


def md5_of(blob: Blob, label: str) -> str:
    """Return the md5 of a file, as stores give it for an ETag. Blocking."""
    digest = hashlib.md5(usedforsecurity=False)
    for position in range(0, blob.size, PIECE):
        digest.update(read(blob, position, min(PIECE, blob.size - position), label))
    return digest.hexdigest()


def agree(sha256: str, blob: Blob, label: str) -> None:
    """Raise ``RejectedError`` unless a digest of what was read is that of the blob."""
    if sha256 != blob.sha256:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} is not what was received: its sha256 "
            f"is {sha256}, and {blob.sha256} was recorded. Nothing was stored; ask the provider "
            f"for the file again."
        )


def opened(blob: Blob, label: str) -> BinaryIO:
    """Open a file. Raises ``RejectedError`` when it is gone, ``TransientError`` when it cannot."""
    try:
        return blob.open()
    except FileNotFoundError as error:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} is gone, so there is nothing to store. "
            f"Ask the provider for the file again."
        ) from error
    except OSError as error:
        raise _unreadable(error, blob, label) from error


def read(blob: Blob, position: int, size: int, label: str) -> bytes:
    """Return exactly ``size`` bytes of a file from ``position`` on. Blocking.

    It opens the file each time: a call that was cancelled leaves a thread behind at most, and
    never a descriptor that someone has to close under that thread's hands.

    Raises ``RejectedError`` when the file is gone or ends too soon, ``TransientError`` when it
    cannot be read now.
    """
    with opened(blob, label) as file:
        try:
            file.seek(position)
            piece = file.read(size)
        except OSError as error:
            raise _unreadable(error, blob, label) from error
    if len(piece) < size:
        raise RejectedError(
            f"{label} failed: the spool's copy {blob.path} ends after {position + len(piece)} of "
            f"{blob.size} bytes. Nothing was stored; ask the provider for the file again."
        )
    return piece


async def pieces(
    blob: Blob, label: str, run_blocking: RunBlocking, *, verify: bool
) -> AsyncIterator[memoryview]:
    """Yield a large file in small slices, read in threads. Raises as :func:`load` does.

    To verify, the last ones come only when the digest of all agrees.
    """
    digest = hashlib.sha256()

    def next_piece(position: int) -> bytes:
        piece = read(blob, position, min(PIECE, blob.size - position), label)
        if verify:
            digest.update(piece)
            if position + len(piece) == blob.size:
                agree(digest.hexdigest(), blob, label)
        return piece

    for position in range(0, blob.size, PIECE):
        view = memoryview(await run_blocking(next_piece, position))
        for start in range(0, len(view), WRITE):
            yield view[start : start + WRITE]


def _unreadable(error: OSError, blob: Blob, label: str) -> TransientError:
    return TransientError(
        f"{label} failed: the spool's copy {blob.path} cannot be read: {error.strerror}. It is "
        f"tried again; if it stays, look at the disk of the spool."
    )
