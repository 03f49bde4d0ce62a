"""Turning answers and failures into the errors of the contract, with the advice that helps."""

import asyncio
import ssl
import time

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from multidict import CIMultiDict

from sinkwell.contract import SinkError, TransientError, retry_after
from sinkwell_s3.answers import Answer
from sinkwell_s3.meanings import (
    AGAIN,
    CERTIFICATE,
    CODES,
    ENDPOINT,
    EXCEPTIONS,
    FILE,
    INSTALL,
    PROXY,
    REGION,
    STATUSES,
    AnswerLostError,
    Meaning,
)

_LONGEST_REGION = 40


def refused(answer: Answer, label: str) -> SinkError:
    """Return what to raise for an answer that is no success; ``label`` says who did what."""
    kind, advice = _meaning(answer)
    code = f"{answer.status} {answer.code}".strip()
    text = f"{label} failed: {answer.message} ({code}). {advice}{_region(answer)}."
    if issubclass(kind, TransientError):
        return kind(text, retry_after=retry_after(answer.headers, time.time()))
    return kind(text)


def _meaning(answer: Answer) -> Meaning:
    status = answer.status
    found = CODES.get(answer.code) or STATUSES.get(status)
    if found:
        return found
    if status >= 500 or status == 200:  # noqa: PLR2004 - server errors; 200 with an error inside
        return AGAIN
    if status == 307:  # noqa: PLR2004 - a bucket's name is not known everywhere yet
        return AGAIN
    return REGION if 300 <= status < 400 else FILE if status >= 400 else ENDPOINT  # noqa: PLR2004


def _region(answer: Answer) -> str:
    """Return what the store itself says of the region, as far as it can be one."""
    region = answer.headers.get("x-amz-bucket-region") or answer.document.text("Region")
    if _meaning(answer) is not REGION or not 0 < len(region) <= _LONGEST_REGION:
        return ""
    return f": the bucket is in {region!r}" if region.isascii() and region.isprintable() else ""


def from_transport(error: Exception, label: str) -> SinkError:
    """Return what to raise for a request that got no answer."""
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return _told(CERTIFICATE, label, "the TLS handshake failed")
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return _told(PROXY, label, "the proxy cannot be reached or refuses to connect")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _told(AGAIN, label, f"the name of {error.host} cannot be resolved")
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or "connection failed"
        return _told(AGAIN, label, f"{error.host}:{error.port} cannot be reached: {reason}")
    if isinstance(error, aiohttp.InvalidURL):
        return _told(ENDPOINT, label, "the address is no URL")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _told(AGAIN, label, "no connection was made in time")
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        what = "no answer came in time"
    elif isinstance(error, aiohttp.ClientPayloadError):
        what = "the answer was cut off"
    else:
        what = "the connection was lost before an answer came"
    return AnswerLostError(f"{label} failed: {what}. {AGAIN[1]}.")


def from_boto(error: Exception, label: str) -> SinkError:
    """Return what to raise for an exception of botocore or boto3.

    Their texts are not shown: they may quote addresses and whatever a server answered.
    """
    kind = type(error).__name__
    if isinstance(error, ClientError):
        return refused(answer_of(error), label)
    for each in type(error).__mro__:
        if found := EXCEPTIONS.get(each):
            return _told(found, label, kind)
    return _told(INSTALL, label, kind)


def answer_of(error: ClientError) -> Answer:
    """Return the answer that a ``ClientError`` was made of."""
    meta = error.response.get("ResponseMetadata", {})
    return Answer(
        int(meta.get("HTTPStatusCode", 0)),
        CIMultiDict(meta.get("HTTPHeaders", {})),
        said={key: str(value) for key, value in error.response.get("Error", {}).items()},
    )


NO_ANSWER = (BotoCoreError, ResponseParserError)
"""All that a call of botocore's raises for what is no answer of a store's."""

BOTO_ERRORS = (*NO_ANSWER, ClientError)
"""All that a call of botocore's raises by design."""


def _told(meaning: Meaning, label: str, what: str) -> SinkError:
    kind, advice = meaning
    return kind(f"{label} failed: {what}. {advice}.")
