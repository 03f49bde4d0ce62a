"""What can go wrong with a request: a table of faults, and the rules that say whom they strike.

A fault says three things: how much of the request is taken, what is answered, and in what manner
the answer goes out. All that happens to S3 clients is some combination of these.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from sinkwell.testing.s3.answers import Answer, S3Error
from sinkwell.testing.s3.requests import S3Request


class Manner(Enum):
    """How an answer goes out."""

    WHOLE = "whole"
    CLOSED = "closed"
    """Not at all: the connection is closed."""
    RESET = "reset"
    """Not at all: the connection is reset."""
    STALLED = "stalled"
    """Not at all: the connection stays open until the fault is over, and is closed then."""
    SLOW = "slow"
    """A byte a second."""
    TRUNCATED = "truncated"
    """Half of it, then the connection is closed."""
    HALF_BODY = "half body"
    """The body ends in the middle, framed as if it were whole."""
    GARBAGE = "garbage"
    """Bytes that are not HTTP take its place."""


@dataclass(frozen=True, kw_only=True)
class S3Fault:
    """What a request meets instead of being served."""

    name: str
    reads: int | None = None
    """How many bytes of the body are read, at most; None for all of it."""
    takes_effect: bool = False
    """Whether what was asked for is done all the same, if it can be."""
    answer: Answer | None = None
    """What is answered; None for what is true, which is nothing for what takes no effect."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What takes the place of headers of the answer."""
    manner: Manner = Manner.WHOLE


def answering(code: str, message: str = "", **headers: str) -> S3Fault:
    """Return the fault that is an error of S3: one of :data:`.answers.ERRORS`.

    ``headers`` are added to the answer; an underscore in their names stands for a dash.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return S3Fault(name=code, answer=S3Error(code, message).answer(**named))


def _page(name: str, status: int) -> S3Fault:
    """Return the fault that is the answer of something between us and the store."""
    page = b"<html><body>" + name.encode() + b"</body></html>"
    return S3Fault(name=name, answer=Answer(status, {"Content-Type": "text/html"}, page))


def _named(*faults: S3Fault) -> Mapping[str, S3Fault]:
    return {fault.name: fault for fault in faults}


FAULTS: Mapping[str, S3Fault] = _named(
    # Later, perhaps.
    answering("InternalError"),
    answering("SlowDown", Retry_After="3"),
    answering("ServiceUnavailable"),
    answering("TooManyRequests", Retry_After="7"),
    answering("RequestTimeout"),
    answering("OperationAborted"),
    answering("ConditionalRequestConflict"),
    _page("bad gateway", 502),
    _page("gateway timeout", 504),
    _page("request timeout", 408),
    _page("captive portal", 200),
    # Once somebody has acted.
    answering("AccessDenied"),
    answering("NoSuchBucket"),
    answering("PermanentRedirect", x_amz_bucket_region="eu-central-1"),
    answering("InvalidAccessKeyId"),
    answering("SignatureDoesNotMatch"),
    answering("ExpiredToken"),
    answering("RequestTimeTooSkewed"),
    answering("QuotaExceeded"),
    answering("AccessControlListNotSupported"),
    # Never.
    answering("InvalidArgument", "The key is not valid here"),
    answering("KeyTooLongError"),
    answering("EntityTooLarge"),
    answering("InvalidTag"),
    # Damaged on the way there, or said to be so.
    answering("BadDigest"),
    answering("IncompleteBody"),
    answering("XAmzContentSHA256Mismatch"),
    # Out of nowhere.
    answering("PreconditionFailed"),
    answering("NotImplemented"),
    # No answer, or half of one.
    S3Fault(name="reset at once", reads=0, manner=Manner.RESET),
    S3Fault(name="reset in the body", reads=1000, manner=Manner.RESET),
    S3Fault(name="reset before storing", manner=Manner.RESET),
    S3Fault(name="reset after storing", takes_effect=True, manner=Manner.RESET),
    S3Fault(name="closed before storing", manner=Manner.CLOSED),
    S3Fault(name="lost answer", takes_effect=True, manner=Manner.CLOSED),
    S3Fault(name="stall at once", reads=0, manner=Manner.STALLED),
    S3Fault(name="stall before storing", manner=Manner.STALLED),
    S3Fault(name="stall after storing", takes_effect=True, manner=Manner.STALLED),
    S3Fault(name="a byte a second", takes_effect=True, manner=Manner.SLOW),
    S3Fault(name="truncated answer", takes_effect=True, manner=Manner.TRUNCATED),
    S3Fault(name="truncated XML", takes_effect=True, manner=Manner.HALF_BODY),
    S3Fault(
        name="truncated error", answer=S3Error("InternalError").answer(), manner=Manner.HALF_BODY
    ),
    S3Fault(name="not HTTP", manner=Manner.GARBAGE),
    # Answers that are not what they seem.
    S3Fault(
        name="error in a 200",
        answer=Answer(
            200, {"Content-Type": "application/xml"}, S3Error("InternalError").answer().body
        ),
    ),
    S3Fault(
        name="error after storing", takes_effect=True, answer=S3Error("InternalError").answer()
    ),
    S3Fault(name="wrong ETag", takes_effect=True, headers={"ETag": f'"{"0" * 32}"'}),
)
"""The faults by name: an error of S3 has the name of its code."""


@dataclass(slots=True)
class Rule:
    """Which requests a fault strikes, while it is there."""

    fault: S3Fault
    operation: str = "*"
    """A pattern for the name of the operation: ``PutObject``, ``*Upload``."""
    key: str = "*"
    """A pattern for the key."""
    least: int = 0
    """Bytes that the body must have, at least."""
    times: int | None = None
    """How many requests are still to be struck; None for all."""
    hits: int = 0
    """How many requests were struck."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at its end: then nothing stalls any longer."""

    def strikes(self, request: S3Request, size: int) -> bool:
        """Tell whether this request is struck, and count it."""
        if (
            self.times == self.hits
            or size < self.least
            or not fnmatchcase(request.operation, self.operation)
            or not fnmatchcase(request.key, self.key)
        ):
            return False
        self.hits += 1
        return True
