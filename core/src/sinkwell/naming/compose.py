"""One segment of a template: text and variables that make one safe segment of a key together."""

import re
from dataclasses import dataclass
from typing import Self

from sinkwell.naming.segment import HASH, RESERVED, hash_of, is_reserved
from sinkwell.naming.variables import KeyValues, Role, Variable

_MARK = "--"
"""Stands before the hash of a whole segment; no sanitised value has it before its own."""

SHORTEST_LIMIT = 32
"""The least limit of a segment: leaves four readable letters beside the hash and an extension."""

_NOT_HASHED = rf"(?!.*{_MARK}{HASH}(?:\.[^.]*)?\Z)"
_SHORT_EXTENSION = re.compile(r"\.[^.]{1,8}\Z")


Part = str | Variable


@dataclass(frozen=True, slots=True)
class Composer:
    """Renders one segment of a template."""

    parts: tuple[Part, ...]
    limit: int
    """Bytes that the segment may have."""
    as_it_is: re.Pattern[str] | None
    """Matches a text that is safe, and reads the identities in it back; None where no text tells
    where they begin and end."""
    identities: tuple[int, ...]
    """Which parts are identities."""

    @classmethod
    def of(cls, parts: tuple[Part, ...], limit: int) -> Self:
        """Make a composer of parts that hold at least one variable."""
        identities = tuple(at for at, part in enumerate(parts) if _role_of(part) is Role.IDENTITY)
        reading = _reading(parts) if identities else ".+"
        pattern = None if reading is None else re.compile(rf"(?!{RESERVED}){reading}")
        return cls(parts, limit, pattern, identities)

    def render(self, values: KeyValues) -> str:
        """Put the values in.

        Each is safe alone; together they may be too long, spell a reserved name, or be read in
        two ways: ``{id}-{tag}`` of ``a``, ``b-c`` and of ``a-b``, ``c``. So the text is taken as
        it is only when each identity that is read back from it is the one that was put in; else
        it is shortened and ends in a hash of its parts, before the extension if there is one.
        """
        texts = self.texts(values)
        text = "".join(texts)
        if self.as_it_is and len(text) <= self.limit:
            read = self.as_it_is.fullmatch(text)
            if read and read.groups() == tuple([texts[at] for at in self.identities]):
                return text
        return self._hashed(text, hash_of("/".join(texts)))

    def texts(self, values: KeyValues) -> list[str]:
        """Return what each part is alone."""
        return [part if isinstance(part, str) else part.render(values) for part in self.parts]

    def _hashed(self, text: str, digest: str) -> str:
        found = _SHORT_EXTENSION.search(text) if _ends_in_extension(self.parts) else None
        extension = found[0] if found else ""
        tail = f"{_MARK}{digest}{extension}"
        head = text.removesuffix(extension)[: self.limit - len(tail) - 1]
        return f"_{head}{tail}" if is_reserved(head) else f"{head}{tail}"


def _reading(parts: tuple[Part, ...]) -> str | None:
    """Write the expression that reads the identities back from a segment, one group each.

    Between the first and the last free text nothing can be told apart: an identity there has no
    reading. One before them reaches to the character that follows it in the template, one after
    them also back to the character before it, so it must not hold these. What is matched is
    never given back (`++`), but for one `.+`: no value takes long to read.
    """
    free = [at for at, part in enumerate(parts) if _role_of(part) is Role.TEXT]
    first, last = (free[0], free[-1]) if free else (len(parts), len(parts))
    padded = ("", *parts, "")
    pattern = _NOT_HASHED
    for at, part in enumerate(parts):
        if first <= at <= last:
            if _role_of(part) is Role.IDENTITY:
                return None
            pattern += ".+" if at == first else ""
        elif isinstance(part, str):
            pattern += re.escape(part)
        elif part.shape:
            pattern += f"({part.shape})" if part.role is Role.IDENTITY else part.shape
        else:
            before, after = padded[at] if at > last else "", padded[at + 2]
            if not (isinstance(before, str) and isinstance(after, str)):
                return None
            pattern += f"([^/{re.escape(before[-1:] + after[:1])}]++)"
    return pattern


def _role_of(part: Part) -> Role | None:
    return part.role if isinstance(part, Variable) else None


def _ends_in_extension(parts: tuple[Part, ...]) -> bool:
    """Tell whether the template itself gives the extension: ``.png``, ``.{ext}``."""
    *_, before, last = ("", *parts)
    if isinstance(last, str):
        return "." in last
    return last.role is Role.EXTENSION and isinstance(before, str) and before.endswith(".")
