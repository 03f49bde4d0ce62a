"""Whether a request was signed by who it says: Signature Version 4, in headers and in the query.

It is written after the public description of the scheme and shares nothing with any client, so
that the two check each other.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn
from urllib.parse import quote, unquote_to_bytes

from sinkwell.testing.s3.answers import S3Error
from sinkwell.testing.s3.requests import S3Request

MOST_SKEW = 15 * 60
"""Seconds by which the time of a request may differ from ours."""
LONGEST_PRESIGNED = 7 * 24 * 3600
UNSIGNED = "UNSIGNED-PAYLOAD"

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    rf"{_ALGORITHM} Credential=(?P<credential>[^, ]+), ?SignedHeaders=(?P<signed>[a-z0-9;.-]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_UNRESERVED = "-_.~"
_IN_QUERY = ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The one user of a stub."""

    access_key: str
    secret_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, …)"


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a request gives as the proof of its origin."""

    credential: str
    date: str
    signed: tuple[str, ...]
    signature: str
    payload: str
    """What stands for the body in what was signed."""
    token: str
    presigned: bool = False


def verify(request: S3Request, user: Credentials, *, region: str, now: float, digest: str) -> None:
    """See that ``user`` signed the request for ``region``, not long ago, with this body.

    ``digest`` is the sha256 of the body that came. Raises ``S3Error`` with the code of S3.
    """
    proof = _from_query(request, now) if _is_presigned(request) else _from_headers(request, now)
    key_id, _, scope = proof.credential.partition("/")
    if not hmac.compare_digest(key_id.encode(), user.access_key.encode()):
        raise S3Error("InvalidAccessKeyId")
    if proof.token != user.session_token:
        raise S3Error("InvalidToken")
    if scope != f"{proof.date[:8]}/{region}/s3/aws4_request":
        _malformed(proof, f"the scope is {scope!r}; expected was region {region!r}, service 's3'")
    _covers_what_it_must(request, proof)
    expected = _signature(request, proof, user.secret_key, scope)
    if not hmac.compare_digest(expected, proof.signature):
        raise S3Error("SignatureDoesNotMatch")
    if proof.payload not in {UNSIGNED, digest}:
        raise S3Error("XAmzContentSHA256Mismatch")


def _is_presigned(request: S3Request) -> bool:
    return any(name == "X-Amz-Signature" for name, _ in request.query)


def _from_headers(request: S3Request, now: float) -> _Proof:
    authorization = request.headers.get("authorization", "")
    if not authorization:
        raise S3Error("AccessDenied", "The request is not signed")
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        raise S3Error("AuthorizationHeaderMalformed")
    date = request.headers.get("x-amz-date", "")
    if abs(_seconds(date) - now) > MOST_SKEW:
        raise S3Error("RequestTimeTooSkewed")
    payload = request.headers.get("x-amz-content-sha256", "")
    if not payload:
        raise S3Error("InvalidRequest", "x-amz-content-sha256 is missing")
    signed = tuple(found["signed"].split(";"))
    token = request.headers.get("x-amz-security-token", "")
    return _Proof(found["credential"], date, signed, found["signature"], payload, token)


def _from_query(request: S3Request, now: float) -> _Proof:
    given = {part: request.parameter(f"X-Amz-{part}") for part in _IN_QUERY}
    expires = given["Expires"]
    if (
        not all(given.values())
        or given["Algorithm"] != _ALGORITHM
        or not expires.isdecimal()
        or not 1 <= int(expires) <= LONGEST_PRESIGNED
    ):
        raise S3Error("AuthorizationQueryParametersError")
    signed_at = _seconds(given["Date"])
    if signed_at > now + MOST_SKEW:
        raise S3Error("AccessDenied", "Request is not yet valid")
    if now > signed_at + int(expires):
        raise S3Error("AccessDenied", "Request has expired")
    signed = tuple(given["SignedHeaders"].split(";"))
    payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
    token = request.parameter("X-Amz-Security-Token")
    return _Proof(
        given["Credential"],
        given["Date"],
        signed,
        given["Signature"],
        payload,
        token,
        True,
    )


def _seconds(date: str) -> float:
    try:
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise S3Error("AccessDenied", "A valid x-amz-date is required") from error


def _covers_what_it_must(request: S3Request, proof: _Proof) -> None:
    """See that the host and everything that S3 acts upon were signed."""
    if list(proof.signed) != sorted(proof.signed):
        _malformed(proof, "the signed headers are not sorted")
    must = {name for name in request.headers if name.startswith("x-amz-")} | {"host"}
    if unsigned := must - {*proof.signed}:
        names = ", ".join(sorted(unsigned))
        raise S3Error("AccessDenied", f"There were headers which were not signed: {names}")


def _malformed(proof: _Proof, message: str) -> NoReturn:
    if proof.presigned:
        raise S3Error("AuthorizationQueryParametersError", message)
    raise S3Error("AuthorizationHeaderMalformed", message)


def _signature(request: S3Request, proof: _Proof, secret: str, scope: str) -> str:
    digest = hashlib.sha256(_canonical(request, proof).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{proof.date}\n{scope}\n{digest}"
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _canonical(request: S3Request, proof: _Proof) -> str:
    path, _, _ = request.target.partition("?")
    query = sorted(
        (quote(name, safe=_UNRESERVED), quote(value, safe=_UNRESERVED))
        for name, value in request.query
        if name != "X-Amz-Signature"
    )
    values = {name: " ".join(request.headers.get(name, "").split()) for name in proof.signed}
    return "\n".join(
        [
            request.method,
            quote(unquote_to_bytes(path), safe=f"/{_UNRESERVED}"),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{value}" for name, value in values.items()),
            "",
            ";".join(proof.signed),
            proof.payload,
        ]
    )
