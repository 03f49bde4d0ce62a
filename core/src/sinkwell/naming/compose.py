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

_SHORT_EXTENSION = re.compile(r"\.[^.]{1,8}\Z")


@dataclass(frozen=True, slots=True)
class Composer:
    """Renders one segment of a template."""

    parts: tuple[str | Variable, ...]
    limit: int
    """Bytes that the segment may have."""
    as_it_is: re.Pattern[str]
    """Matches a text that is safe, and reads the identities in it back."""
    identities: tuple[int, ...]
    """Which parts are identities."""

    @classmethod
    def of(cls, parts: tuple[str | Variable, ...], limit: int) -> Self:
        """Make a composer of parts that hold at least one variable."""
        identities = tuple(
            at
            for at, part in enumerate(parts)
            if isinstance(part, Variable) and part.role is Role.IDENTITY
        )
        safe = rf"(?!{RESERVED})"
        if identities:
            safe += rf"(?!.*{_MARK}{HASH}(?:\.[^.]*)?\Z)"
        return cls(parts, limit, re.compile(safe + _reading(parts)), identities)

    def render(self, values: KeyValues) -> str:
        """Put the values in.

        Each is safe alone; together they may be too long, spell a reserved name, or be read in
        two ways: ``{id}-{tag}`` of ``a``, ``b-c`` and of ``a-b``, ``c``. So the text is taken as
        it is only when each identity that is read back from it is the one that was put in; else
        it is shortened and ends in a hash of its parts, before the extension if there is one.
        """
        texts = [part if isinstance(part, str) else part.render(values) for part in self.parts]
        text = "".join(texts)
        if len(text) <= self.limit:
            read = self.as_it_is.fullmatch(text)
            if read and read.groups() == tuple([texts[at] for at in self.identities]):
                return text
        return self._hashed(text, hash_of("/".join(texts)))

    def _hashed(self, text: str, digest: str) -> str:
        found = _SHORT_EXTENSION.search(text) if _ends_in_extension(self.parts) else None
        extension = found[0] if found else ""
        tail = f"{_MARK}{digest}{extension}"
        head = text.removesuffix(extension)[: self.limit - len(tail) - 1].rstrip(".-")
        return f"_{head}{tail}" if is_reserved(head) else f"{head}{tail}"


def _reading(parts: tuple[str | Variable, ...]) -> str:
    """Write the expression that reads the identities back from a segment, one group each.

    Free texts, and all that lies between two of them, are read as one: only the identities
    matter, and what has one way to match takes no time to match.
    """
    pattern: list[str] = []
    free_at: int | None = None
    for part in parts:
        if isinstance(part, str):
            pattern.append(re.escape(part))
        elif part.role is Role.IDENTITY:
            free_at = None
            pattern.append(f"({part.shape})")
        elif part.role is Role.TEXT:
            if free_at is not None:
                del pattern[free_at:]
            free_at = len(pattern)
            pattern.append(part.shape)
        else:
            pattern.append(part.shape)
    return "".join(pattern)


def _ends_in_extension(parts: tuple[str | Variable, ...]) -> bool:
    """Tell whether the template itself gives the extension: ``.png``, ``.{ext}``."""
    *_, before, last = ("", *parts)
    if isinstance(last, str):
        return "." in last
    return last.role is Role.EXTENSION and isinstance(before, str) and before.endswith(".")
