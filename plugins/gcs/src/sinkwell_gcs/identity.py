"""Who the sink is to Google: finding credentials, keeping an access token fresh, signing URLs."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import google.auth
import requests
from google.api_core import exceptions as api
from google.auth import aws, identity_pool
from google.auth import exceptions as auth
from google.auth.credentials import (
    AnonymousCredentials,
    Credentials,
    Signing,
    TokenState,
    with_scopes_if_required,
)
from google.auth.transport.requests import Request
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from sinkwell.contract import Secret, SinkError, UnusableError
from sinkwell.contract.sink import RunBlocking
from sinkwell_gcs.exceptions import from_google
from sinkwell_gcs.settings import GcsSettings

_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_TROUBLE = (auth.GoogleAuthError, api.GoogleAPIError, requests.RequestException, ValueError)
_AWS = "urn:ietf:params:aws:token-type:aws4_request"


class Identity:
    """Credentials, and the access token that they gave last.

    All that goes to Google here is blocking and done in the sink's threads; between two refreshes
    a request costs a look at the clock.
    """

    def __init__(
        self,
        credentials: Credentials,
        session: requests.Session,
        settings: GcsSettings,
        run_blocking: RunBlocking,
    ) -> None:
        self._credentials = credentials
        self._session = session
        self._settings = settings
        self._run_blocking = run_blocking
        # What google-auth calls to get a token; it tries the token's endpoint a few times.
        self._request = partial(Request(session), timeout=float(settings.read_timeout))
        self._refreshing = asyncio.Lock()
        self._refused = False

    def __repr__(self) -> str:
        return f"Identity({self.described()!r})"

    @classmethod
    async def find(cls, settings: GcsSettings, name: str, run_blocking: RunBlocking) -> "Identity":
        """Find the credentials. Raises ``UnusableError`` when there are none that can be used."""
        session = requests.Session()
        if settings.ca_bundle:
            session.verify = settings.ca_bundle
        label = f"sink {name!r}: finding credentials"
        try:
            credentials = await run_blocking(_found, settings, label, Request(session))
        except _TROUBLE as error:
            raise UnusableError(str(from_google(error, label))) from error
        return cls(credentials, session, settings, run_blocking)

    def described(self) -> str:
        """Say who it is, without anything secret."""
        if isinstance(self._credentials, AnonymousCredentials):
            return "nobody (anonymous)"
        email = self._account()
        return email or type(self._credentials).__module__.rpartition(".")[2].replace("_", " ")

    async def headers(self, label: str) -> dict[str, str]:
        """Return what proves to Google who asks. Raises ``SinkError`` when no token is to be had.

        A token that ends soon is replaced by one request, while the others wait for it; should
        that fail, the old one is used as long as it lasts.
        """
        if isinstance(self._credentials, AnonymousCredentials):
            return {}
        if not self._is_fresh():
            async with self._refreshing:
                if not self._is_fresh():
                    await self._refresh(label)
        headers: dict[str, str] = {}
        self._credentials.apply(headers)
        return headers

    def refused(self) -> None:
        """Take note that the token was refused: the next request gets another one first."""
        self._refused = True

    async def sign(self, name: str, expires_in: float, label: str) -> str:
        """Return a V4 signed URL to read an object. Raises ``SinkError`` when it cannot be."""
        await self.headers(label)
        account = self._account()
        extra: dict[str, object] = {}
        if not isinstance(self._credentials, Signing):
            if account is None:
                raise UnusableError(
                    f"{label} failed: {self.described()} cannot sign. Use a service account: its "
                    f"key, or workload identity with the role Service Account Token Creator on "
                    f"itself."
                )
            extra = {
                "service_account_email": account,
                "access_token": self._credentials.token,
            }
        url: str = await self._do(label, self._signed, name, expires_in, extra)
        return url

    def close(self) -> None:
        """Let go of the connections to the token's endpoint."""
        self._session.close()

    def _is_fresh(self) -> bool:
        return not self._refused and self._credentials.token_state is TokenState.FRESH

    async def _refresh(self, label: str) -> None:
        try:
            await self._do(
                f"{label}: getting an access token", self._credentials.refresh, self._request
            )
        except SinkError:
            if self._refused or self._credentials.token_state is TokenState.INVALID:
                raise
        else:
            self._refused = False

    def _account(self) -> str | None:
        email = getattr(self._credentials, "service_account_email", None)
        return email if isinstance(email, str) and "@" in email else None

    def _signed(self, name: str, expires_in: float, extra: dict[str, object]) -> str:
        # It costs half a second and tens of megabytes, and few ever ask for a link.
        from google.cloud.storage.client import Client

        client = Client(project="none", credentials=AnonymousCredentials())
        blob = client.bucket(self._settings.bucket).blob(name)
        url: str = blob.generate_signed_url(
            version="v4",
            expiration=timedelta(seconds=expires_in),
            method="GET",
            credentials=self._credentials,
            api_access_endpoint=self._settings.endpoint.rstrip("/"),
            query_parameters=self._query(),
            **extra,
        )
        return url

    def _query(self) -> dict[str, str]:
        project = self._settings.user_project
        return {"userProject": project} if project else {}

    async def _do(self, label: str, function: Callable[..., Any], *args: object) -> Any:
        try:
            return await self._run_blocking(function, *args)
        except _TROUBLE as error:
            raise from_google(error, label) from error


def _found(settings: GcsSettings, label: str, request: Request) -> Credentials:
    if settings.anonymous:
        return AnonymousCredentials()
    if settings.credentials is not None:
        return _from_file(settings.credentials, label)
    # Asked with scopes, it would look up the project as well, which no sink needs and which
    # fails where only Cloud Storage can be reached.
    credentials, _ = google.auth.default(request=request)
    scoped: Credentials = with_scopes_if_required(credentials, _SCOPES)
    return scoped


def _from_file(secret: Secret, label: str) -> Credentials:
    """Return the credentials that a JSON file of Google's holds."""
    try:
        info = json.loads(secret.reveal())
        make = _MAKERS[info["type"]]
    except (ValueError, KeyError, TypeError):
        # From None: the error of the JSON decoder carries the whole text with it.
        raise UnusableError(
            f"{label} failed: credentials is no JSON file of a known type ({', '.join(_MAKERS)}). "
            f'Write credentials = "file:/path/key.json"; for other types leave it out and set '
            f"GOOGLE_APPLICATION_CREDENTIALS."
        ) from None
    try:
        return make(info)
    except (ValueError, KeyError, TypeError, auth.GoogleAuthError):
        raise UnusableError(
            f"{label} failed: the JSON file of credentials is of type {info['type']!r}, but "
            f"something in it is missing or no good. Download it again."
        ) from None


def _external(info: dict[str, Any]) -> Credentials:
    kind = aws if info.get("subject_token_type") == _AWS else identity_pool
    made: Credentials = kind.Credentials.from_info(info, scopes=_SCOPES)
    return made


def _service_account(info: dict[str, Any]) -> Credentials:
    made: Credentials = service_account.Credentials.from_service_account_info(info, scopes=_SCOPES)
    return made


def _user(info: dict[str, Any]) -> Credentials:
    made: Credentials = user.Credentials.from_authorized_user_info(info, scopes=_SCOPES)
    return made


# Each kind by name: google-auth has no reader of any kind left that it does not warn of, as one
# should know what one lets in. Sources that run a program are not among them.
_MAKERS: dict[str, Callable[[dict[str, Any]], Credentials]] = {
    "service_account": _service_account,
    "external_account": _external,
    "authorized_user": _user,
}
