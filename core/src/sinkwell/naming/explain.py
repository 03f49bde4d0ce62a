"""Why a key is what it is, for people who try a template."""

import re
from dataclasses import dataclass

from sinkwell.naming.compose import Composer
from sinkwell.naming.segment import LONGEST_SEGMENT, is_reserved
from sinkwell.naming.template import Template
from sinkwell.naming.variables import KeyValues, Role, Variable

_FOREIGN = re.compile(r"[^A-Za-z0-9._-]")
_CAPITAL = re.compile("[A-Z]")
_EDGES = re.compile(r"\A[.-]|\.\Z|\.\.")


@dataclass(frozen=True, slots=True)
class Change:
    """A value that does not stand in the key as it came, or a whole segment that does not."""

    variable: str | None
    """Whose value; None for a whole segment."""
    given: str
    """As it came; empty for what was missing. As hostile as it was."""
    used: str
    why: str
    stand_in: bool = False


def explain(template: Template, values: KeyValues) -> tuple[Change, ...]:
    """Return everything in the template's key that is not simply the value, from left to right."""
    changes: dict[Change, None] = {}
    for composer in template.segments:
        if isinstance(composer, Composer):
            for part in composer.parts:
                if isinstance(part, Variable) and (change := _of_value(part, values)):
                    changes[change] = None
            if change := _of_segment(composer, values):
                changes[change] = None
    return tuple(changes)


def why_lossy(raw: str, *, dots: bool = True) -> tuple[str, ...]:
    """Say what is not safe about a text; nothing where ``segment`` leaves it as it is."""
    found = []
    if not raw:
        found.append("it is empty")
    if not raw.isascii():
        found.append("it has characters beyond ASCII")
    if foreign := dict.fromkeys(_FOREIGN.findall("".join(filter(str.isascii, raw[:1000])))):
        found.append(f"it has {' '.join(map(repr, [*foreign][:5]))}")
    if _CAPITAL.search(raw):
        found.append("some disks take capitals for small letters")
    if len(raw) > LONGEST_SEGMENT:
        found.append(f"it has more than {LONGEST_SEGMENT} characters")
    if is_reserved(raw):
        found.append("the name is reserved on Windows or S3")
    if _EDGES.search(raw):
        found.append("it starts with a dot or dash, ends with a dot, or has two in a row")
    if not dots and "." in raw:
        found.append("the extension comes from the content alone")
    return tuple(found)


def _of_value(variable: Variable, values: KeyValues) -> Change | None:
    if variable.given is None:
        return None
    given, used = variable.given(values) or "", variable.render(values)
    if given == used:
        return None
    if variable.role is Role.EXTENSION:
        lower = given.lower() == used
        why = "in lower case" if lower else "it is not 1 to 8 letters and digits"
        return Change(variable.name, given, used, why, stand_in=not lower)
    if not given and variable.role is Role.TEXT:
        return Change(variable.name, given, used, "it is missing", stand_in=True)
    why = "; ".join(why_lossy(given, dots=variable.dots)) or "it ends like a hashed one"
    return Change(variable.name, given, used, why)


def _of_segment(composer: Composer, values: KeyValues) -> Change | None:
    text, used = "".join(composer.texts(values)), composer.render(values)
    if text == used:
        return None
    if len(text) > composer.limit:
        why = f"together they have more than {composer.limit} characters"
    elif is_reserved(text):
        why = "together they spell a name that is reserved on Windows or S3"
    else:
        why = "where one value ends and the next begins could be read in two ways"
    return Change(None, text, used, why)
