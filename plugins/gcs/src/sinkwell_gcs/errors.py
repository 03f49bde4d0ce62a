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

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from sinkwell.contract import (
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
    retry_after,
)


class AnswerLostError(TransientError):
    """The request may have been carried out, and its answer never came."""


class ForbiddenError(UnusableError):
    """The credentials are good, but may not do this."""


Meaning = tuple[type[SinkError], str]
"""The class of error, and what to do next."""

AGAIN: Meaning = (TransientError, "It is tried again")
_PERMIT: Meaning = (
    ForbiddenError,
    "Give the sink's account the role Storage Object Creator on the bucket, or Storage Object User",
)
LOGIN: Meaning = (
    UnusableError,
    "Look at the sink's credentials: expired, revoked, missing? Is this machine's clock right?",
)
_BUCKET: Meaning = (UnusableError, "Create the bucket, or correct the sink's bucket")
_SETTING: Meaning = (UnusableError, "Change this setting of the sink, or the bucket")
_PAYS: Meaning = (UnusableError, "Set user_project to the project that pays for requests")
_BILLING: Meaning = (UnusableError, "Look at the project's state and billing in Google Cloud")
ENDPOINT: Meaning = (UnusableError, "Correct the sink's endpoint")
_KEPT: Meaning = (
    RejectedError,
    "The object there may not be replaced or removed yet: choose another key",
)
FILE: Meaning = (RejectedError, "Cloud Storage does not take this file under this key")
_REASONS: dict[tuple[int, str], Meaning] = {
    (400, "uploadBrokenConnection"): AGAIN,
    (400, "userProjectMissing"): _PAYS,
    (400, "userProjectInvalid"): _PAYS,
    (400, "userProjectInconsistent"): _PAYS,
    (400, "required"): FILE,
    (400, "turnedDown"): ENDPOINT,
    (400, "wrongUrlForUpload"): ENDPOINT,
    (401, "AuthenticationRequiredRequesterPays"): _PAYS,
    (403, "rateLimitExceeded"): AGAIN,
    (403, "userRateLimitExceeded"): AGAIN,
    (403, "quotaExceeded"): AGAIN,
    (403, "retentionPolicyNotMet"): _KEPT,
    (403, "objectUnderActiveHold"): _KEPT,
    (403, "accountDisabled"): _BILLING,
    (403, "UserProjectAccountProblem"): _BILLING,
    (403, "sslRequired"): ENDPOINT,
    (412, "orgPolicyConstraintFailed"): _SETTING,
}
"""Where the reason in the answer says more than its status."""

_STATUSES: dict[int, Meaning] = {
    400: FILE,
    401: LOGIN,
    403: _PERMIT,
    404: _BUCKET,
    405: ENDPOINT,
    408: AGAIN,
    409: AGAIN,
    410: AGAIN,  # the session of an upload is over: the next try begins another
    411: ENDPOINT,
    412: AGAIN,  # whoever asked with a condition looks at it first
    413: (RejectedError, "The file is larger than Cloud Storage takes"),
    414: FILE,
    416: AGAIN,
    429: AGAIN,
    499: AGAIN,
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

_LONGEST_MESSAGE = 300


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
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Error()  # no JSON: a proxy's page, or a cut answer


def refused(answer: Answer, label: str) -> SinkError:
    """Return what to raise for an answer that is no success; ``label`` says who did what."""
    kind, advice = meaning_of(answer.status, answer.reason, answer.message)
    text = f"{label} failed: {answer.message} ({answer.status}). {advice}."
    if issubclass(kind, TransientError):
        return kind(text, retry_after=retry_after(answer.headers, time.time()))
    return kind(text)


def meaning_of(status: int, reason: str, message: str) -> Meaning:
    """Return what an answer means: by its reason, else its words, else its status."""
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
        return AGAIN
    return ENDPOINT if status < 400 else FILE  # noqa: PLR2004 - redirections; the rest of 4xx
