"""What the answers and failures of Cloud Storage mean for a delivery.

=======================================  ==================  ====================================
answer or failure                        error               because
=======================================  ==================  ====================================
401, 403, no such bucket, redirected,    ``UnusableError``   no file gets in until someone acts
no or false credentials, certificate
not trusted, a setting refused
too large, name refused, held or kept    ``RejectedError``   this file never gets in here
by a retention policy
408, 429, 5xx, wrong checksum, nobody    ``TransientError``  the same may succeed a moment later
there, cut, timed out
=======================================  ==================  ====================================
"""

import asyncio
import email.utils
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
import msgspec
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError


class AnswerLostError(TransientError):
    """The request may have been carried out, and its answer never came."""


class ForbiddenError(UnusableError):
    """The credentials are good, but may not do this."""


Meaning = tuple[type[SinkError], str]
"""The class of error, and what to do next."""

_AGAIN: Meaning = (TransientError, "It is tried again")
_PERMIT: Meaning = (
    ForbiddenError,
    "Give the sink's account the role Storage Object Creator on the bucket, or Storage Object User",
)
_LOGIN: Meaning = (
    UnusableError,
    "Look at the sink's credentials: expired, revoked, missing? Is this machine's clock right?",
)
_BUCKET: Meaning = (UnusableError, "Create the bucket, or correct the sink's bucket")
_SETTING: Meaning = (UnusableError, "Change this setting of the sink, or the bucket")
_PAYS: Meaning = (UnusableError, "Set user_project to the project that pays for requests")
_BILLING: Meaning = (UnusableError, "Look at the project's state and billing in Google Cloud")
_ENDPOINT: Meaning = (UnusableError, "Correct the sink's endpoint")
_KEPT: Meaning = (
    RejectedError,
    "The object there may not be replaced or removed yet: choose another key",
)
_FILE: Meaning = (RejectedError, "Cloud Storage does not take this file under this key")
_INSTALL: Meaning = (UnusableError, "Look at the sink's credentials and their configuration")
_CERTIFICATE: Meaning = (
    UnusableError,
    "The endpoint's certificate is not trusted: set ca_bundle, or correct the endpoint",
)

_REASONS: dict[tuple[int, str], Meaning] = {
    (400, "uploadBrokenConnection"): _AGAIN,
    (400, "userProjectMissing"): _PAYS,
    (400, "userProjectInvalid"): _PAYS,
    (400, "userProjectInconsistent"): _PAYS,
    (400, "required"): _FILE,
    (400, "turnedDown"): _ENDPOINT,
    (400, "wrongUrlForUpload"): _ENDPOINT,
    (401, "AuthenticationRequiredRequesterPays"): _PAYS,
    (403, "rateLimitExceeded"): _AGAIN,
    (403, "userRateLimitExceeded"): _AGAIN,
    (403, "quotaExceeded"): _AGAIN,
    (403, "retentionPolicyNotMet"): _KEPT,
    (403, "objectUnderActiveHold"): _KEPT,
    (403, "accountDisabled"): _BILLING,
    (403, "UserProjectAccountProblem"): _BILLING,
    (403, "sslRequired"): _ENDPOINT,
    (412, "orgPolicyConstraintFailed"): _SETTING,
}
"""Where the reason in the answer says more than its status."""

_STATUSES: dict[int, Meaning] = {
    400: _FILE,
    401: _LOGIN,
    403: _PERMIT,
    404: _BUCKET,
    405: _ENDPOINT,
    408: _AGAIN,
    409: _AGAIN,
    410: _AGAIN,  # the session of an upload is over: the next try begins another
    411: _ENDPOINT,
    412: _AGAIN,  # whoever asked with a condition looks at it first
    413: (RejectedError, "The file is larger than Cloud Storage takes"),
    414: _FILE,
    416: _AGAIN,
    429: _AGAIN,
    499: _AGAIN,
}

_HINTS: tuple[tuple[tuple[str, ...], Meaning], ...] = (
    (("crc32c", "md5", "checksum", "x-goog-hash"), (TransientError, "It is sent again")),
    (
        ("acl", "uniform bucket-level", "kms", "storage class", "storageclass", "user project"),
        _SETTING,
    ),
    (("billing",), _BILLING),
)
"""Words in the message of a 400 with no telling reason."""

_API: dict[type[api.GoogleAPIError] | type[NotImplementedError], Meaning] = {
    api.GoogleAPIError: _AGAIN,
    api.GoogleAPICallError: _AGAIN,
    api.Redirection: _ENDPOINT,
    api.ClientError: _FILE,
    api.ServerError: _AGAIN,
    api.DataLoss: _AGAIN,
    api.Unknown: _AGAIN,
    api.DuplicateCredentialArgs: _INSTALL,
    api.RetryError: _AGAIN,
    api.AsyncRestUnsupportedParameterError: _INSTALL,
    api.TransferStalledError: _AGAIN,
    api.UnseekableStreamError: _FILE,
    api.UploadCancelledError: _AGAIN,
    api.MissingStatusHeaderError: _AGAIN,
    api.ResumableTransferError: _AGAIN,
}
"""Exceptions of google-api-core that have no HTTP status; the others go by it."""

