"""Hostile names and values, templates of every make, and tests of them in large amounts."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Generic, Self, TypeVar

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sinkwell.naming import KeyValues, Template

T = TypeVar("T")

SCALES = [
    pytest.param(10_000, id="suite"),
    pytest.param(200_000, id="soak", marks=[pytest.mark.soak, pytest.mark.timeout(1800)]),
]


AT_ONCE = 50


@dataclass(frozen=True)
class Drawn(Generic[T]):
    """Examples: each is made of a text of its own, which has so many characters."""

    least: int
    most: int
    make: Callable[[str], T]


def run(examples: int, check: Callable[[T], None], drawn: Drawn[T]) -> None:
    """Check so many examples, no two of them made of the same text.

    To draw a text takes Hypothesis a millisecond, however short it is. So it draws a long one, and
    that is cut into those of fifty examples.
    """
    lengths = [drawn.least + n % (drawn.most - drawn.least + 1) for n in range(AT_ONCE)]
    cuts = [slice(*ends) for ends in pairwise(accumulate(lengths, initial=0))]
    seen: set[str] = set()

    def check_all(text: str) -> None:
        for cut in cuts:
            check(drawn.make(text[cut]))
            seen.add(text[cut])

    whole = st.text(st.characters(), min_size=sum(lengths), max_size=sum(lengths))
    while len(seen) < examples:
        scaled = settings(
            max_examples=(examples - len(seen)) // AT_ONCE + 5,  # the first has nothing new
            deadline=None,
            database=None,
            derandomize=False,  # else each round would draw what the one before did
            phases=(Phase.generate, Phase.shrink),
        )
        scaled(given(whole)(check_all))()


def shows(*_properties: int) -> Callable[[T], T]:
    """Note which of the 22 properties of names a test shows; a test of these notes finds gaps."""
    return lambda test: test


def holds_for(drawn: Drawn[T]) -> Callable[[Callable[[T], None]], Callable[[int], None]]:
    """Make a test of a check: of 10,000 examples in the suite, of 200,000 in the soak."""

    def decorate(check: Callable[[T], None]) -> Callable[[int], None]:
        @pytest.mark.parametrize("examples", SCALES)
        def test(examples: int) -> None:
            run(examples, check, drawn)

        return test

    return decorate


# ---- hostile texts ---------------------------------------------------------------------------

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


texts = Drawn(0, 12, hostile)

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


cases = Drawn(1, 40, Case.of)
