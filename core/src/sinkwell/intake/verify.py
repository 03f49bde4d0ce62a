"""Whether a file is what its sender claims, and all of it. Pure.

Recognising is :mod:`sinkwell.intake.sniff`'s; here is what the end of a format looks like, so that
a file that was cut off is found. A doubt is a text for people; what follows is the source's
``on_mismatch``.
"""

from collections.abc import Callable

from sinkwell.intake.sniff import (
    AVIF,
    GIF,
    HEAD_SIZE,
    JPEG,
    JSON,
    MP4,
    PDF,
    PNG,
    SVG,
    WEBM,
    WEBP,
    ZIP,
    Kind,
    kind_of_extension,
    kind_of_media_type,
    sniff,
)

_TAIL = 1024
_ZIP_HEAD = b"PK\x03\x04"
_ZIP_END = b"PK\x05\x06"
_ZIP_END_SIZE = 22
_ZIP_TAIL = _ZIP_END_SIZE + 0xFFFF
_BOX_NAMED = 8
_UNMISTAKABLE = {PNG, JPEG, WEBP, GIF, PDF}
"""Claimed to be one of these, a file that is not recognised is none: their signatures are exact."""


class Content:
    """What is remembered of a file's bytes while they pass by."""

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        """The first bytes, by which the content is recognised."""
        self.tail = b""
        """The last bytes: as many as the end of any format may take."""
        self.boxes = Boxes()

    def take(self, chunk: bytes) -> None:
        """Note the next bytes."""
        if len(self.head) < HEAD_SIZE:
            self.head += chunk[: HEAD_SIZE - len(self.head)]
        wanted = _ZIP_TAIL if self.head.startswith(_ZIP_HEAD) else _TAIL
        self.tail = chunk[-wanted:] if len(chunk) >= wanted else (self.tail + chunk)[-wanted:]
        self._follow_boxes(chunk)
        self.size += len(chunk)

    def _follow_boxes(self, chunk: bytes) -> None:
        if self.head[4:8] != b"ftyp":
            return
        if self.size < _BOX_NAMED:  # it is known only now: what came before is in the head
            chunk = self.head[: self.size] + chunk
        self.boxes.take(memoryview(chunk))

    @property
    def kind(self) -> Kind | None:
        """What the content is recognised as."""
        return sniff(self.head)


class Boxes:
    """Follows the boxes of an ISO base media file (ISO/IEC 14496-12, 4.2) from one to the next."""

    def __init__(self) -> None:
        self.names: set[bytes] = set()
        self.broken = False
        self._header = b""
        self._skip = 0
        self._to_the_end = False

    def take(self, chunk: memoryview) -> None:
        """Note the next bytes."""
        while len(chunk) and not (self._to_the_end or self.broken):
            if self._skip:
                skipped = min(self._skip, len(chunk))
                self._skip -= skipped
                chunk = chunk[skipped:]
                continue
            wanted = 16 if self._header[:4] == b"\0\0\0\1" else 8
            missing = wanted - len(self._header)
            self._header += chunk[:missing]
            chunk = chunk[missing:]
            self._read_header()

    @property
    def complete(self) -> bool:
        """Whether the file may end here."""
        return self._to_the_end or not (self.broken or self._skip or self._header)

    def _read_header(self) -> None:
        """Read size and name once they are there; size 1 means that 8 more bytes hold it."""
        header = self._header
        size = int.from_bytes(header[:4], "big")
        if len(header) < 8 or (size == 1 and len(header) < 16):  # noqa: PLR2004 - as said above
            return
        self.names.add(header[4:8])
        if size == 0:
            self._to_the_end = True
            return
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        self._skip = size - len(header)
        self.broken = self._skip < 0
        self._header = b""


def find_doubt(media_type: str, extension: str, content: Content) -> str | None:
    """Say in which way a file is not what is claimed, None where nothing speaks against it."""
    claimed = kind_of_media_type(media_type) or kind_of_extension(extension)
    found = content.kind
    if claimed is not None and found is not claimed and (found or claimed in _UNMISTAKABLE):
        seen = found.media_type if found else "something else"
        return f"it is claimed to be {claimed.media_type} and is {seen}"
    if found is not None and not is_complete(found, content):
        return f"it is {found.media_type} that is cut off, after {content.size} bytes"
    return None


def is_complete(kind: Kind, content: Content) -> bool:
    """Tell whether a file ends as its format does. True where the format does not say."""
    check = _ENDS.get(kind)
    return check is None or check(content)


def _png(content: Content) -> bool:
    return b"IEND\xaeB`\x82" in content.tail  # PNG, 11.2.5: the last chunk, always the same


def _jpeg(content: Content) -> bool:
    return b"\xff\xd9" in content.tail  # ITU T.81, B.1.1.3: EOI; cameras append to it


def _gif(content: Content) -> bool:
    return content.tail.rstrip(b"\0").endswith(b";")  # GIF89a, 27: the trailer


def _pdf(content: Content) -> bool:
    return b"%%EOF" in content.tail  # ISO 32000, 7.5.5; readers look into the last 1,024 bytes


def _webp(content: Content) -> bool:
    return int.from_bytes(content.head[4:8], "little") + 8 <= content.size  # RFC 9649, 2.4


def _avif(content: Content) -> bool:
    return content.boxes.complete and {b"meta", b"mdat"} <= content.boxes.names


def _mp4(content: Content) -> bool:
    indexed = bool({b"moov", b"moof"} & content.boxes.names)
    return content.boxes.complete and indexed and b"mdat" in content.boxes.names


def _svg(content: Content) -> bool:
    return content.tail.rstrip().endswith((b"</svg>", b"/>", b"-->"))


def _json(content: Content) -> bool:
    return content.tail.rstrip().endswith((b"}", b"]"))


def _zip(content: Content) -> bool:
    """APPNOTE, 4.3.16: the end record, then a comment of the length that it names at 20."""
    at = content.tail.rfind(_ZIP_END)
    if at < 0:
        return False
    comment = int.from_bytes(content.tail[at + 20 : at + 22], "little")
    return at + _ZIP_END_SIZE + comment <= len(content.tail)


def _webm(content: Content) -> bool:
    """RFC 8794, 6.2: after the EBML header the Segment, whose size may be unknown: all ones."""
    _, header = _vint(content.head, 4)
    at = 4 + _vint_width(content.head, 4) + header
    if content.size <= at + 4:
        return False
    if content.head[at : at + 4] != b"\x18S\x80g":
        return True  # further on than is looked at
    unknown, size = _vint(content.head, at + 4)
    return unknown or at + 4 + _vint_width(content.head, at + 4) + size <= content.size


def _vint_width(data: bytes, at: int) -> int:
    return 9 - data[at].bit_length() if at < len(data) else 1


def _vint(data: bytes, at: int) -> tuple[bool, int]:
    width = _vint_width(data, at)
    ones = (1 << 7 * width) - 1
    value = int.from_bytes(data[at : at + width], "big") & ones
    return value == ones, value


_ENDS: dict[Kind, Callable[[Content], bool]] = {
    PNG: _png,
    JPEG: _jpeg,
    GIF: _gif,
    PDF: _pdf,
    WEBP: _webp,
    AVIF: _avif,
    MP4: _mp4,
    SVG: _svg,
    JSON: _json,
    ZIP: _zip,
    WEBM: _webm,
}
