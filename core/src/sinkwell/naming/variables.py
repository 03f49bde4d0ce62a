"""What stands in braces in a key template, and how each becomes a safe text."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import Enum
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import idna

from sinkwell.naming.segment import LONGEST_SEGMENT, identifier, segment

STAND_IN = "none"
"""What a text that is missing or empty becomes: a domain, tag, name or label."""

EXTENSION_STAND_IN = "bin"
"""What an extension becomes that is missing or is more than eight letters and digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValues:
    """What the keys of one file are made from. All but the ids and the digest may be hostile."""

    id: str
    """The provider's id of the capture."""
    file_id: str
    """Sinkwell's id of the file."""
    source: str
    received_at: float
    """Seconds since 1970."""
    ext: str
    """The extension of what the content is, without the dot."""
    sha256: str
    """Digest of the content, 64 hexadecimal digits."""
    name: str | None = None
    """The original file name, as the sender gave it."""
    url: str | None = None
    """The address that was captured; a host alone will do."""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class Role(Enum):
    """What a variable means for the segment that it stands in."""

    IDENTITY = "identity"
    """No two files have the same value, or none that differ."""
    TEXT = "text"
    """Anyone's words, of any length."""
    EXTENSION = "extension"
    DETAIL = "detail"
    """A fact of known length."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable, ready to be rendered."""

    name: str
    role: Role
    render: Callable[[KeyValues], str]
    shape: str | None = None
    """A regular expression that finds the value in a text where it begins, None where it may end
    anywhere."""
    longest: int = LONGEST_SEGMENT
    """Bytes that a value may have."""
    given: Callable[[KeyValues], str | None] | None = None
    """What the value is made of, as it came; None for a fact that is never changed."""
    dots: bool = True
    """Whether a dot in what was given is safe."""


def find_variable(name: str, *, dots: bool, zone: tzinfo) -> Variable | None:
    """Return the variable that is written ``{name}``, or None when there is none.

    Without ``dots`` the sender's texts bring no dot, save those of a host: so the extension of a
    file's name comes from the template and the content alone. Clocks show the time of ``zone``.
    """
    if form := CLOCK.get(name):
        length = len(datetime.fromtimestamp(0, zone).strftime(form))
        return _fixed(
            name, Role.DETAIL, lambda values: _moment(values, zone).strftime(form), length
        )
    if get_id := _IDS.get(name):
        return Variable(
            name,
            Role.IDENTITY,
            lambda values: identifier(get_id(values), dots=dots),
            given=get_id,
            dots=dots,
        )
    if name in {"ext", "format"}:
        return Variable(
            name,
            Role.EXTENSION,
            _extension,
            "[a-z0-9]++",
            _LONGEST_EXTENSION,
            given=lambda values: values.ext,
        )
    if name == "uuid":
        return _fixed(name, Role.IDENTITY, _uuid, 36)
    if digest := _DIGEST.fullmatch(name):
        length = int(digest["length"] or _FULL)
        return _fixed(
            name,
            Role.IDENTITY if length == _FULL else Role.DETAIL,
            lambda values: segment(values.sha256, dots=False)[:length],
            length,
        )
    if get_text := _TEXTS.get(name) or _label(name):
        dots = dots or name == "domain"
        return Variable(
            name,
            Role.TEXT,
            lambda values: segment(get_text(values) or STAND_IN, dots=dots),
            given=get_text,
            dots=dots,
        )
    return None


def _fixed(name: str, role: Role, render: Callable[[KeyValues], str], length: int) -> Variable:
    return Variable(name, role, render, f".{{{length}}}", length)


def _moment(values: KeyValues, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(math.floor(values.received_at), zone)


CLOCK = {
    "yyyy": "%Y",
    "mm": "%m",
    "dd": "%d",
    "hh": "%H",
    "ii": "%M",
    "ss": "%S",
    "date": "%Y-%m-%d",
    "time": "%H%M%S",
}
"""The variables of the time of receipt, and how each is written."""

_IDS: dict[str, Callable[[KeyValues], str]] = {
    "id": lambda values: values.id,
    "token": lambda values: values.id,
    "file_id": lambda values: values.file_id,
}

_TEXTS: dict[str, Callable[[KeyValues], str | None]] = {
    "source": lambda values: values.source,
    "domain": lambda values: host_of(values.url),
    "tag": lambda values: values.tags[0] if values.tags else None,
    "name": lambda values: _stem(values.name),
}

_LABEL = "label."

VARIABLE_NAMES = (*_IDS, *_TEXTS, *CLOCK, "ext", "format", "uuid", "sha256")
"""Every variable's name; beside them there is ``label.KEY``, and ``sha256:N`` for N letters."""

_FULL = 64
_DIGEST = re.compile(r"sha256(?::(?P<length>[1-9]|[1-5][0-9]|6[0-4]))?")

_LONGEST_EXTENSION = 8
_EXTENSION = re.compile(rf"[a-z0-9]{{1,{_LONGEST_EXTENSION}}}")

_UUID_NAMESPACE = UUID("5b0f7c3e-9d0e-4c1b-8a57-6f2d3c1e9a84")
"""Chosen at random once; another one would give every file another key."""

_LONGEST_URL = 2048
_LONGEST_HOST = 253


def _extension(values: KeyValues) -> str:
    extension = values.ext.lower()
    return extension if _EXTENSION.fullmatch(extension) else EXTENSION_STAND_IN


def _uuid(values: KeyValues) -> str:
    """Version 5 of RFC 9562, so that one file has the same for ever."""
    return str(uuid5(_UUID_NAMESPACE, identifier(values.file_id)))


def _label(name: str) -> Callable[[KeyValues], str | None] | None:
    key = name.removeprefix(_LABEL)
    return None if key in {name, ""} else lambda values: values.labels.get(key)


def _stem(name: str | None) -> str | None:
    """Drop directories and the extension: what the file is, its content says."""
    if name is None:
        return None
    base = name.replace("\\", "/").rpartition("/")[2]
    return base.rpartition(".")[0] or base


def host_of(url: str | None) -> str | None:
    """Return the host of an address, international ones in their ASCII form.

    That is the one that browsers use (IDNA 2008, read by the tolerant rules of UTS 46). What has
    no such form is returned as it stands, for the sanitiser to deal with.
    """
    if not url:
        return None
    address = url[:_LONGEST_URL]
    try:
        host = urlsplit(address if "//" in address else f"//{address}").hostname
    except ValueError:
        return address
    host = (host or "").rstrip(".")
    if host.isascii() or len(host) > _LONGEST_HOST:
        return host
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError:
        return host
