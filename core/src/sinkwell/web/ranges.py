"""Which bytes of a file a request asks for (RFC 9110, 14). Pure."""

import re

_ONE_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


class UnsatisfiableError(Exception):
    """The file has none of the bytes that are asked for (416)."""


def asked_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte asked for and the one behind the last; None for the whole file.

    Several ranges, other units and what makes no sense are answered with the whole, as the
    standard allows. Raises ``UnsatisfiableError``.
    """
    match = _ONE_RANGE.fullmatch(header or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:  # the last so many bytes
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= size:
        raise UnsatisfiableError
    return start, stop
