"""Requests that somebody changed: bytes, headers, and the structure of forms.

Everything follows from the generator that is given, so a failure can be repeated by its number.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sinkwell.testing.sources.requests import (
    Header,
    Piece,
    Request,
    is_form,
    is_json,
    pieces_of,
    text_piece,
    with_pieces,
)

Mutation = Callable[[random.Random, Request], Request]

_MOST_CHUNKS = 50

_HOSTILE = [
    b"",
    b"\0",
    b" ",
    b"\r\n",
    b"-1",
    b"0",
    b"1e999",
    b"nan",
    b"9" * 400,
    b"\xff\xfe\xfd",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    "é☃\u202e\U0001f4a5".encode(),
    "٣٤٥".encode(),
    b"../../etc/passwd",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b'{"a":' * 50,
    b"%00%ff",
    b"${id}",
    b"{file_id}",
    b"=?utf-8?q?x?=",
    b"a" * 3000,
    b"x=1&y=2",
]


def mutated(rng: random.Random, request: Request) -> Request:
    """Change a request in one to three ways of any sort."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        request = rng.choice([*_BYTES, *_HEADERS, *_structural(request)])(rng, request)
    return request


def restructured(rng: random.Random, request: Request) -> Request:
    """Change what a request says in one to three ways; it can still be taken apart and signed."""
    mutations = [*_structural(request), _change_header]
    for _ in range(rng.choice([1, 1, 2, 3])):
        request = rng.choice(mutations)(rng, request)
    return request


