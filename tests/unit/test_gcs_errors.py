import inspect
import json
import ssl
from collections.abc import Iterator
from types import ModuleType

import aiohttp
import pytest
import requests
from aiohttp.client_reqrep import ConnectionKey
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError
from sinkwell_gcs import errors, exceptions
from sinkwell_gcs.errors import Answer, AnswerLostError, ForbiddenError, refused
from sinkwell_gcs.exceptions import from_google, from_transport

LABEL = "sink 'archive': putting 'a/b.png'"
KEY = ConnectionKey("host", 443, True, True, None, None, None)


def answer(status: int, reason: str = "", message: str = "said so", **headers: str) -> Answer:
    body = {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}}
    return Answer(status, headers, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (301, "", UnusableError),
        (302, "", UnusableError),
        (308, "", TransientError),
        (400, "invalid", RejectedError),
        (400, "uploadBrokenConnection", TransientError),
        (400, "userProjectMissing", UnusableError),
        (401, "authError", UnusableError),
        (403, "forbidden", ForbiddenError),
        (403, "insufficientPermissions", ForbiddenError),
        (403, "rateLimitExceeded", TransientError),
        (403, "retentionPolicyNotMet", RejectedError),
        (403, "objectUnderActiveHold", RejectedError),
        (403, "accountDisabled", UnusableError),
        (404, "notFound", UnusableError),
        (405, "methodNotAllowed", UnusableError),
        (408, "uploadBrokenConnection", TransientError),
        (409, "conflict", TransientError),
        (410, "gone", TransientError),
        (411, "lengthRequired", UnusableError),
        (412, "conditionNotMet", TransientError),
        (412, "orgPolicyConstraintFailed", UnusableError),
        (413, "uploadTooLarge", RejectedError),
        (416, "requestedRangeNotSatisfiable", TransientError),
        (418, "", RejectedError),
        (429, "rateLimitExceeded", TransientError),
        (499, "", TransientError),
        (500, "internalError", TransientError),
        (502, "", TransientError),
        (503, "backendError", TransientError),
        (504, "", TransientError),
        (599, "", TransientError),
    ],
)
def test_every_status_has_its_class_and_its_advice(
    status: int, reason: str, kind: type[SinkError]
) -> None:
    error = refused(answer(status, reason), LABEL)

    assert type(error) is kind
    message = str(error)
    assert message.startswith(f"{LABEL} failed: said so ({status}). ")
    advice = message.rpartition("). ")[2]
    assert advice[0].isupper()
    assert advice.endswith(".")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Provided CRC32C doesn't match calculated CRC32C.", TransientError),
        ("Cannot insert legacy ACL when uniform bucket-level access is enabled.", UnusableError),
        ("The Cloud KMS key is disabled.", UnusableError),
        ("Invalid storage class.", UnusableError),
        ("The billing account is closed.", UnusableError),
        ("Disallowed unicode characters present in object name.", RejectedError),
    ],
)
def test_a_bad_request_is_told_apart_by_its_words(message: str, kind: type[SinkError]) -> None:
    assert type(refused(answer(400, "invalid", message), LABEL)) is kind


def test_an_answer_that_is_no_json_is_told_by_its_status() -> None:
    error = refused(Answer(502, {}, b"<html>Bad Gateway"), LABEL)

    assert isinstance(error, TransientError)
    assert "HTTP status 502" in str(error)


def test_an_answer_that_is_no_text_is_told_by_its_status() -> None:
    error = refused(Answer(503, {}, b'{"error": {"message": "\xff\xfe"}}'), LABEL)

    assert isinstance(error, TransientError)
    assert "HTTP status 503" in str(error)


def test_a_message_is_one_line_of_limited_length() -> None:
    text = str(refused(answer(500, "", "a\r\n\x1b[31m" + "x" * 5000), LABEL))

    assert text.isprintable()
    assert len(text) < 600


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")), TransientError),
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), TransientError),
        (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "x")), UnusableError),
        (
            aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("x")),
            UnusableError,
        ),
        (ssl.SSLError(1, "x"), UnusableError),
        (aiohttp.ConnectionTimeoutError(), TransientError),
        (aiohttp.SocketTimeoutError(), AnswerLostError),
        (TimeoutError(), AnswerLostError),
        (aiohttp.ServerDisconnectedError(), AnswerLostError),
        (aiohttp.ClientOSError(104, "reset"), AnswerLostError),
        (aiohttp.ClientPayloadError(), AnswerLostError),
        (ConnectionResetError(), AnswerLostError),
        (aiohttp.InvalidURL("https://secret"), UnusableError),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else "",
)
def test_every_failure_on_the_way_has_its_class(error: Exception, kind: type[SinkError]) -> None:
    found = from_transport(error, LABEL)

    assert type(found) is kind
    assert str(found).startswith(f"{LABEL} failed: ")
    assert "secret" not in str(found)


def classes(module: ModuleType) -> Iterator[type[Exception]]:
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if issubclass(kind, Exception) and kind.__module__ == module.__name__:
            yield kind


def test_every_exception_of_google_api_core_is_in_the_tables() -> None:
    for kind in classes(api):
        code = getattr(kind, "code", None)
        listed = kind in exceptions._API if code is None else _is_known(int(code))
        assert listed, f"{kind.__name__} is in no table"


def _is_known(status: int) -> bool:
    return status in errors._STATUSES or status >= 500 or status < 400


def test_every_exception_of_google_auth_is_in_the_table() -> None:
    assert set(classes(auth)) == set(exceptions._AUTH)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (api.TooManyRequests("secret"), TransientError),
        (api.ServiceUnavailable("secret"), TransientError),
        (api.Forbidden("secret"), ForbiddenError),
        (api.NotFound("secret"), UnusableError),
        (api.RetryError("secret", cause=None), TransientError),
        (auth.RefreshError("secret"), UnusableError),
        (auth.RefreshError("secret", retryable=True), TransientError),
        (auth.TransportError("secret"), TransientError),
        (auth.TransportError(requests.exceptions.SSLError("secret")), UnusableError),
        (auth.DefaultCredentialsError("secret"), UnusableError),
        (requests.exceptions.ConnectionError("secret"), TransientError),
        (ValueError("secret"), UnusableError),
    ],
    ids=lambda case: type(case).__name__ if isinstance(case, Exception) else "",
)
def test_exceptions_of_googles_libraries_are_told_without_their_texts(
    error: Exception, kind: type[SinkError]
) -> None:
    found = from_google(error, LABEL)

    assert type(found) is kind
    assert "secret" not in str(found)


def test_why_no_token_was_given_is_told_by_its_code() -> None:
    refusal = auth.RefreshError("invalid_grant: Invalid JWT Signature, secret", {"x": "secret"})

    assert str(from_google(refusal, LABEL)).startswith(
        f"{LABEL} failed: RefreshError (invalid_grant). Look at the sink's credentials"
    )