_AUTH: dict[type[auth.GoogleAuthError], Meaning] = {
    auth.GoogleAuthError: _LOGIN,
    auth.TransportError: _AGAIN,
    auth.RefreshError: _LOGIN,
    auth.UserAccessTokenError: _LOGIN,
    auth.DefaultCredentialsError: (
        UnusableError,
        'Set credentials = "file:/path/key.json", or provide application default credentials',
    ),
    auth.MutualTLSChannelError: _INSTALL,
    auth.ClientCertError: _INSTALL,
    auth.OAuthError: _LOGIN,
    auth.ReauthFailError: _LOGIN,
    auth.ReauthSamlChallengeFailError: _LOGIN,
    auth.MalformedError: _INSTALL,
    auth.InvalidResource: _INSTALL,
    auth.InvalidOperation: _INSTALL,
    auth.InvalidValue: _INSTALL,
    auth.InvalidType: _INSTALL,
    auth.OSError: _INSTALL,
    auth.TimeoutError: _AGAIN,
    auth.ResponseError: _AGAIN,
}

_LONGEST_MESSAGE = 300
_LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What Cloud Storage answered to a request."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def reason(self) -> str:
        """Google's own word for an error, or nothing."""
        return _error_of(self.body).reason

    @property
    def message(self) -> str:
        """Google's own sentence for an error, fit to be shown."""
        text = _error_of(self.body).message or f"HTTP status {self.status}"
        clean = "".join(char if char.isprintable() else " " for char in text)
        return clean[:_LONGEST_MESSAGE].strip().rstrip(".")


class _Detail(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    errors: list[_Detail] = []

    @property
    def reason(self) -> str:
        return self.errors[0].reason if self.errors else ""


class _ErrorBody(msgspec.Struct):
    error: _Error


def _error_of(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_ErrorBody).error
    except msgspec.DecodeError:
        return _Error()  # no JSON: a proxy's page, or a cut answer


def refused(answer: Answer, label: str) -> SinkError:
    """Return what to raise for an answer that is no success; ``label`` says who did what."""
    kind, advice = _meaning(answer.status, answer.reason, answer.message)
    text = f"{label} failed: {answer.message} ({answer.status}). {advice}."
    if issubclass(kind, TransientError):
        return kind(text, retry_after=retry_after(answer.headers, time.time()))
    return kind(text)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long the server asks to wait, in seconds; ``now`` is in seconds since 1970."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        wait = float(value)
    except ValueError:
        moment = email.utils.parsedate_tz(value)
        if moment is None:
            return None
        wait = email.utils.mktime_tz(moment) - now
    return min(max(0.0, wait), _LONGEST_WAIT) if wait == wait else None  # noqa: PLR0124 - NaN


def _meaning(status: int, reason: str, message: str) -> Meaning:
    if found := _REASONS.get((status, reason)):
        return found
    if status == 400:  # noqa: PLR2004 - Bad Request
        lower = message.lower()
        for words, meaning in _HINTS:
            if any(word in lower for word in words):
                return meaning
    if found := _STATUSES.get(status):
        return found
    if status >= 500 or status == 308:  # noqa: PLR2004 - server errors; 308 is "go on" here
        return _AGAIN
    return _ENDPOINT if status < 400 else _FILE  # noqa: PLR2004 - redirections; the rest of 4xx


def from_transport(error: Exception, label: str) -> SinkError:
    """Return what to raise for a request that got no answer."""
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return _told(_CERTIFICATE, label, "the TLS handshake failed")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _told(_AGAIN, label, f"the name of {error.host} cannot be resolved")
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or "connection failed"
        return _told(_AGAIN, label, f"{error.host}:{error.port} cannot be reached: {reason}")
    if isinstance(error, aiohttp.InvalidURL):
        return _told(_ENDPOINT, label, "the address is no URL")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _told(_AGAIN, label, "no connection was made in time")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        what = "no answer came in time"
    elif isinstance(error, aiohttp.ClientPayloadError):
        what = "the answer was cut off"
    else:
        what = "the connection was lost before an answer came"
    return AnswerLostError(f"{label} failed: {what}. {_AGAIN[1]}.")


def from_google(error: Exception, label: str) -> SinkError:
    """Return what to raise for an exception of Google's libraries, or of requests below them.

    Their texts are not shown: they quote whatever a token endpoint answered.
    """
    kind = type(error).__name__
    if isinstance(error, api.GoogleAPICallError) and error.code:
        return _told(_meaning(int(error.code), "", ""), label, f"{kind} ({int(error.code)})")
    if any(isinstance(each, requests.exceptions.SSLError) for each in (error, *error.args)):
        return _told(_CERTIFICATE, label, "the TLS handshake failed")
    if isinstance(error, requests.exceptions.RequestException):
        return _told(_AGAIN, label, "no connection")
    for each in type(error).__mro__:
        if found := _AUTH.get(each) or _API.get(each):
            return _told(_retryable(error, found), label, kind)
    return _told(_INSTALL, label, kind)


def _retryable(error: Exception, meaning: Meaning) -> Meaning:
    """Take Google's own word for it that a failed refresh may succeed later."""
    return _AGAIN if getattr(error, "retryable", False) else meaning


def _told(meaning: Meaning, label: str, what: str) -> SinkError:
    kind, advice = meaning
    return kind(f"{label} failed: {what}. {advice}.")
