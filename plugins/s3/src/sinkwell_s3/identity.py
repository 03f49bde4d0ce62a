"""Who the sink is to the store, and where the store is: all that boto3 is asked for.

Finding and renewing credentials, resolving endpoints and making clients may read files, ask
servers and take long: all of it happens in the sink's threads, never in the event loop.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
    ReadOnlyCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError

from sinkwell.contract import Background, SinkError, UnusableError
from sinkwell.contract.sink import RunBlocking
from sinkwell_s3.errors import BOTO_ERRORS, from_boto
from sinkwell_s3.presets import CreateOnly
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.signature import Keys

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SOON = 15 * 60
"""Seconds before they expire at which credentials are renewed, while requests go on with them."""

_NOW = 2 * 60
"""Seconds before they expire at which requests wait for new ones."""

_NAMELESS = "x"

_FIRST_REGION = "us-east-1"
"""What AWS takes where nothing names a region."""


class Identity:
    """Credentials, and the address of the bucket."""

    def __init__(self, settings: S3Settings, name: str, run_blocking: RunBlocking) -> None:
        self._settings = settings
        self._name = name
        self._run_blocking = run_blocking
        self._background = Background()
        self._lock = asyncio.Lock()
        self._session: boto3.session.Session
        self._credentials: Credentials
        self._keys: Keys | None = None
        self._renewing = False
        self.region = ""
        """What is signed for."""
        self.bucket_url = ""
        """Where the bucket is, without a slash at the end."""
        self.client: S3Client
        """boto3's own client for this sink: same address, same credentials, no retries."""

    def __repr__(self) -> str:
        return f"Identity({self.described()!r})"

    @classmethod
    async def find(cls, settings: S3Settings, name: str, run_blocking: RunBlocking) -> "Identity":
        """Find credentials and address. Raises ``UnusableError`` when there are none."""
        made = cls(settings, name, run_blocking)
        label = f"sink {name!r}: finding credentials and endpoint"
        try:
            await made._do(label, made._find)
        except SinkError as error:
            raise UnusableError(str(error)) from error
        return made

    def described(self) -> str:
        """Say who it is, without anything secret."""
        return f"found by {self._credentials.method!r}, key {self._credentials.access_key[:4]}…"

    async def keys(self, label: str) -> Keys:
        """Return what to sign with. Raises ``SinkError`` when there is nothing that is valid.

        Credentials that end soon are renewed beside the requests, and only when they end in a
        moment do requests wait for new ones; should that fail, the old ones are used as long as
        they last.
        """
        keys = self._keys
        if keys is None or self._ends_within(_NOW):
            async with self._lock:
                keys = self._keys
                if keys is None or self._ends_within(_NOW):
                    keys = await self._renewed(label)
        elif not self._renewing and self._ends_within(_SOON):
            self._renewing = True
            self._background.start(self._renewed(f"sink {self._name!r}"))
        return keys

    def refused(self) -> None:
        """Take note that the store does not know the key: the next request looks for another."""
        if self._settings.access_key is None:
            self._keys = None

    async def close(self) -> None:
        """Wait for what is under way, and close boto3's connections."""
        await self._background.ended()
        await self._run_blocking(self.client.close)

    def _ends_within(self, seconds: int) -> bool:
        credentials = self._credentials
        return isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed(
            seconds
        )

    async def _renewed(self, label: str) -> Keys:
        try:
            if self._keys is None:
                await self._do(f"{label}: finding credentials", self._find)
            get = self._credentials.get_frozen_credentials
            keys = _keys(await self._do(f"{label}: renewing credentials", get))
        finally:
            self._renewing = False
        self._keys = keys
        return keys

    async def _do(self, label: str, function: Callable[[], Any]) -> Any:
        try:
            return await self._run_blocking(function)
        except (*BOTO_ERRORS, ValueError) as error:
            raise from_boto(error, label) from error

    def _find(self) -> None:
        """Make a new session, so that files and environment are read as they are now. Blocking."""
        settings = self._settings
        core = botocore.session.Session(profile=settings.profile)
        if settings.access_key and settings.secret_key:
            core.set_credentials(
                settings.access_key.reveal(),
                settings.secret_key.reveal(),
                settings.session_token.reveal() if settings.session_token else None,
            )
        if settings.role_arn:
            role = _Role(core, settings, settings.role_arn)
            core = botocore.session.Session(profile=settings.profile)
            core.register_component("credential_provider", CredentialResolver([role]))
        self._session = boto3.session.Session(botocore_session=core)
        found = self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        self._credentials = found
        if not isinstance(found, RefreshableCredentials):
            self._keys = _keys(found.get_frozen_credentials())
        self.client = self._client()
        region = self.client.meta.region_name
        self.region = _FIRST_REGION if region in {None, "aws-global"} else region
        self.bucket_url = self._resolved()

    def service(self, name: str) -> Any:
        """Return boto3's client of another service of AWS, as the same identity. Blocking."""
        make: Any = self._session.client  # its types know the names of services as literals alone
        return make(
            name,
            region_name=self.region,
            verify=self._settings.ca_bundle,
            config=self._config(),
        )

    def _client(self, **more: Any) -> "S3Client":
        settings = self._settings
        client: S3Client = self._session.client(
            "s3",
            region_name=settings.preset.region,
            endpoint_url=settings.endpoint_url,
            verify=settings.ca_bundle,
            # Said so, as boto3 signs links in the old way else.
            config=self._config(**{"signature_version": "s3v4", **more}),
        )
        condition = partial(_conditioned, settings.preset.create_only)
        client.meta.events.register("before-call.s3", condition)
        return client

    def _config(self, **more: Any) -> Config:
        settings = self._settings
        return Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            max_pool_connections=max(10, 4 * settings.concurrency),
            proxies={"http": settings.proxy, "https": settings.proxy} if settings.proxy else {},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            use_dualstack_endpoint=settings.dual_stack,
            s3={
                # Never "auto": for links boto3 then takes the endpoint of all regions. With AWS, a
                # bucket whose name cannot be a host's stands in the path all the same.
                "addressing_style": settings.preset.addressing,
                "use_accelerate_endpoint": settings.accelerate,
            },
            **more,
        )

    def _resolved(self) -> str:
        """Return where the bucket is, as boto3 resolves it."""
        client = self._client(signature_version=UNSIGNED)
        url: str = client.generate_presigned_url(
            "get_object", Params={"Bucket": self._settings.bucket, "Key": _NAMELESS}
        )
        client.close()
        return url.removesuffix(f"/{_NAMELESS}")


def _keys(frozen: ReadOnlyCredentials) -> Keys:
    return Keys(frozen.access_key or "", frozen.secret_key or "", frozen.token)


def _conditioned(
    create_only: CreateOnly | None, params: dict[str, dict[str, str]], **_: object
) -> None:
    """Write a condition as this store reads it, before the request is signed."""
    if params["headers"].pop("If-None-Match", None) and create_only:
        params["headers"][create_only.header] = create_only.value


class _Role(CredentialProvider):
    """Assumes the role of the settings, with the credentials that a session finds."""

    METHOD = "assume-role"

    def __init__(self, session: botocore.session.Session, settings: S3Settings, arn: str) -> None:
        super().__init__()
        region = settings.region or session.get_config_variable("region") or _FIRST_REGION
        self._client = partial(session.create_client, region_name=region)
        self._source = session.get_credentials()
        self._arn = arn
        self._extra = {"RoleSessionName": settings.role_session_name}
        if settings.role_external_id:
            self._extra["ExternalId"] = settings.role_external_id.reveal()

    def load(self) -> Credentials | None:
        if self._source is None:
            return None
        fetcher = AssumeRoleCredentialFetcher(
            self._client, self._source, self._arn, extra_args=self._extra
        )
        return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)
