"""Requests as providers send them, and the places in them where something stands."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

_NAME = re.compile(rb'\bname="([^"]*)"|\bname=([^\s;"]+)')
_BOUNDARY = re.compile(r'boundary="?([^";]+)')
_KIT_BOUNDARY = "--------------------------sinkwell-kit"


@dataclass(frozen=True, slots=True)
class Field:
    """The content of a field, or of a file, of a form."""

    name: str


@dataclass(frozen=True, slots=True)
class Header:
    """A header of the request."""

    name: str


@dataclass(frozen=True, slots=True)
class Body:
    """The whole body, byte by byte."""


@dataclass(frozen=True, slots=True)
class NotOffered:
    """Something that cannot be put to the test; the table lists it as *not shown*."""

    reason: str
    """Why, and what would let it be."""


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form."""

    field: str
    content: bytes
    filename: str = "file"
    content_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is on the wire, all but its first line."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """The characters of a value stand for bytes (Latin-1), as in HTTP."""
    body: bytes = b""

    def value(self, place: Field | Header) -> bytes | None:
        """Return what stands in a place, of a repeated field the first, or None."""
        if isinstance(place, Header):
            found = (v for name, v in self.headers.items() if name.lower() == place.name.lower())
            value = next(found, None)
            return None if value is None else value.encode("latin-1")
        pieces = pieces_of(self)
        return next((each.content for each in pieces if each.name == place.name), None)

    def with_value(self, place: Field | Header, value: str | bytes | None) -> "Request":
        """Return the request with this in the place, or, for None, without the place.

        A place that is missing is added, a field before all others. Raises ``ValueError`` for a
        field when the request is no form.
        """
        raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        if isinstance(place, Header):
            headers = {n: v for n, v in self.headers.items() if n.lower() != place.name.lower()}
            if raw is not None:
                headers[place.name] = raw.decode("latin-1")
            return replace(self, headers=headers)
        pieces = pieces_of(self)
        kept = [each for each in pieces if each.name != place.name]
        if raw is None:
            return with_pieces(self, kept)
        at = next((n for n, each in enumerate(pieces) if each.name == place.name), None)
        if at is None:
            return with_pieces(self, [text_piece(place.name, raw), *pieces])
        changed = replace(pieces[at], content=raw)
        before = [each for each in pieces[:at] if each.name != place.name]
        return with_pieces(self, [*before, changed, *kept[len(before) :]])


def multipart(fields: Mapping[str, str | bytes], *files: FormFile) -> Request:
    """Make a request of ``multipart/form-data``: the fields in their order, then the files."""
    pieces = [
        text_piece(name, value.encode() if isinstance(value, str) else value)
        for name, value in fields.items()
    ]
    for file in files:
        head = f'Content-Disposition: form-data; name="{file.field}"; filename="{file.filename}"'
        lines = f"{head}\r\nContent-Type: {file.content_type}"
        pieces.append(Piece(lines.encode(), file.content))
    kind = f"multipart/form-data; boundary={_KIT_BOUNDARY}"
    return with_pieces(Request(headers={"Content-Type": kind}), pieces)


def json_request(document: object, **headers: str) -> Request:
    """Make a request with a body of JSON; ``_`` in a header's name stands for ``-``."""
    return raw_request(json.dumps(document).encode(), "application/json", **headers)


def raw_request(body: bytes, content_type: str, **headers: str) -> Request:
    """Make a request with any body; ``_`` in a header's name stands for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(headers={"Content-Type": content_type} | named, body=body)


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of a multipart body: its header lines and its content."""

    head: bytes
    content: bytes

    @property
    def name(self) -> str:
        """The name of the field, empty when there is none."""
        found = _NAME.search(self.head)
        return (found[1] or found[2] or b"").decode("utf-8", "replace") if found else ""

    @property
    def is_file(self) -> bool:
        """Whether it says that it is a file."""
        return b"filename" in self.head


def text_piece(name: str, content: bytes) -> Piece:
    """Make a text field."""
    return Piece(b'Content-Disposition: form-data; name="' + name.encode() + b'"', content)


def pieces_of(request: Request) -> list[Piece]:
    """Take a multipart body apart. Raises ``ValueError`` when it is none."""
    start, *rest = (b"\r\n" + request.body).split(_delimiter(request))
    if start.strip() or not rest or not rest.pop().startswith(b"--"):
        raise ValueError("the body of this request is no complete multipart/form-data")
    pieces = []
    for raw in rest:
        head, _, content = raw.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        pieces.append(Piece(head, content))
    return pieces


def with_pieces(request: Request, pieces: list[Piece]) -> Request:
    """Return the request with a multipart body of these pieces."""
    delimiter = _delimiter(request)
    parts = [delimiter + b"\r\n" + each.head + b"\r\n\r\n" + each.content for each in pieces]
    body = b"".join([*parts, delimiter, b"--\r\n"])
    return replace(request, body=body.removeprefix(b"\r\n"))


def is_form(request: Request) -> bool:
    """Tell whether the request says that it is multipart/form-data."""
    return (request.value(Header("content-type")) or b"").startswith(b"multipart/form-data")


def is_json(request: Request) -> bool:
    """Tell whether the request says that it is JSON."""
    return (request.value(Header("content-type")) or b"").startswith(b"application/json")


def _delimiter(request: Request) -> bytes:
    kind = (request.value(Header("content-type")) or b"").decode("latin-1")
    found = _BOUNDARY.search(kind)
    if not (found and kind.startswith("multipart/form-data")):
        raise ValueError("a field was asked for, and the request is no multipart/form-data")
    return b"\r\n--" + found[1].strip().encode("latin-1")
