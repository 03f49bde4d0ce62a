import gzip

import pytest

from sinkwell import samples
from sinkwell.intake.sniff import (
    AVIF,
    GIF,
    HTML,
    JPEG,
    JSON,
    KINDS,
    MP4,
    PDF,
    PNG,
    SVG,
    WEBM,
    WEBP,
    ZIP,
    Kind,
    kind_of_extension,
    sniff,
)


def ftyp(major: bytes, *compatible: bytes) -> bytes:
    box = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(box) + 4).to_bytes(4, "big") + box


def entry(name: bytes) -> bytes:
    return b"PK\3\4" + bytes(22) + len(name).to_bytes(2, "little") + bytes(2) + name + b"content"


EBML = b"\x1aE\xdf\xa3"
VERSIONS = b"B\x86\x81\1B\xf7\x81\1B\xf2\x81\4B\xf3\x81\x08"

RECOGNISED = [
    (PNG, samples.png("a")),
    (JPEG, samples.jpeg("a")),
    (JPEG, b"\xff\xd8\xff\xe1\x20\x00Exif\0\0"),
    (WEBP, samples.webp("a")),
    (WEBP, b"RIFF\0\1\0\0WEBPVP8 "),
    (WEBP, b"RIFF\0\1\0\0WEBPVP8X"),
    (PDF, samples.pdf("a")),
    (PDF, b"%PDF-2.0\r\n"),
    (GIF, b"GIF87a\1\0\1\0"),
    (GIF, b"GIF89a\1\0\1\0"),
    (AVIF, ftyp(b"avif", b"avif", b"mif1", b"miaf") + b"\0\0\0\xf2meta"),
    (AVIF, ftyp(b"avis", b"avis", b"msf1", b"iso8")),
    (AVIF, ftyp(b"mif1", b"mif1", b"miaf", b"avif")),
    (MP4, ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41")),
    (MP4, ftyp(b"mp42", b"isom", b"mp42")),
    (MP4, ftyp(b"M4V ", b"M4V ", b"mp42")),
    (WEBM, EBML + b"\x9f" + VERSIONS + b"B\x82\x84webmB\x87\x81\2B\x85\x81\2"),
    (WEBM, EBML + b"\1\0\0\0\0\0\0\x1f" + VERSIONS + b"B\x82\x84webmB\x87\x81\2B\x85\x81\2"),
    (ZIP, entry(b"pages/1.png")),
    (SVG, b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    (SVG, b"<svg>"),
    (SVG, b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\r\n<!-- twice -->\n<svg\n'),
    (SVG, b'<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "svg11.dtd">'),
    (HTML, b"<!doctype html>"),
    (HTML, b"\n  <!DOCTYPE HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>"),
    (HTML, b"\xef\xbb\xbf<!-- saved --><HTML lang=en>"),
    (JSON, b'{"error": "not found"}'),
    (JSON, b'\xef\xbb\xbf [\n { "a \\" b\\\\" : 1'),
    (JSON, '{"schlüssel":'.encode()),
]

NOT_RECOGNISED = [
    b"",
    b"\x89PNG\n\x1a\n",  # mangled by a text-mode transfer
    b"\xff\xd8",
    b"RIFF\0\1\0\0WAVEfmt ",
    b"RIFF\0\1\0\0WEBPICCP",
    b"GIF88a",
    b"%PDF-",
    b"%PDF-x.y",
    b"\n%PDF-1.7\n",
    b"\xef\xbb\xbf%PDF-1.7\n",
    b"junk before it %PDF-1.7\n",
    ftyp(b"qt  ", b"qt  "),  # QuickTime
    ftyp(b"M4A ", b"M4A ", b"mp42"),  # sound
    ftyp(b"heic", b"mif1", b"heic"),
    ftyp(b"avif"),  # no compatible brands: not a whole box
    ftyp(b"isom", b"isom")[:-1],
    ftyp(b"isom", b"isom", b"is"),  # half a brand
    b"\0\0\0\0ftypisom\0\0\0\0isom",  # size 0: to the end of the file
    b"\0\0\0\1ftypisom\0\0\0\0isom",  # size 1: a 64-bit size follows
    b"\0\0\0\x08ftypisom\0\0\0\0isom",
    b"\0\0\xff\0ftypisom\0\0\0\0isom" + bytes(500),  # a box that goes beyond the head
    EBML + b"\xa3" + VERSIONS + b"B\x82\x88matroskaB\x87\x81\4",
    EBML + b"\xa3" + VERSIONS + b"B\x82\x88matroska of the kind B\x82\x84webm",
    entry(b"[Content_Types].xml"),  # Office Open XML
    entry(b"mimetype"),  # OpenDocument, EPUB
    entry(b"META-INF/MANIFEST.MF"),  # Java
    entry(b"pages/1.png")[:35],
    entry(b""),
    entry(b"n" * 500),
    b"PK\5\6" + bytes(18),  # an archive of nothing
    b"PK\3\4",
    b'<?xml version="1.0"?><rss>',
    b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"',
    b"<svgfoo>",
    b"<svg",
    b"<SVG>",
    b"<!-- <svg> -->",
    b"<!-- <html>",
    b"<htmlx>",
    b"<p>A fragment</p>",
    b"<!doctype html5>",
    b"{}",
    b"[]",
    b"[1, 2]",
    b"[section]\nkey = 1",
    b"{a: 1}",
    b'{"never closed',
    b'{"two\nlines": 1}',
    b'"text"',
    b"null",
    "<html>".encode("utf-16"),
    b"plain text",
    b"\x7fELF\2\1\1",
    gzip.compress(b"<html>", mtime=0),
]


@pytest.mark.parametrize(("kind", "head"), RECOGNISED)
def test_a_file_is_recognised_by_its_first_bytes(kind: Kind, head: bytes) -> None:
    assert sniff(head) == kind


@pytest.mark.parametrize("head", NOT_RECOGNISED)
def test_what_leaves_a_doubt_is_not_recognised(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.extension)
def test_every_kind_can_be_recognised_and_found_by_its_extension(kind: Kind) -> None:
    assert kind in {recognised for recognised, _ in RECOGNISED}
    assert kind_of_extension(kind.extension) == kind
    assert kind_of_extension(kind.extension.upper()) == kind


@pytest.mark.parametrize(("extension", "kind"), [("jpeg", JPEG), ("JPG", JPEG), ("htm", HTML)])
def test_an_extension_has_its_other_spellings(extension: str, kind: Kind) -> None:
    assert kind_of_extension(extension) == kind


@pytest.mark.parametrize("extension", ["", "exe", ".png", "png ", "x.png", "\ud800"])
def test_an_unknown_extension_has_no_kind(extension: str) -> None:
    assert kind_of_extension(extension) is None


def test_only_the_first_512_bytes_count() -> None:
    assert sniff(b" " * 505 + b"<html >") == HTML
    assert sniff(b" " * 507 + b"<html >") is None


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "head",
    [
        b"<!---->" * 73,
        b"<!-- -->\n" * 56 + b"<!--",
        b"<?xml " + b"?" * 506,
        b'{"' + b"\\\\" * 255,
        b" [" * 256,
        EBML + b"B\x86\x81\1" * 127,
    ],
)
def test_a_head_made_to_be_slow_is_not(head: bytes) -> None:
    for _ in range(200):
        assert sniff(head) is None
