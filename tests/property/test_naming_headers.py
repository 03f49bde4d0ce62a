"""Texts of a sender's in headers: nothing breaks out of them, and they can be read back."""

import re
from email.message import Message
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from naming_support import Drawn, chosen, holds_for, hostile, shows

from sinkwell.contract import content_disposition, metadata_text
from sinkwell.contract.headers import LONGEST_HEADER, LONGEST_METADATA

long_names = Drawn(1, 13, lambda drawn: hostile(drawn[1:]) * chosen([1, 1, 1, 9, 40], drawn[0]))

# The grammar of RFC 6266 and RFC 8187, as strict as a recipient may be.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_HEADER = re.compile(
    rf"(?P<type>{_TOKEN})"
    r'; filename="(?P<plain>(?:[^"\\\x00-\x1f\x7f-\U0010ffff])*)"'
    r"(?:; filename\*=UTF-8''(?P<whole>(?:[!#$&+.^_`|~0-9A-Za-z-]|%[0-9A-F]{2})+))?"
)
_DANGEROUS = re.compile(
    "[\0-\x1f\x7f-\x9f/\\\\\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
    "|[\u061c\u200e\u200f]"
)


def read_back(header: str) -> str:
    """Read a name as a browser does: the whole one where there is one."""
    found = _HEADER.fullmatch(header)
    assert found is not None, header
    if found["whole"] is None:
        return found["plain"]
    return unquote_to_bytes(found["whole"]).decode()


def plain_name(header: str) -> str | None:
    """Read the name in ASCII, as programs do that know no other."""
    message = Message()
    message["Content-Disposition"] = header
    return message.get_filename()


@shows(21)
@holds_for(long_names)
def test_a_content_disposition_holds_one_safe_name_and_is_read_back(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert len(header) <= LONGEST_HEADER
    assert header.startswith('attachment; filename="')

    read = read_back(header)
    assert read
    assert not _DANGEROUS.search(read)
    assert len(read.encode()) <= 240
    plain = plain_name(header)
    assert plain is not None
    assert len(plain) == len(read)
    assert all(ours in {theirs, "_"} for ours, theirs in zip(plain, read, strict=True))
    if len(name.encode("utf-8", "surrogatepass")) <= 240:
        assert read == (_DANGEROUS.sub("_", name).strip() or "file")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("report.png", 'attachment; filename="report.png"'),
        ("a b(1).png", 'attachment; filename="a b(1).png"'),
        ("é.png", "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%A9.png"),
        ('a".png', "attachment; filename=\"a_.png\"; filename*=UTF-8''a%22.png"),
        ("<a>", "attachment; filename=\"_a_\"; filename*=UTF-8''%3Ca%3E"),
        ("100%.png", "attachment; filename=\"100_.png\"; filename*=UTF-8''100%25.png"),
        ("a\r\nSet-Cookie: b", 'attachment; filename="a__Set-Cookie: b"'),
        ("../etc/passwd", 'attachment; filename=".._etc_passwd"'),
        ("gpj\u202eexe", 'attachment; filename="gpj_exe"'),
        ("", 'attachment; filename="file"'),
        (" a ", 'attachment; filename="a"'),
        ("x" * 300 + ".png", f'attachment; filename="{"x" * 236}.png"'),
    ],
)
def test_names_in_a_content_disposition(name: str, expected: str) -> None:
    assert content_disposition(name) == expected


def test_a_long_name_keeps_its_extension_and_whole_characters() -> None:
    assert read_back(content_disposition("日" * 300 + ".jpeg")) == "日" * 78 + ".jpeg"
    assert read_back(content_disposition("日" * 300 + "." + "x" * 20)) == "日" * 80


def test_a_picture_may_be_shown_in_its_place() -> None:
    assert content_disposition("a.png", disposition="inline") == 'inline; filename="a.png"'
    with pytest.raises(ValueError, match='disposition is "attachment" or "inline"'):
        content_disposition("a.png", disposition="x\r\n")  # type: ignore[arg-type]  # a bug


@shows(22)
@holds_for(long_names)
def test_metadata_is_ascii_and_gives_back_what_fits(value: str) -> None:
    text = metadata_text(value)
    assert re.fullmatch(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})*", text)
    assert len(text) <= LONGEST_METADATA

    read = unquote(text, errors="surrogatepass")
    assert value.startswith(read)
    left = value[len(read) :]
    if left:
        assert len(text) + len(quote(left[0], safe="", errors="surrogatepass")) > LONGEST_METADATA


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        ("report-1.png", 2048, "report-1.png"),
        ("a b/c", 2048, "a%20b%2Fc"),
        ("\u00e9\u00e9", 11, "%C3%A9"),
        ("\u00e9\u00e9", 12, "%C3%A9%C3%A9"),
        ("\u00e9", 5, ""),
        ("a\ud800", 2048, "a%ED%A0%80"),
        ("abc", 0, ""),
        ("abc", -1, ""),
    ],
)
def test_metadata_is_cut_between_characters(value: str, limit: int, expected: str) -> None:
    assert metadata_text(value, limit=limit) == expected


def test_a_megabyte_of_a_name_takes_no_time() -> None:
    assert len(content_disposition("é" * 1_000_000)) <= LONGEST_HEADER
    assert len(metadata_text("é" * 1_000_000)) == LONGEST_METADATA - LONGEST_METADATA % 6
