"""The bytes of a file, as sinks are given them."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True, slots=True)
class Blob:
    """A file at rest: ``size`` bytes of ``path``, from ``offset`` on.

    It can be opened any number of times, also by several threads at once. What follows the
    payload in ``path`` is not part of it: never read to the end of the file.
    """

    path: Path
    size: int
    sha256: str
    """Lower-case hexadecimal digest of the payload, taken while it was received."""
    media_type: str
    """From the content where it was recognised, else as the provider claimed."""
    offset: int = 0
    name: str | None = None
    """The original file name as the sender gave it: hostile, for metadata only, never a path."""
    labels: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> BinaryIO:
        """Open the payload as a seekable binary stream of exactly ``size`` bytes."""
        payload = _Payload(self.path, self.offset, self.size)
        return cast("BinaryIO", io.BufferedReader(payload, buffer_size=256 * 1024))


class _Payload(io.RawIOBase):
    """A window onto a file: reads by position, so nothing is shared with other readers."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        wanted = max(0, min(len(view), self._size - self._position))
        count = os.preadv(self._fd, [view[:wanted]], self._offset + self._position)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"negative position {base + offset}")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()
