"""Requests that nobody with the secret has sent."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sinkwell.testing.sources.requests import (
    Body,
    Field,
    Header,
    Request,
    is_form,
    pieces_of,
    with_pieces,
)

_FAR_FROM_THE_END = 6
"""The last characters of a Base64 text hold bits that mean nothing."""


def false_proofs(proof: bytes, secrets: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
    """Yield what may stand in place of a proof and must not be believed, and what it is."""
    yield "empty", b""
    yield "one character", proof[:1]
    yield "its first half", proof[: len(proof) // 2]
    yield "all but its last characters", proof[: -min(4, len(proof) // 2 + 1)]
    yield "with another character early", _bumped(proof, 0)
    yield "with another character late", _bumped(proof, -_FAR_FROM_THE_END)
    yield "reversed", proof[::-1]
    yield "NUL", b"\0"
    yield "NUL in front", b"\0" + proof
    yield "bytes that are no UTF-8", b"\xff\xfe\xed\xa0\x80"
    yield "characters beyond ASCII", "é☃".encode()
    yield "10,000 characters", b"a" * 10_000
    yield "an asterisk", b"*"
    for secret in secrets:
        known = secret.encode()
        if known and known in proof:
            yield from _false_secrets(proof, known)


def _false_secrets(proof: bytes, secret: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Where the proof is the secret itself, every character counts."""
    yield "the secret without its last character", proof.replace(secret, secret[:-1])
    yield "the secret and one character more", proof.replace(secret, secret + b"x")
    yield "the secret with another last character", proof.replace(secret, _bumped(secret, -1))
    yield "the secret twice", proof.replace(secret, secret * 2)
    yield "the secret after a space", proof.replace(secret, b" " + secret)
    yield "the secret and NUL", proof.replace(secret, secret + b"\0")
    yield "the secret in the other case", proof.replace(secret, secret.swapcase())


def alterations(
    request: Request, covers: Sequence[Field | Header | Body]
) -> Iterator[tuple[str, Request]]:
    """Yield the request altered in one thing that its proof covers, and what was altered."""
    for place in covers:
        if isinstance(place, Body):
            yield from _altered_bodies(request)
        else:
            yield from _altered_values(request, place)


def rearranged(request: Request) -> Iterator[Request]:
    """Yield a form with each of its pieces moved to the end, then to the front."""
    if is_form(request):
        pieces = pieces_of(request)
        for at, piece in enumerate(pieces):
            rest = [*pieces[:at], *pieces[at + 1 :]]
            yield with_pieces(request, [*rest, piece])
            yield with_pieces(request, [piece, *rest])


def _altered_values(request: Request, place: Field | Header) -> Iterator[tuple[str, Request]]:
    value = request.value(place)
    if value is None:
        added = request.with_value(place, b"added")
        yield f"{place} added", added
        if isinstance(place, Field):
            first, *rest = pieces_of(added)
            yield f"{place} added at the end", with_pieces(added, [*rest, first])
        return
    changes: list[tuple[str, bytes | None]] = [
        ("given one character more", value + b"0"),
        ("given one character in front", b"x" + value),
    ]
    if value:
        changes += [("changed", _bumped(value, -1)), ("cut", value[:-1]), ("emptied", b"")]
        changes += [("taken out", None)]
    for what, change in changes:
        altered = request.with_value(place, change)
        yield f"{place} {what}", altered
        if isinstance(place, Field) and change is not None:
            yield f"{place} {what} and moved to the end", _with_last(altered, place)
            yield f"{place} {what} in front of the true one", _doubled(request, place, change)


def _with_last(request: Request, place: Field) -> Request:
    pieces = pieces_of(request)
    moved = [each for each in pieces if each.name == place.name]
    return with_pieces(request, [each for each in pieces if each.name != place.name] + moved)


def _doubled(request: Request, place: Field, value: bytes) -> Request:
    pieces = pieces_of(request)
    at = next(n for n, each in enumerate(pieces) if each.name == place.name)
    return with_pieces(request, [replace(pieces[at], content=value), *pieces])


def _altered_bodies(request: Request) -> Iterator[tuple[str, Request]]:
    body = request.body
    for part in range(8):
        at = part * (len(body) - 1) // 7
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] if body else b"x"
        yield f"byte {at} of the body changed", replace(request, body=changed)
    yield "the body cut", replace(request, body=body[:-1])
    yield "the body longer", replace(request, body=body + b" ")
    yield "the body empty", replace(request, body=b"")
    yield "the body twice", replace(request, body=body * 2)


def _bumped(value: bytes, at: int) -> bytes:
    """Return the value with one character replaced by a similar one."""
    at = at % len(value)
    old = value[at]
    new = b"a"[0] if old == b"z"[0] else b"0"[0] if old == b"9"[0] else (old + 1) % 256
    return value[:at] + bytes([new]) + value[at + 1 :]
