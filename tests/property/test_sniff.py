from hypothesis import example, given
from hypothesis import strategies as st

from sinkwell.intake.sniff import (
    GIF,
    HEAD_SIZE,
    JPEG,
    KINDS,
    PDF,
    PNG,
    WEBP,
    Kind,
    kind_of_extension,
    sniff,
)

# What the formats start with, whole and in pieces, so that heads come close to being recognised.
PIECES = [
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"\0\0\1\0", b"WEBPVP8L", b"GIF89a"),
    *(b"%PDF-1.7", b"\0\0\0\x1c", b"\0\0\0\x14", b"ftyp", b"avif", b"isom", b"mif1"),
    *(b"\x1aE\xdf\xa3", b"\x9f", b"B\x86\x81\1", b"B\x82\x84webm", b"PK\3\4", bytes(22)),
    *(b"\4\0\0\0", b"mimetype", b"\xef\xbb\xbf", b" \n", b"<?xml ", b"?>", b"<!--", b"-->"),
    *(b"<svg", b"<html", b"<!doctype", b"html", b"svg", b">", b"{", b"[", b'"', b":", b"\\"),
]
heads = st.binary(max_size=600) | st.lists(
    st.sampled_from(PIECES) | st.binary(max_size=8), max_size=40
).map(b"".join)

SIGNATURES: list[tuple[Kind, bytes]] = [
    (PNG, b"\x89PNG\r\n\x1a\n"),
    (JPEG, b"\xff\xd8\xff"),
    (WEBP, b"RIFF\0\1\0\0WEBPVP8L"),
    (GIF, b"GIF89a"),
    (PDF, b"%PDF-1.7"),
]


@given(heads)
def test_any_bytes_are_a_known_kind_or_none(head: bytes) -> None:
    assert sniff(head) in {*KINDS, None}


@given(st.text())
def test_any_extension_has_a_known_kind_or_none(extension: str) -> None:
    assert kind_of_extension(extension) in {*KINDS, None}


@given(heads, heads)
@example(b"PK\3\4" + bytes(22) + b"\x08\0\0\0mime", b"type")
@example(b"\0\0\0\x18ftypmif1\0\0\0\0mif1", b"avif")
@example(b"<!--->", b"-->")
def test_more_of_a_file_never_changes_what_it_was_recognised_as(head: bytes, more: bytes) -> None:
    kind = sniff(head)
    if kind is not None:
        assert sniff(head + more) == kind


@given(heads, heads)
def test_what_comes_after_the_head_is_not_looked_at(head: bytes, more: bytes) -> None:
    head = head.ljust(HEAD_SIZE, b"\0")
    assert sniff(head + more) == sniff(head[:HEAD_SIZE])


@given(st.sampled_from(SIGNATURES), heads)
@example((GIF, b"GIF89a"), b"/*<html><script>alert(1)</script>*/=1;")
@example((PDF, b"%PDF-1.7"), b"\nPK\3\4")
def test_a_file_of_two_formats_is_what_its_first_bytes_say(
    signature: tuple[Kind, bytes], rest: bytes
) -> None:
    kind, first = signature
    assert sniff(first + rest) == kind


prose = st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs"]), min_size=1)


@given(prose, st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
def test_text_that_mentions_signatures_is_not_recognised(before: str, mentioned: bytes) -> None:
    assert sniff(b"About " + before.encode() + mentioned) is None
