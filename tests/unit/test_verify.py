"""What is not what it is claimed to be, or is cut off, is found."""

import io
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell import samples
from sinkwell.intake.sniff import KINDS
from sinkwell.intake.verify import Content, find_doubt


def box(name: bytes, content: bytes = b"") -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + name + content


def large_box(name: bytes, content: bytes) -> bytes:
    return b"\0\0\0\1" + name + (len(content) + 16).to_bytes(8, "big") + content


def archive(comment: bytes = b"") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("pages/1.txt", "one " * 100)
        file.writestr("pages/2.txt", "two")
        file.comment = comment
    return made.getvalue()


def ebml(identity: bytes, content: bytes) -> bytes:
    return identity + (len(content) | 1 << 28).to_bytes(4, "big") + content


GIF = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
MP4_TYPE = box(b"ftyp", b"isom" + bytes(4) + b"isomavc1")
MP4 = MP4_TYPE + box(b"moov", bytes(200)) + large_box(b"mdat", bytes(5000))
AVIF = box(b"ftyp", b"avif" + bytes(4) + b"avifmif1") + box(b"meta", bytes(90)) + box(b"mdat", b"x")
WEBM_HEAD = ebml(b"\x1aE\xdf\xa3", b"B\x86\x81\1B\x82\x84webm")
WEBM = WEBM_HEAD + ebml(b"\x18S\x80g", bytes(300))
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>\n'

WHOLE: dict[str, tuple[str, bytes]] = {
    "png": ("image/png", samples.png("a", 20, 10)),
    "jpg": ("image/jpeg", samples.jpeg("a", 20, 10)),
    "webp": ("image/webp", samples.webp("a", 20, 10)),
    "gif": ("image/gif", GIF),
    "pdf": ("application/pdf", samples.pdf("a")),
    "avif": ("image/avif", AVIF),
    "mp4": ("video/mp4", MP4),
    "webm": ("video/webm", WEBM),
    "zip": ("application/zip", archive()),
    "svg": ("image/svg+xml", SVG),
    "json": ("application/json", b'{"a": [1, 2, {"b": null}]}\n'),
    "html": ("text/html", b"<!doctype html><html><p>no end is needed"),
}


def content_of(data: bytes, size: int = 1 << 16) -> Content:
    content = Content()
    for at in range(0, len(data), size):
        content.take(data[at : at + size])
    return content


def doubt(extension: str, data: bytes, size: int = 1 << 16) -> str | None:
    return find_doubt(WHOLE[extension][0], extension, content_of(data, size))


def test_every_kind_is_tried() -> None:
    assert {kind.extension for kind in KINDS} == {*WHOLE}


@pytest.mark.parametrize("extension", WHOLE)
@pytest.mark.parametrize("size", [1, 3, 7, 64, 1 << 16])
def test_a_whole_file_is_not_doubted(extension: str, size: int) -> None:
    assert doubt(extension, WHOLE[extension][1], size) is None


@pytest.mark.parametrize("extension", [name for name in WHOLE if name != "html"])
def test_a_file_that_is_cut_off_is_found_wherever_it_is_cut(extension: str) -> None:
    media_type, data = WHOLE[extension]
    whole = data.rstrip(b"\n") if extension in {"svg", "json", "pdf"} else data
    recognised = next(n for n in range(len(data)) if content_of(data[:n]).kind)
    undoubted = [
        cut
        for cut in range(recognised, len(whole))
        if find_doubt(media_type, extension, content_of(data[:cut])) is None
    ]
    # An inner bracket or tag may look like the end of a text.
    allowed = {"json": 2, "svg": 2}.get(extension, 0)
    assert len(undoubted) <= allowed, undoubted


@pytest.mark.parametrize(
    ("claimed", "extension", "data", "told"),
    [
        ("image/png", "png", WHOLE["pdf"][1], "claimed to be image/png and is application/pdf"),
        ("image/jpeg", "jpg", WHOLE["html"][1], "claimed to be image/jpeg and is text/html"),
        ("image/png", "png", b"no picture at all", "image/png and is something else"),
        ("", "pdf", b"\0" * 100, "application/pdf and is something else"),
        ("image/JPG; q=1", "", WHOLE["png"][1], "claimed to be image/jpeg and is image/png"),
    ],
)
def test_a_false_claim_is_told(claimed: str, extension: str, data: bytes, told: str) -> None:
    assert told in (find_doubt(claimed, extension, content_of(data)) or "")


@pytest.mark.parametrize(
    ("claimed", "extension"),
    [("", ""), ("application/octet-stream", "bin"), ("text/plain", "txt"), ("text/html", "html")],
)
def test_what_says_nothing_exact_is_no_false_claim(claimed: str, extension: str) -> None:
    assert find_doubt(claimed, extension, content_of(b"some text")) is None


@pytest.mark.parametrize(
    ("extension", "data"),
    [
        ("zip", archive(b"a comment of its own")),
        ("jpg", WHOLE["jpg"][1] + bytes(300)),
        ("gif", GIF + bytes(3)),
        ("mp4", MP4_TYPE + box(b"moov") + b"\0\0\0\0mdat" + bytes(999)),
        ("webm", WEBM_HEAD + b"\x18S\x80g\1\xff\xff\xff\xff\xff\xff\xff" + bytes(99)),
    ],
    ids=["zip with a comment", "appended jpeg", "padded gif", "mp4 to the end", "live webm"],
)
def test_what_formats_allow_at_the_end_is_not_doubted(extension: str, data: bytes) -> None:
    assert doubt(extension, data) is None


def test_a_film_without_its_index_is_doubted() -> None:
    assert "cut off" in (doubt("mp4", MP4_TYPE + box(b"mdat", bytes(50))) or "")


HEADS = st.sampled_from([data[:40] for _, data in WHOLE.values()]) | st.just(b"")


@given(HEADS, st.binary(max_size=200), st.integers(1, 50), st.sampled_from([*WHOLE]))
def test_hostile_bytes_raise_nothing_and_chunks_make_no_difference(
    head: bytes, rest: bytes, size: int, extension: str
) -> None:
    find: Callable[[int], str | None] = lambda step: doubt(extension, head + rest, step)  # noqa: E731 - one line twice
    assert find(size) == find(1 << 16)
