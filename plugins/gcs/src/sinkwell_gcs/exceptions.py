"""What the exceptions of aiohttp, google-auth and google-api-core mean for a delivery."""

import asyncio
import errno
import os
import ssl

import aiohttp
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from sinkwell.contract import SinkError, UnusableError
from sinkwell_gcs.errors import AGAIN, ENDPOINT, FILE, LOGIN, AnswerLostError, Meaning, meaning_of

_INSTALL: Meaning = (UnusableError, "Look at the sink's credentials and their configuration")
_CERTIFICATE: Meaning = (
    UnusableError,
    "The endpoint's certificate is not trusted: set ca_bundle, or correct the endpoint",
)

_API: dict[type[api.GoogleAPIError] | type[NotImplementedError], Meaning] = {
    api.GoogleAPIError: AGAIN,
    api.GoogleAPICallError: AGAIN,
    api.Redirection: ENDPOINT,
    api.ClientError: FILE,
    api.ServerError: AGAIN,
    api.DataLoss: AGAIN,
    api.Unknown: AGAIN,
    api.DuplicateCredentialArgs: _INSTALL,
    api.RetryError: AGAIN,
    api.AsyncRestUnsupportedParameterError: _INSTALL,
    api.TransferStalledError: AGAIN,
    api.UnseekableStreamError: FILE,
    api.UploadCancelledError: AGAIN,
    api.MissingStatusHeaderError: AGAIN,
    api.ResumableTransferError: AGAIN,
}
"""Exceptions of google-api-core that have no HTTP status; the others go by it."""

_AUTH: dict[type[auth.GoogleAuthError], Meaning] = {
    auth.GoogleAuthError: LOGIN,
    auth.TransportError: AGAIN,
    auth.RefreshError: LOGIN,
    auth.UserAccessTokenError: LOGIN,
    auth.DefaultCredentialsError: (
        UnusableError,
        'Set credentials = "file:/path/key.json", or provide application default credentials',
    ),
    auth.MutualTLSChannelError: _INSTALL,
    auth.ClientCertError: _INSTALL,
    auth.OAuthError: LOGIN,
    auth.ReauthFailError: LOGIN,
    auth.ReauthSamlChallengeFailError: LOGIN,
    auth.MalformedError: _INSTALL,
    auth.InvalidResource: _INSTALL,
    auth.InvalidOperation: _INSTALL,
    auth.InvalidValue: _INSTALL,
    auth.InvalidType: _INSTALL,
    auth.OSError: _INSTALL,
    auth.TimeoutError: AGAIN,
    auth.ResponseError: AGAIN,
}

_OAUTH_ERRORS = {
    *("access_denied", "invalid_client", "invalid_grant", "invalid_rapt", "invalid_request"),
    *("invalid_scope", "invalid_target", "unauthorized_client", "unsupported_grant_type"),
}
"""Error codes of RFC 6749 and 8693, and one of Google's own."""


def from_transport(error: Exception, label: str) -> SinkError:
    """Return what to raise for a request that got no answer."""
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return _told(_CERTIFICATE, label, "the TLS handshake failed")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _told(AGAIN, label, f"the name of {error.host} cannot be resolved")
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = os.strerror(error.os_error.errno or errno.ECONNREFUSED)
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


def from_google(error: Exception, label: str) -> SinkError:
    """Return what to raise for an exception of Google's libraries, or of requests below them.

    Their texts are not shown, as they quote whatever a token endpoint answered; only the error
    code of OAuth that they begin with is, such as ``invalid_grant``.
    """
    kind = type(error).__name__
    if isinstance(error, api.GoogleAPICallError) and error.code:
        return _told(meaning_of(int(error.code), "", ""), label, f"{kind} ({int(error.code)})")
    if any(isinstance(each, requests.exceptions.SSLError) for each in (error, *error.args)):
        return _told(_CERTIFICATE, label, "the TLS handshake failed")
    if isinstance(error, requests.exceptions.RequestException):
        return _told(AGAIN, label, "no connection")
    for each in type(error).__mro__:
        if found := _AUTH.get(each) or _API.get(each):
            return _told(_retryable(error, found), label, f"{kind}{_oauth_error(error)}")
    return _told(_INSTALL, label, kind)


def _oauth_error(error: Exception) -> str:
    code = str(error.args[0]).partition(":")[0] if error.args else ""
    return f" ({code})" if code in _OAUTH_ERRORS else ""


def _retryable(error: Exception, meaning: Meaning) -> Meaning:
    """Take Google's own word for it that a failed refresh may succeed later."""
    return AGAIN if getattr(error, "retryable", False) else meaning


def _told(meaning: Meaning, label: str, what: str) -> SinkError:
    kind, advice = meaning
    return kind(f"{label} failed: {what}. {advice}.")
