"""What must hold for every name and key, however hostile the values. `make soak` asks for more."""

import json
import os
import posixpath
import random
import re
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PureWindowsPath
from typing import Self, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from sinkwell.naming import KeyValues, Template, identifier, segment

T = TypeVar("T")
Drawn = SearchStrategy[object]

SCALES = [
    pytest.param(10_000, id="suite"),
    pytest.param(200_000, id="soak", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


def run(examples: int, check: Callable[..., None], **drawn: Drawn) -> None:
    phases = (Phase.generate, Phase.shrink)
    scaled = settings(max_examples=examples, deadline=None, database=None, phases=phases)
    scaled(given(**drawn)(check))()


def holds_for(**drawn: Drawn) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Make a test of a check: of 10,000 examples in the suite, of 200,000 in the soak."""

    def decorate(check: Callable[..., None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", SCALES)
        def test(examples: int) -> None:
            run(examples, check, **drawn)

        return test

    return decorate


# ---- hostile texts: each example is one drawn text, as drawing is what takes the time ---------

WORDS = """
    con NUL Aux prn COM1 com0 LPT9 COM\u00b9 lpt\u00b3 CONIN$ CLOCK$ soap SOAP . .. - _ -- ~ # [ ?
    .well-known acme-challenge .txt .html .png x A b7 none / \\ ../ ..\\ ./ %2e%2e%2f %00 C: @ :80
    * = https:// xn-- \u202e \u2066 \u200b \u200d \ufeff \u00ad \u0301 \u0345 \U000e0041 \ud800
    \ud83d \ude00 \udfff \U0001f600 \u00e9 e\u0301 \u00df \u1e9e \u0130 \u0131 \u017f \ufb01 \u2163
    \u212a \uff0e \uff0f \u2024 \u2044 \u2215 \u65e5 \u03a9 \ufdfa
"""
SPACES = [" ", "  ", "\t", "\r\n", "\0", "\x7f", "\x85", "\u2028", "\u3000", ""]
PIECES = WORDS.split() + SPACES + ["a" * 64, "B" * 121, "-" + "a" * 16, "--" + "q" * 16]
CUT = "\x1f"


def characters(least: int, most: int) -> SearchStrategy[str]:
    return st.text(st.characters(), min_size=least, max_size=most)


def hostile(drawn: str) -> str:
    """Let most of what Unicode has above its first planes stand for a piece that hurts."""
    return "".join(
        PIECES[ord(char) % len(PIECES)] if char >= "\U00020000" else char for char in drawn
    )


def several(drawn: str, count: int) -> list[str]:
    """Cut one text into hostile ones; those for which it does not suffice are empty."""
    cut = "".join(char if ord(char) % 4 else CUT for char in drawn).split(CUT)
    return [hostile(text) for text in [*cut, *[""] * count][:count]]


def chosen(choices: Sequence[T], char: str) -> T:
    return choices[ord(char) % len(choices)]


def key_values(drawn: str) -> KeyValues:
    id_, name, tag, label, url, source, ext, file_id = several(drawn, 8)
    return KeyValues(
        id=id_,
        file_id=file_id,
        source=source,
        received_at=1795343400.0,
        ext=ext,
        sha256="0123456789abcdef" * 4,
        name=name,
        url=url,
        tags=(tag,),
        labels={"team": label},
    )


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


texts = characters(0, 12).map(hostile)
pairs = characters(1, 16).map(pair)
values = characters(0, 40).map(key_values)

# ---- templates of every make -----------------------------------------------------------------

PARTS = """
    {id} {token} {file_id} {source} {domain} {tag} {name} {label.team} {label.none} {yyyy} {mm}
    {date} {time} {ext} {sha256} {sha256:8} {sha256:1} {uuid} shots Com n dt= c lp
"""


def some_templates(count: int) -> list[Template]:
    """Choose templates, the same ones in every run."""
    dice = random.Random(22)

    def some_segment() -> str:
        parts = dice.choices(PARTS.split(), k=dice.choice([1, 2, 3]))
        return dice.choice(["", "-", "_", ".", "x"]).join(parts)

    return [
        Template.parse(
            "/".join(some_segment() for _ in range(dice.choice([1, 1, 1, 2, 2, 2, 3, 12])))
            + dice.choice(["", ".{ext}", ".{format}", ".png"])
        )
        for _ in range(count)
    ]


TEMPLATES = some_templates(200)
WITH_ID = [template for template in TEMPLATES if template.variables & {"id", "token"}]


@dataclass(frozen=True)
class Case:
    """A template and the values to put in."""

    template: Template
    values: KeyValues

    @classmethod
    def of(cls, drawn: str) -> Self:
        return cls(chosen(TEMPLATES, drawn[0]), key_values(drawn[1:]))

    @property
    def key(self) -> str:
        return self.template.key(self.values)


cases = characters(1, 40).map(Case.of)

# ---- what is asked of a name, said another way -----------------------------------------------

DEVICES = {"con", "prn", "aux", "nul"} | {
    f"{port}{n}" for port in ("com", "lpt") for n in range(10)
}


def is_device(name: str) -> bool:
    return name.partition(".")[0].lower() in DEVICES


def forms(name: str) -> set[str]:
    return {unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")}


# ---- segments --------------------------------------------------------------------------------


@holds_for(raw=texts)
def test_every_text_has_a_segment_and_an_identifier(raw: str) -> None:
    for dots in (True, False):
        assert isinstance(segment(raw, dots=dots), str)
        assert isinstance(identifier(raw, dots=dots), str)


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

    run(examples, keep, raw=texts)
    first = answers("0", "C", "UTC")
    assert len(json.loads(first)) >= examples
    assert answers("1", "C.UTF-8", "Asia/Tokyo") == first
    assert answers("random", "POSIX", "America/New_York") == first


@holds_for(raw=texts)
def test_a_segment_is_its_own_segment(raw: str) -> None:
    for dots in (True, False):
        once = segment(raw, dots=dots)
        assert segment(once, dots=dots) == once


@holds_for(raw=st.text("abcmnoptuxyz0189_-.", min_size=1, max_size=60))
def test_a_name_that_is_safe_comes_back_as_it_is(raw: str) -> None:
    assume(raw[0] not in ".-" and raw[-1] != "." and ".." not in raw and not is_device(raw))
    assert segment(raw) == raw
    assert segment(raw, dots=False) == raw or "." in raw


@holds_for(names=pairs)
def test_two_names_never_share_a_segment(names: tuple[str, str]) -> None:
    a, b = names
    assert segment(a) != segment(b)
    assert segment(a, dots=False) != segment(b, dots=False)


@holds_for(names=pairs)
def test_two_names_never_share_a_segment_where_case_is_ignored(names: tuple[str, str]) -> None:
    a, b = names
    assert segment(a).casefold() != segment(b).casefold()
    assert segment(a).upper() != segment(b).upper()


@holds_for(names=pairs)
def test_two_ids_never_share_an_identifier(names: tuple[str, str]) -> None:
    a, b = names
    for rival in {b, identifier(a), segment(a)} - {a}:
        assert identifier(a) != identifier(rival)


@holds_for(raw=texts)
def test_no_unicode_normalisation_changes_a_segment(raw: str) -> None:
    assert forms(segment(raw)) == {segment(raw)}


@holds_for(raw=texts)
def test_a_segment_has_safe_characters_only(raw: str) -> None:
    assert re.fullmatch(r"[a-z0-9._-]+", segment(raw))
    assert re.fullmatch(r"[a-z0-9_-]+", segment(raw, dots=False))
    assert re.fullmatch(r"[A-Za-z0-9._-]+", identifier(raw))


@holds_for(case=cases)
def test_segments_have_120_bytes_at_most_and_keys_900_in_32(case: Case) -> None:
    key = case.key
    assert all(1 <= len(name.encode()) <= 120 for name in [*key.split("/"), segment(key)])
    assert len(key.encode()) <= 900
    assert key.count("/") < 32


@holds_for(case=cases)
def test_no_part_of_a_key_is_read_as_more_than_a_name(case: Case) -> None:
    raw = case.values.id
    for name in [*case.key.split("/"), segment(raw), identifier(raw)]:
        assert re.fullmatch(r"[A-Za-z0-9._=-]+", name)
        assert name[0] not in ".-"
        assert name[-1] not in ". "
        assert ".." not in name


@holds_for(case=cases)
def test_no_part_of_a_key_is_a_windows_device(case: Case) -> None:
    raw = case.values.id
    for name in [*case.key.split("/"), segment(raw), identifier(raw)]:
        assert not is_device(name)


@holds_for(case=cases)
def test_no_key_is_one_that_stores_keep_for_themselves(case: Case) -> None:
    key, raw = case.key, case.values.id
    for name in (key, segment(raw), identifier(raw)):
        assert name.lower() != "soap"
        assert not name.startswith(".well-known")


@holds_for(case=cases)
def test_a_key_survives_urls_and_every_normaliser(case: Case) -> None:
    key = case.key
    assert unquote(quote(key)) == key
    assert urlsplit(urljoin("https://host/bucket/", key)).path == f"/bucket/{key}"
    assert posixpath.normpath(key) == key
    assert list(PureWindowsPath(key).parts) == key.split("/")
    assert forms(key) == {key}


# ---- keys ------------------------------------------------------------------------------------


@holds_for(case=cases)
def test_no_value_adds_or_removes_a_segment(case: Case) -> None:
    assert case.key.count("/") == str(case.template).count("/")


OWN_PREFIX = Template.parse("{source}/{tag}/{id}.{ext}")
GIVEN_PREFIX = Template.parse("tenants/a/{tag}/{name}/{id}.{ext}")


@holds_for(names=pairs)
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


@holds_for(values=values, template=st.sampled_from(FILE_NAME_TEMPLATES))
def test_the_only_extension_is_that_of_the_content(values: KeyValues, template: Template) -> None:
    named = replace(values, name=f"{values.name}.html.png", ext="jpg")
    _, extension = template.key(named).split("/")[-1].split(".")
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


@holds_for(files=characters(3, 40).map(Rivalry.of))
def test_two_ids_never_share_a_key_and_one_id_has_one_key(files: Rivalry) -> None:
    mine, theirs = files.template.key(files.mine), files.template.key(files.theirs)
    assert files.template.key(replace(files.mine)) == mine
    assert not files.template.can_collide
    assert files.mine.id == files.theirs.id or mine != theirs
