"""Key templates: ``screenshots/{domain}/{yyyy}/{mm}/{dd}/{id}.{ext}``.

What is wrong with a template is said when it is parsed; a template that was parsed makes a safe
key of any values. A value is sanitised alone, so it can neither add nor remove a segment.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from difflib import get_close_matches
from typing import NoReturn, Self

from sinkwell.naming.compose import SHORTEST_LIMIT, Composer, Part
from sinkwell.naming.segment import LONGEST_SEGMENT, is_reserved
from sinkwell.naming.variables import VARIABLE_NAMES, KeyValues, Variable, find_variable

LONGEST_KEY = 900
"""Bytes of a key. Stores take 1,023 or more; the rest is room for a prefix."""

MOST_SEGMENTS = 32

_OWN_TO_SINKWELL = {"source", "file_id", "uuid", "sha256", "sha256:64"}
_EXAMPLE = "{source}/{yyyy}/{mm}/{dd}/{id}.{ext}"
_TOKEN = re.compile(r"\{(?P<name>[^{}]*)\}|(?P<brace>[{}])|(?P<literal>[^{}]+)")
_FOREIGN = re.compile(r"[^A-Za-z0-9._=-]")


class TemplateError(ValueError):
    """A key template cannot be used. Says what is wrong with it, where, and what to do."""


@dataclass(frozen=True, slots=True)
class Template:
    """The form of the keys of one sink or route, made by :meth:`parse`; ``str`` gives its text."""

    text: str
    variables: frozenset[str] = field(compare=False)
    """The names in braces, as they are written: ``yyyy``, ``sha256:8``, ``label.team``."""
    can_collide: bool = field(compare=False)
    """True when two different files may get one key, since nothing in it is a file's own: none
    of ``id``, ``token``, ``file_id``, ``uuid`` and the whole ``sha256``."""
    segments: tuple[str | Composer, ...] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str, zone: tzinfo = UTC) -> Self:
        """Compile a template whose clock is that of ``zone``.

        Beside variables it may hold letters of either case, digits and ``. _ - =`` (the last for
        partitions such as ``dt={date}``; no value ever brings one), and ``/`` between segments.

        Raises ``TemplateError``.
        """
        if not text:
            raise TemplateError(f'the key template is empty: write one such as "{_EXAMPLE}"')
        raws = text.split("/")
        segments: list[tuple[Part, ...]] = []
        at = 0
        for number, raw in enumerate(raws, 1):
            if number > MOST_SEGMENTS:
                raise _error(text, at, f"segment {number} begins", f"{MOST_SEGMENTS} are allowed")
            _check(text, at, raw)
            segments.append(tuple(_parts(text, at, raw, dots=number < len(raws), zone=zone)))
            at += len(raw) + 1
        limit = _limit(text, segments)
        composers = tuple(
            Composer.of(parts, limit) if _is_variable(parts) else "".join(map(str, parts))
            for parts in segments
        )
        return cls(
            text,
            frozenset(found["name"] for found in _TOKEN.finditer(text) if found["name"]),
            not any(isinstance(it, Composer) and it.identities for it in composers),
            composers,
        )

    def key(self, values: KeyValues) -> str:
        """Make the key of a file: at most 900 bytes of ASCII, as many segments as the template."""
        return "/".join(
            [
                segment if isinstance(segment, str) else segment.render(values)
                for segment in self.segments
            ]
        )

    @property
    def tells_sources_apart(self) -> bool:
        """False when files of two sources may get one key, as the ids of providers may be equal."""
        return bool(self.variables & _OWN_TO_SINKWELL)

    def __str__(self) -> str:
        return self.text


def _error(text: str, at: int, what: str, cure: str) -> TemplateError:
    return TemplateError(f"{what} at character {at + 1} of the key template {text!r}: {cure}")


def _check(text: str, at: int, raw: str) -> None:
    """Refuse a segment that no value could make a good one."""
    if not raw:
        where = "starts the key" if at == 0 else "ends the key" if at == len(text) else "is doubled"
        raise _error(text, max(0, at - 1), f'a "/" that {where}', "remove it")
    if raw in {".", ".."}:
        raise _error(text, at, f'the segment "{raw}"', "a key names its place in full; remove it")
    if raw[0] in ".-":
        raise _error(text, at, f'a segment that starts with "{raw[0]}"', "start with a letter")
    if raw[-1] == ".":
        raise _error(text, at + len(raw) - 1, 'a segment that ends in "."', "remove the dot")
    if is_reserved(raw):
        raise _error(text, at, f'the reserved name "{raw}"', f'choose another, such as "_{raw}"')
    if "{" not in raw and len(raw) > LONGEST_SEGMENT:
        raise _error(
            text, at, f"a segment of {len(raw)} characters", f"use at most {LONGEST_SEGMENT}"
        )


def _parts(text: str, start: int, raw: str, *, dots: bool, zone: tzinfo) -> Iterator[Part]:
    for token in _TOKEN.finditer(raw):
        at = start + token.start()
        if token["brace"]:
            what = "never closed in its segment" if token["brace"] == "{" else "never opened"
            raise _error(text, at, f'a "{token["brace"]}" that is {what}', "write {name}")
        if literal := token["literal"]:
            _check_literal(text, at, literal)
            yield literal
        else:
            name = token["name"]
            yield find_variable(name, dots=dots, zone=zone) or _unknown(text, at, name)


def _check_literal(text: str, at: int, literal: str) -> None:
    if foreign := _FOREIGN.search(literal):
        raise _error(
            text,
            at + foreign.start(),
            f"the character {foreign[0]!r}",
            "outside braces a key template holds letters, digits and . _ - = / only",
        )
    if ".." in literal:
        raise _error(text, at + literal.index(".."), 'the text ".."', "write one dot")


def _unknown(text: str, at: int, name: str) -> NoReturn:
    base, colon, length = name.partition(":")
    if base == "sha256":
        raise _error(text, at, f"the length {length!r} of {{sha256}}", "use 1 to 64")
    if name == "label.":
        raise _error(text, at, "{label.} without a name", "write {label.NAME}")
    if colon and (base in VARIABLE_NAMES or base.startswith("label.")):
        raise _error(text, at, f"a length of {{{base}}}", "only {sha256} takes one")
    known = [*VARIABLE_NAMES, f"label.{name.partition('.')[2] or 'NAME'}"]
    near = get_close_matches(base.lower(), known, 1)
    cure = f"did you mean {{{near[0]}}}?" if near else f"there are {', '.join(known)}, sha256:N"
    raise _error(text, at, f"the unknown variable {{{name}}}", cure)


def _limit(text: str, segments: Sequence[Sequence[Part]]) -> int:
    """Return how long a segment with variables may get, so that every key is short enough."""
    literal = len(segments) - 1
    longest = []
    for parts in segments:
        width = sum(len(part) if isinstance(part, str) else part.longest for part in parts)
        if _is_variable(parts):
            longest.append(width)
        else:
            literal += width
    for limit in range(LONGEST_SEGMENT, SHORTEST_LIMIT - 1, -1):
        if literal + sum(min(limit, width) for width in longest) <= LONGEST_KEY:
            return limit
    raise TemplateError(
        f"the key template {text!r} leaves its variables too little of the {LONGEST_KEY} "
        "characters of a key: use fewer segments or shorter text"
    )


def _is_variable(parts: Sequence[Part]) -> bool:
    return any(isinstance(part, Variable) for part in parts)
