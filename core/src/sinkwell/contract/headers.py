"""Headers: a sender's texts that go into them, safely, and what a server asks for by one."""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal
from urllib.parse import quote

LONGEST_HEADER = 1024
"""Bytes of a value that :func:`content_disposition` returns."""

LONGEST_METADATA = 2048
"""Bytes that S3 takes of an object's own metadata, names and values together."""

_LONGEST_NAME = 240
"""Bytes of a name in a header: disks take 255, and each may become three in it, beside one more
in the fallback."""
_LONGEST_EXTENSION = 16
_STAND_IN = "file"
_LONGEST_WAIT = 24 * 3600.0

# Controls, lone surrogates, ends of lines, what reverses the direction of writing (so that
# "gpj.exe" reads as "exe.jpg"), and what separates directories.
_UNSAFE = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff/\\\\]"
)
# Beside these, what programs stumble over: some split by hand, some take <…> for quotes.
_NOT_PLAIN = re.compile(r'[^ -~]|["%;<>]')


def content_disposition(
    name: str, *, disposition: Literal["attachment", "inline"] = "attachment"
) -> str:
    """Return the value of a Content-Disposition header that gives a file its original name.

    It takes any text. RFC 6266: a name in ASCII that everyone reads and, where that loses
    something, the whole one as ``filename*`` (RFC 8187). Controls, separators of directories and
    the like become ``_``, spaces around the name go, and one of more than 240 bytes is cut before
    its extension.
    """
    if disposition not in {"attachment", "inline"}:
        raise ValueError(f'disposition is "attachment" or "inline", not {disposition!r}')
    clean = _shortened(_UNSAFE.sub("_", name).strip()).strip() or _STAND_IN
    plain = _NOT_PLAIN.sub("_", clean)
    value = f'{disposition}; filename="{plain}"'
    return value if plain == clean else f"{value}; filename*=UTF-8''{quote(clean, safe='')}"


def metadata_text(value: str, *, limit: int = LONGEST_METADATA) -> str:
    """Return any text as ASCII for a sink's metadata, of at most ``limit`` bytes.

    All but letters, digits and ``_ . - ~`` is percent-encoded, so signing and proxies change
    nothing. ``urllib.parse.unquote(text, errors="surrogatepass")`` gives the value back, or as
    many whole characters from its beginning as fit. S3 counts the names and values of an object
    together: pass what is left of its 2,048 bytes.
    """
    encoded = []
    left = limit
    for char in value[: max(0, limit)]:
        text = quote(char, safe="", errors="surrogatepass")
        left -= len(text)
        if left < 0:
            break
        encoded.append(text)
    return "".join(encoded)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long a server asks to wait, in seconds, a day at most; None where it does not.

    RFC 9110, 10.2.3: seconds or a date, which is told by the server's own clock where it names its
    time, else by ``now``, in seconds since 1970. ``headers`` are looked up as ``Retry-After`` and
    ``Date``.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        wait = float(asked)
    else:
        until = _moment(asked)
        if until is None:
            return None
        since = _moment(headers.get("Date", ""))
        wait = until - (now if since is None else since)
    return min(max(0.0, wait), _LONGEST_WAIT)


def _moment(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _shortened(name: str) -> str:
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > _LONGEST_EXTENSION:
        stem, dot, extension = name, "", ""
    room = _LONGEST_NAME - len(f"{dot}{extension}".encode())
    return f"{stem.encode()[:room].decode(errors='ignore')}{dot}{extension}"
