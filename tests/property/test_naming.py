"""What must hold for every name and key, however hostile the values. `make soak` asks for more.

The properties, and the tests that show them, each marked ``@shows(number)``:

1. Every text has a segment, and a megabyte of it in 5 ms.
2. Names are the same in every process, with every hash seed, locale and time zone.
3. A segment is its own segment.
4. A safe name comes back as it is.
5. Two names never share a segment,
6. also where case is ignored.
7. No Unicode normalisation changes a name.
8. Safe characters only.
9. 1 to 120 bytes a segment, 900 bytes and 32 segments a key.
10. No segment is read as more than a name.
11. No Windows device.
12. No key that stores keep for themselves.
13. Nothing lands outside the root of a disk: ``test_local_containment.py``.
14. URLs and normalisers leave a key as it is.
15. Real object stores list and return exactly what was put: ``test_naming_stores.py``.
16. So does a real disk: likewise.
17. No value adds or removes a segment.
18. No value lands under the prefix of another source.
19. The only extension is that of the content.
20. Two ids never share a key, one id has one; templates that can collide are reported.
21. Content-Disposition is safe and can be read back: ``test_naming_headers.py``.
22. So is metadata: likewise.
"""

import ast
import json
import os
import posixpath
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Self
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from naming_support import (
    SCALES,
    TEMPLATES,
    Case,
    Drawn,
    cases,
    chosen,
    holds_for,
    key_values,
    run,
    several,
    shows,
    texts,
)

from sinkwell.naming import KeyValues, Template, identifier, segment

WITH_ID = [template for template in TEMPLATES if template.variables & {"id", "token"}]

TWISTS: list[Callable[[str, str], str]] = [
    lambda a, b: b,
    lambda a, b: a + b,
    lambda a, b: a.swapcase(),
    lambda a, b: a.casefold(),
    lambda a, b: unicodedata.normalize("NFC", a),
    lambda a, b: unicodedata.normalize("NFD", a),
    lambda a, b: unicodedata.normalize("NFKC", a),
    lambda a, b: re.sub("[^A-Za-z0-9]", "_", a),
    lambda a, b: a.replace("_", "-"),
    lambda a, b: a.strip(),
    lambda a, b: a.replace("\ud83d", "\ude00"),
    lambda a, b: a[:120],
    lambda a, b: a[::-1],
    lambda a, b: a.encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    lambda a, b: segment(a)[:-1],
    lambda a, b: segment(a).upper(),
]


def pair(drawn: str) -> tuple[str, str]:
    """Make two different texts, neither of them the segment of the other."""
    a, other = several(drawn[1:], 2)
    b = chosen(TWISTS, drawn[0])(a, other)
    return a, f"{b}x" if b in {a, segment(a)} or a == segment(b) else b


pairs = Drawn(1, 16, pair)

# ---- what is asked of a name, said another way -----------------------------------------------

DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(10)
}


def is_device(name: str) -> bool:
    return name.partition(".")[0].lower() in DEVICES


