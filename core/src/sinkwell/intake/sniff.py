"""What a file really is, told from its first bytes.

Only signatures that leave no doubt are known here, and each stands where its format puts it: a
file is what its first bytes say, whatever follows. Everything else is None, and what the sender
claimed stands. More bytes of the same file never change an answer that was given.
"""

import re
from dataclasses import dataclass

HEAD_SIZE = 512
"""How many bytes of a file are looked at."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A recognised format."""

    media_type: str
    extension: str
    """As it is used in keys: lower-case, without the dot."""


PNG = Kind("image/png", "png")
JPEG = Kind("image/jpeg", "jpg")
WEBP = Kind("image/webp", "webp")
AVIF = Kind("image/avif", "avif")
GIF = Kind("image/gif", "gif")
SVG = Kind("image/svg+xml", "svg")
PDF = Kind("application/pdf", "pdf")
MP4 = Kind("video/mp4", "mp4")
WEBM = Kind("video/webm", "webm")
ZIP = Kind("application/zip", "zip")
HTML = Kind("text/html", "html")
JSON = Kind("application/json", "json")

KINDS = (PNG, JPEG, WEBP, AVIF, GIF, SVG, PDF, MP4, WEBM, ZIP, HTML, JSON)
"""Every format that is recognised."""

_BY_EXTENSION = {kind.extension: kind for kind in KINDS} | {"jpeg": JPEG, "htm": HTML}
_BY_MEDIA_TYPE = {kind.media_type: kind for kind in KINDS} | {"image/jpg": JPEG}

# Texts are matched without a way back (`*+`), so that hostile ones take no longer.
_SPACE = rb"[ \t\r\n]*+"
_TEXT = rb"(?:\xef\xbb\xbf)?+" + _SPACE
_XML_DECLARATION = rb"(?:<\?xml[ \t\r\n].*?\?>" + _SPACE + rb")?+"
_COMMENTS = rb"(?:<!--.*?-->" + _SPACE + rb")*+"
_SVG_ROOT = rb"(?:<svg[ \t\r\n/>]|<!DOCTYPE[ \t\r\n]++svg[ \t\r\n>\[])"
_HTML_ROOT = rb"(?i:<!doctype[ \t\r\n]++html|<html)[ \t\r\n>]"
_JSON_NAME = rb"\"(?:[^\"\\\x00-\x1f]|\\.)*+\"" + _SPACE + rb":"

_PATTERNS = (
    (PNG, rb"\x89PNG\r\n\x1a\n"),  # PNG, 5.2
    (JPEG, rb"\xff\xd8\xff"),  # ITU T.81, B.1.1: SOI, and the marker after it
    (WEBP, rb"RIFF....WEBPVP8[ LX]"),  # RFC 9649, 2.4 to 2.7
    (GIF, rb"GIF8[79]a"),  # GIF89a, 17
    (PDF, rb"%PDF-[12]\.[0-9]"),  # ISO 32000, 7.5.2; readers look for it further on, we do not
    # RFC 8794, 11.2: the EBML header, its numbers of one byte, then the DocType "webm"
    (WEBM, rb"\x1aE\xdf\xa3.{1,8}?(?:B[\x86\xf2\xf3\xf7]\x81.)*+B\x82\x84webm"),
    (SVG, _TEXT + _XML_DECLARATION + _COMMENTS + _SVG_ROOT),
    # With an XML declaration it is XHTML, which is another media type.
    (HTML, _TEXT + _COMMENTS + _HTML_ROOT),
    # RFC 8259, 4: an object's first name, perhaps inside arrays. What else is JSON may as well
    # be other text.
    (JSON, _TEXT + rb"[\[ \t\r\n]*+\{" + _SPACE + _JSON_NAME),
)
_SIGNATURES = tuple((kind, re.compile(pattern, re.DOTALL)) for kind, pattern in _PATTERNS)

_MP4_BRAND = re.compile(rb"iso[m2-9]|mp4[12]|avc1|dash|M4V ")
_ZIP_DIALECT = re.compile(
    rb"\[Content_Types\]\.xml|_rels/|docProps/|word/|xl/|ppt/"  # Office Open XML
    rb"|mimetype|META-INF/|AndroidManifest\.xml"  # OpenDocument, EPUB; Java, Android
)


def sniff(head: bytes) -> Kind | None:
    """Recognise a file by its first bytes, of which at most ``HEAD_SIZE`` are looked at.

    None means that it is not known, or not told by so few bytes.
    """
    head = head[:HEAD_SIZE]
    for kind, signature in _SIGNATURES:
        if signature.match(head):
            return kind
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    if head[:4] == b"PK\x03\x04":
        return _sniff_first_entry(head)
    return None


def kind_of_extension(extension: str) -> Kind | None:
    """Return the kind that an extension stands for, in either case and without its dot."""
    return _BY_EXTENSION.get(extension.lower())


def kind_of_media_type(media_type: str) -> Kind | None:
    """Return the kind that a media type names, without its parameters and in either case."""
    return _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower())


def _sniff_brands(head: bytes) -> Kind | None:
    """Tell AVIF from MP4 by the ``ftyp`` box, once it is there in full.

    ISO/IEC 14496-12, 4.3: size, ``ftyp``, major brand, version, compatible brands; 4 bytes each.
    """
    size = int.from_bytes(head[:4], "big")
    if size % 4 or size > len(head):
        return None
    major, compatible = head[8:12], {head[at : at + 4] for at in range(16, size, 4)}
    if not compatible:
        return None
    if {b"avif", b"avis"} & {major, *compatible}:
        return AVIF
    return MP4 if _MP4_BRAND.fullmatch(major) else None


def _sniff_first_entry(head: bytes) -> Kind | None:
    """Tell a plain archive from documents that are archives inside, by its first entry's name.

    APPNOTE, 4.3.7: the length of the name is at 26, the name at 30.
    """
    length = int.from_bytes(head[26:28], "little")
    name = head[30 : 30 + length]
    if not name or len(name) < length or _ZIP_DIALECT.match(name):
        return None
    return ZIP
