"""Signature Version 4, for requests whose payload's sha256 is known.

botocore signs as well, but takes 0.16 ms of CPU a request, a good part of what a whole put may
cost here; ``tests/property/test_s3_signature.py`` shows that both sign alike.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote


def sha256_of(payload: bytes) -> str:
    """Return a digest in lower-case hexadecimal."""
    return hashlib.sha256(payload).hexdigest()


NO_PAYLOAD = sha256_of(b"")

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs, and never shows itself."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def path_of(name: str) -> str:
    """Return an object's name as it stands in a URL and in what is signed."""
    return quote(name, safe="/~")


def query_of(fields: Mapping[str, str]) -> str:
    """Return a query as it stands in a URL and in what is signed."""
    return "&".join(
        f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(fields.items())
    )


def signed(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    *,
    payload: str,
    keys: Keys,
    region: str,
    now: datetime,
) -> dict[str, str]:
    """Return the headers with those that prove who asks.

    ``path`` and ``query`` are as they stand in the URL, ``payload`` is the sha256 of the body in
    hexadecimal, ``now`` is in UTC. All headers are signed, ``host`` too, which the client sends.
    """
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {**headers, "x-amz-date": moment, "x-amz-content-sha256": payload}
    if keys.token:
        sent["x-amz-security-token"] = keys.token
    canonical = sorted(
        (name.lower(), " ".join(value.split())) for name, value in {**sent, "host": host}.items()
    )
    names = ";".join(name for name, _ in canonical)
    lines = "".join(f"{name}:{value}\n" for name, value in canonical)
    request = f"{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}"
    day = moment[:8]
    scope = f"{day}/{region}/s3/aws4_request"
    digest = sha256_of(request.encode())
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}"
    signature = hmac.digest(_key(keys.secret_key, day, region), text.encode(), "sha256").hex()
    sent["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    return sent


@lru_cache(maxsize=64)
def _key(secret: str, day: str, region: str) -> bytes:
    """Return the key of one day, which is made of four others."""
    made = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        made = hmac.digest(made, part.encode(), "sha256")
    return made