def forms(name: str) -> set[str]:
    return {unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")}


# ---- segments --------------------------------------------------------------------------------


@shows(1)
@holds_for(texts)
def test_every_text_has_a_segment_and_an_identifier(raw: str) -> None:
    for dots in (True, False):
        assert isinstance(segment(raw, dots=dots), str)
        assert isinstance(identifier(raw, dots=dots), str)


@shows(1)
@pytest.mark.parametrize("unit", ["a", "A", ".", "\u00e9", "\u0301", "\ud800", "\U0001f600"])
def test_a_megabyte_takes_less_than_five_milliseconds(unit: str) -> None:
    raw = unit * (1_000_000 // len(unit.encode("utf-8", "surrogatepass")))

    def seconds() -> float:
        start = time.thread_time()
        segment(raw)
        return time.thread_time() - start

    assert min(seconds() for _ in range(10)) < 0.005


ELSEWHERE = """
import json, locale, sys
from sinkwell.naming import KeyValues, Template, identifier, segment
locale.setlocale(locale.LC_ALL, "")
def key(raw):
    return template.key(KeyValues(id=raw, file_id=raw, source=raw, received_at=1795343400.0,
                                  ext="png", sha256="ab" * 32, name=raw, url=raw, tags=(raw,)))
template = Template.parse(
    "{source}/{domain}/{date}T{time}/{tag}/{uuid}/{file_id}/{name}-{id}.{ext}")
json.dump([[segment(raw), identifier(raw), key(raw)] for raw in json.load(sys.stdin)], sys.stdout)
"""


@shows(2)
@pytest.mark.parametrize("examples", SCALES)
def test_names_are_the_same_in_every_process_hash_seed_locale_and_time_zone(examples: int) -> None:
    corpus: list[str] = []

    def keep(raw: str) -> None:
        corpus.append(raw)

    def answers(seed: str, locale: str, zone: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", ELSEWHERE],
            input=json.dumps(corpus),
            env=os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone},
            capture_output=True,
            check=True,
            text=True,
        ).stdout

    run(examples, keep, texts)
    first = answers("0", "C", "UTC")
    assert len(json.loads(first)) >= examples
    assert answers("1", "C.UTF-8", "Asia/Tokyo") == first
    assert answers("random", "POSIX", "America/New_York") == first


@shows(3)
@holds_for(texts)
def test_a_segment_is_its_own_segment(raw: str) -> None:
    for dots in (True, False):
        once = segment(raw, dots=dots)
        assert segment(once, dots=dots) == once


def safe_name(drawn: str) -> str:
    """Make a safe name of safe characters."""
    name = "".join(chosen("abcmnoptuxyz0189_-.", char) for char in drawn)
    name = re.sub(r"\.{2,}", ".", name).lstrip("-.").rstrip(".") or "x"
    return f"x{name}" if is_device(name) or name == "soap" else name


@shows(4)
@holds_for(Drawn(0, 60, safe_name))
def test_a_name_that_is_safe_comes_back_as_it_is(raw: str) -> None:
    assert segment(raw) == raw
    assert segment(raw, dots=False) == raw or "." in raw


@shows(5)
@holds_for(pairs)
def test_two_names_never_share_a_segment(names: tuple[str, str]) -> None:
    a, b = names
    assert segment(a) != segment(b)
    assert segment(a, dots=False) != segment(b, dots=False)


@shows(6)
@holds_for(pairs)
def test_two_names_never_share_a_segment_where_case_is_ignored(names: tuple[str, str]) -> None:
    a, b = names
    assert segment(a).casefold() != segment(b).casefold()
    assert segment(a).upper() != segment(b).upper()


@shows(5, 20)
@holds_for(pairs)
def test_two_ids_never_share_an_identifier(names: tuple[str, str]) -> None:
    a, b = names
    for rival in {b, identifier(a), segment(a)} - {a}:
        assert identifier(a) != identifier(rival)


@shows(7)
@holds_for(texts)
def test_no_unicode_normalisation_changes_a_segment(raw: str) -> None:
    assert forms(segment(raw)) == {segment(raw)}


@shows(8)
@holds_for(texts)
def test_a_segment_has_safe_characters_only(raw: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]+", segment(raw))
    assert re.fullmatch(r"[a-z0-9_-]+", segment(raw, dots=False))
    assert re.fullmatch(r"[A-Za-z0-9._-]+", identifier(raw))


@shows(9)
@holds_for(cases)
def test_segments_have_120_bytes_at_most_and_keys_900_in_32(case: Case) -> None:
    key = case.key
    assert all(1 <= len(name.encode()) <= 120 for name in [*key.split("/"), segment(key)])
    assert len(key.encode()) <= 900
    assert key.count("/") < 32


@shows(10)
@holds_for(cases)
def test_no_part_of_a_key_is_read_as_more_than_a_name(case: Case) -> None:
    raw = case.values.id
    for name in [*case.key.split("/"), segment(raw), identifier(raw)]:
        assert re.fullmatch(r"[A-Za-z0-9._=-]+", name)
        assert name[0] not in ".-"
        assert name[-1] not in ". "
        assert ".." not in name


@shows(11)
@holds_for(cases)
def test_no_part_of_a_key_is_a_windows_device(case: Case) -> None:
    raw = case.values.id
    for name in [*case.key.split("/"), segment(raw), identifier(raw)]:
        assert not is_device(name)


@shows(12)
@holds_for(cases)
def test_no_key_is_one_that_stores_keep_for_themselves(case: Case) -> None:
    key, raw = case.key, case.values.id
    for name in (key, segment(raw), identifier(raw)):
        assert name.lower() != "soap"
        assert not name.startswith(".well-known")


@shows(7, 14)
@holds_for(cases)
def test_a_key_survives_urls_and_every_normaliser(case: Case) -> None:
    key = case.key
    assert unquote(quote(key)) == key
    assert urlsplit(urljoin("https://host/bucket/", key)).path == f"/bucket/{key}"
    assert posixpath.normpath(key) == key
    assert list(PureWindowsPath(key).parts) == key.split("/")
    assert forms(key) == {key}


# ---- keys ------------------------------------------------------------------------------------


@shows(17)
@holds_for(cases)
def test_no_value_adds_or_removes_a_segment(case: Case) -> None:
    assert case.key.count("/") == str(case.template).count("/")


OWN_PREFIX = Template.parse("{source}/{tag}/{id}.{ext}")
GIVEN_PREFIX = Template.parse("tenants/a/{tag}/{name}/{id}.{ext}")


@shows(18)
@holds_for(pairs)
def test_no_value_of_a_source_lands_under_the_prefix_of_another(names: tuple[str, str]) -> None:
    a, b = (f"s{name}" for name in names)
    values = replace(key_values(""), source=a, id=b, name=b, tags=(b,))
    key = posixpath.normpath(OWN_PREFIX.key(values))
    assert key.startswith(f"{segment(a)}/")
    assert not key.startswith(f"{segment(b)}/")
    assert posixpath.normpath(GIVEN_PREFIX.key(values)).startswith("tenants/a/")


FILE_NAMES = """
    {name}.{ext} {name}-{id}.{ext} {id}/{name}.{format} {tag}_{name}.{ext} {label.team}{id}.{ext}
    {domain}/{source}.{ext} {file_id}{tag}.{ext}
"""
FILE_NAME_TEMPLATES = [Template.parse(text) for text in FILE_NAMES.split()]


def named(drawn: str) -> Case:
    """Make a template that ends in an extension, and values of a file that has others."""
    values = key_values(drawn[1:])
    values = replace(values, name=f"{values.name}.html.png", ext="jpg")
    return Case(chosen(FILE_NAME_TEMPLATES, drawn[0]), values)


@shows(19)
@holds_for(Drawn(1, 40, named))
def test_the_only_extension_is_that_of_the_content(case: Case) -> None:
    _, extension = case.key.split("/")[-1].split(".")
    assert extension == "jpg"


RIVALS: list[Callable[[KeyValues, str, KeyValues], KeyValues]] = [
    lambda mine, key, other: other,
    lambda mine, key, other: replace(mine, id=other.id),
    lambda mine, key, other: replace(mine, id=key.split("/")[-1]),
    lambda mine, key, other: replace(mine, id=mine.id.swapcase()),
    lambda mine, key, other: replace(mine, id=identifier(mine.id)),
    lambda mine, key, other: replace(mine, id=segment(mine.id, dots=False)),
    # The same letters, with the borders between the values elsewhere.
    lambda mine, key, other: replace(mine, id=f"{mine.id}-x", name="y", tags=("z",)),
    lambda mine, key, other: replace(mine, id="x", name="y", tags=(f"z-{mine.id}",)),
    lambda mine, key, other: replace(mine, id=mine.id[:1], name=f"{mine.id[1:]}{mine.name}"),
    lambda mine, key, other: replace(
        mine, id=mine.id[-1:], tags=(f"{mine.tags[0]}{mine.id[:-1]}",)
    ),
    # Texts of the sender's that spell the key of another file.
    lambda mine, key, other: replace(
        other, name=key.split("/")[-1], tags=(key.split("/")[-1],), labels={"team": key}
    ),
]
PLAIN_IDS = ["ab", "a-x", "aB", "x_y", None, None, None, None]


@dataclass(frozen=True)
class Rivalry:
    """Two files, and a template with the provider's id in it."""

    template: Template
    mine: KeyValues
    theirs: KeyValues

    @classmethod
    def of(cls, drawn: str) -> Self:
        template, rival = chosen(WITH_ID, drawn[0]), chosen(RIVALS, drawn[1])
        mine = other = key_values(drawn[3:])
        # Values that need no hash are the easiest to take for one another.
        if plain := chosen(PLAIN_IDS, drawn[2]):
            mine = replace(other, id=plain, name="x-y.png", tags=("z-a-x",))
        return cls(template, mine, rival(mine, template.key(mine), other))


@shows(20)
@holds_for(Drawn(3, 40, Rivalry.of))
def test_two_ids_never_share_a_key_and_one_id_has_one_key(files: Rivalry) -> None:
    mine, theirs = files.template.key(files.mine), files.template.key(files.theirs)
    assert files.template.key(replace(files.mine)) == mine
    assert not files.template.can_collide
    assert files.mine.id == files.theirs.id or mine != theirs


def test_every_property_is_shown() -> None:
    shown = {
        number.value
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "shows"
        for number in mark.args
        if isinstance(number, ast.Constant)
    }
    assert shown == {*range(1, 23)}