def in_chunks(rng: random.Random, body: bytes) -> Iterator[bytes]:
    """Cut a body as a network might."""
    size = rng.choice([len(body) + 1, len(body) + 1, 1000, 97, 11])
    size = max(size, len(body) // _MOST_CHUNKS)
    for at in range(0, len(body), size):
        yield body[at : at + size]


def _span(rng: random.Random, body: bytes) -> tuple[int, int]:
    start, end = sorted(rng.randrange(len(body) + 1) for _ in range(2))
    return start, end


def _cut(rng: random.Random, request: Request) -> Request:
    return replace(request, body=request.body[: rng.randrange(len(request.body) + 1)])


def _cut_out(rng: random.Random, request: Request) -> Request:
    start, end = _span(rng, request.body)
    return replace(request, body=request.body[:start] + request.body[end:])


def _repeat(rng: random.Random, request: Request) -> Request:
    start, end = _span(rng, request.body)
    return replace(request, body=request.body[:end] + request.body[start:])


def _overwrite(rng: random.Random, request: Request) -> Request:
    body = bytearray(request.body)
    for _ in range(rng.randrange(1, 9)):
        if body:
            body[rng.randrange(len(body))] = rng.randrange(256)
    return replace(request, body=bytes(body))


def _insert(rng: random.Random, request: Request) -> Request:
    at = rng.randrange(len(request.body) + 1)
    body = request.body[:at] + rng.choice(_HOSTILE) + request.body[at:]
    return replace(request, body=body)


def _noise(rng: random.Random, request: Request) -> Request:
    return replace(request, body=rng.randbytes(rng.randrange(len(request.body) + 1)))


def _change_header(rng: random.Random, request: Request) -> Request:
    """Set one to something hostile, or take it out; what the body is, stays said."""
    names = [name for name in request.headers if name.lower() != "content-type"]
    name = rng.choice([*names, "X-Added"])
    return request.with_value(Header(name), rng.choice([None, *_HOSTILE]))


def _exchange_headers(rng: random.Random, request: Request) -> Request:
    """Give two headers each other's value."""
    one, other = (rng.choice(list(request.headers) or ["X-None"]) for _ in range(2))
    first, second = request.value(Header(one)), request.value(Header(other))
    return request.with_value(Header(one), second).with_value(Header(other), first)


def _change_piece(rng: random.Random, pieces: list[Piece], at: int) -> None:
    pieces[at] = replace(pieces[at], content=rng.choice(_HOSTILE))


def _enlarge_piece(rng: random.Random, pieces: list[Piece], at: int) -> None:
    size = rng.choice([300, 5_000, 60_000, 70_000])
    unit = pieces[at].content or b"x"
    pieces[at] = replace(pieces[at], content=(unit * (size // len(unit) + 1))[:size])


def _drop_piece(_: random.Random, pieces: list[Piece], at: int) -> None:
    del pieces[at]


def _double_piece(rng: random.Random, pieces: list[Piece], at: int) -> None:
    content = rng.choice([pieces[at].content, *_HOSTILE])
    pieces.insert(rng.randrange(len(pieces) + 1), replace(pieces[at], content=content))


def _exchange_contents(rng: random.Random, pieces: list[Piece], at: int) -> None:
    other = rng.randrange(len(pieces))
    one, two = pieces[at], pieces[other]
    pieces[at], pieces[other] = (
        replace(one, content=two.content),
        replace(two, content=one.content),
    )


def _move_piece(rng: random.Random, pieces: list[Piece], at: int) -> None:
    piece = pieces.pop(at)
    pieces.insert(rng.randrange(len(pieces) + 1), piece)


def _rename_piece(rng: random.Random, pieces: list[Piece], at: int) -> None:
    name = rng.choice(["", "file", "é", pieces[rng.randrange(len(pieces))].name, "x" * 900])
    head = text_piece(name, b"").head
    if pieces[at].is_file:
        head += b'; filename="other.bin"'
    pieces[at] = Piece(head, pieces[at].content)


def _change_sort(_: random.Random, pieces: list[Piece], at: int) -> None:
    """Make a file of a text, a text of a file."""
    head = text_piece(pieces[at].name, b"").head
    if not pieces[at].is_file:
        head += b'; filename="../was-text.png"'
    pieces[at] = replace(pieces[at], head=head)


def _add_piece(rng: random.Random, pieces: list[Piece], at: int) -> None:
    pieces.insert(at, text_piece("added", rng.choice(_HOSTILE)))


def _of_form(change: Callable[[random.Random, list[Piece], int], None]) -> Mutation:
    def mutate(rng: random.Random, request: Request) -> Request:
        try:
            pieces = pieces_of(request)
        except ValueError:
            return request  # an earlier change left no form to restructure
        if pieces:
            change(rng, pieces, rng.randrange(len(pieces)))
        return with_pieces(request, pieces)

    return mutate


Node = dict[str, object] | list[object]

_STRANGE: list[object] = [
    None,
    True,
    0,
    -1,
    1e300,
    10**30,
    [],
    {},
    [[]],
    {"": None},
    ["a", {"b": [1]}],
    "",
    " ",
    "\0",
    "é☃\u202e\U0001f4a5",
    "../../etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1/",
    "https://[::1]/?a=b",
    "data:image/png;base64,====",
    "data:",
    "x" * 9000,
]


def _nodes(document: object) -> list[Node]:
    """Return every object and list of a document."""
    if not isinstance(document, dict | list):
        return []
    inner = document.values() if isinstance(document, dict) else document
    return [document, *(node for each in inner for node in _nodes(each))]


def _in_json(change: Callable[[random.Random, Node, object], None]) -> Mutation:
    def mutate(rng: random.Random, request: Request) -> Request:
        try:
            document = json.loads(request.body)
        except ValueError:
            return request  # an earlier change left no JSON to restructure
        nodes = [node for node in _nodes(document) if node]
        if nodes:
            node = rng.choice(nodes)
            keys = list(node) if isinstance(node, dict) else range(len(node))
            change(rng, node, rng.choice(keys))
        return replace(request, body=json.dumps(document).encode())

    return mutate


def _set_value(rng: random.Random, node: Any, key: object) -> None:
    node[key] = rng.choice(_STRANGE)


def _drop_value(_: random.Random, node: Any, key: object) -> None:
    del node[key]


def _wrap_value(rng: random.Random, node: Any, key: object) -> None:
    node[key] = rng.choice([[node[key]], {"value": node[key]}, json.dumps(node[key])])


def _exchange_values(rng: random.Random, node: Any, key: object) -> None:
    other = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
    node[key], node[other] = node[other], node[key]


def _structural(request: Request) -> list[Mutation]:
    """Return the changes that make sense for what the request says that it is."""
    if is_json(request):
        return _JSON
    return _FORM if is_form(request) else []


_JSON: list[Mutation] = [
    _in_json(change) for change in (_set_value, _drop_value, _wrap_value, _exchange_values)
]


_BYTES: list[Mutation] = [_cut, _cut_out, _repeat, _overwrite, _insert, _noise]
_HEADERS: list[Mutation] = [_change_header, _exchange_headers]
_FORM: list[Mutation] = [
    _of_form(change)
    for change in (
        _change_piece,
        _change_piece,
        _change_piece,
        _enlarge_piece,
        _drop_piece,
        _drop_piece,
        _double_piece,
        _exchange_contents,
        _move_piece,
        _rename_piece,
        _change_sort,
        _add_piece,
    )
]
