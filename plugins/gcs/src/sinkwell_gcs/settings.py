"""The section of a GCS sink: ``[sinks.NAME]`` with ``type = "gcs"``."""

import ipaddress
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from sinkwell.contract import Duration, Secret, SinkSettings, Size
from sinkwell_gcs.names import LONGEST_NAME, flaw

_LONGEST_KEY = 900
"""Bytes of the longest key that Sinkwell makes: a prefix must leave room for it."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_KMS_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_PLAIN = re.compile(r"[ -~]*")

PredefinedAcl = Literal[
    "authenticatedRead",
    "bucketOwnerFullControl",
    "bucketOwnerRead",
    "private",
    "projectPrivate",
    "publicRead",
]


class GcsSettings(SinkSettings, frozen=True, kw_only=True):
    """What the user decides: which bucket, as whom, and how objects are stored there."""

    bucket: str
    """Name of the bucket; it must exist."""
    prefix: str = ""
    """What every object's name begins with, ahead of the key, such as ``"captures/"``; at most
    124 bytes."""
    credentials: Secret | None = None
    """Whom to be: a service account's key or a workload identity configuration, as
    ``"file:/path/key.json"``. Without it the application default credentials are found."""
    anonymous: bool = False
    """Send no credentials at all: for emulators and public buckets."""
    endpoint: str = "https://storage.googleapis.com"
    """Where Cloud Storage answers; another one for private access or an emulator."""
    ca_bundle: str | None = None
    """File with the certificates to trust instead of the usual ones."""
    user_project: str | None = None
    """Project that pays for requests to a "requester pays" bucket."""
    storage_class: str | None = None
    """Storage class of new objects, such as ``"NEARLINE"``; the bucket's own without it."""
    kms_key: str | None = None
    """Cloud KMS key that encrypts new objects:
    ``"projects/P/locations/L/keyRings/R/cryptoKeys/K"``."""
    predefined_acl: PredefinedAcl | None = None
    """Access list of new objects. None is sent without it, as buckets with uniform access
    refuse any."""
    cache_control: str | None = None
    """``Cache-Control`` of new objects."""
    content_disposition: Literal["attachment", "inline"] | None = None
    """Give new objects a ``Content-Disposition`` with the file's original name."""
    custom_time: Duration | None = None
    """Set each object's custom time this long after its put, for lifecycle rules that count from
    it; 0 is the time of the put."""
    metadata: bool = True
    """Keep sha256, original name and labels with each object. Without it, finding an object
    there again means reading it to compare."""
    resumable_above: Size = Size(8 * 1024 * 1024)
    """Files larger than this are sent piece by piece; smaller ones are held in memory and sent
    in one request. From 256 KiB to 64 MiB."""
    connect_timeout: Duration = Duration(10)
    """How long to wait for a connection, in seconds."""
    read_timeout: Duration = Duration(60)
    """How long to wait for an answer, or its next piece, in seconds."""

    def __post_init__(self) -> None:
        """Refuse what cannot work. Raises ``ValueError``."""
        super().__post_init__()
        if not _BUCKET.fullmatch(self.bucket):
            raise ValueError(
                f"bucket {self.bucket!r} is no bucket's name: 3 to 222 lower-case letters, "
                f"digits, '-', '_' and '.', without gs://"
            )
        self._check_prefix()
        self._check_access()
        self._check_texts()
        if not 256 * 1024 <= self.resumable_above <= 64 * 1024 * 1024:
            raise ValueError("resumable_above must be from 256 KiB to 64 MiB")
        if self.connect_timeout <= 0 or self.read_timeout <= 0:
            raise ValueError("connect_timeout and read_timeout must be more than 0")

    def _check_prefix(self) -> None:
        if reason := flaw(f"{self.prefix}x"):
            raise ValueError(f"prefix {self.prefix!r} is not possible: the name {reason}")
        room = LONGEST_NAME - _LONGEST_KEY
        if len(self.prefix.encode()) > room:
            raise ValueError(f"prefix may have {room} bytes at most, so that all keys fit behind")

    def _check_access(self) -> None:
        if self.anonymous and self.credentials is not None:
            raise ValueError("anonymous and credentials exclude each other: remove one")
        parts = urlsplit(self.endpoint)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError(f"endpoint {self.endpoint!r} is no URL like https://host")
        if parts.username is not None:
            raise ValueError("endpoint must not hold a user or password")
        if parts.scheme == "http" and not (self.anonymous or _is_loopback(parts.hostname)):
            raise ValueError(
                "an endpoint with http:// would show the access token to everyone on the way: "
                "use https://, or anonymous = true for an emulator"
            )
        if self.ca_bundle is not None and not Path(self.ca_bundle).is_file():
            raise ValueError(f"ca_bundle {self.ca_bundle!r}: there is no such file")

    def _check_texts(self) -> None:
        if self.kms_key is not None and not _KMS_KEY.fullmatch(self.kms_key):
            raise ValueError(
                f"kms_key {self.kms_key!r} is no key's name: write "
                f'"projects/P/locations/L/keyRings/R/cryptoKeys/K"'
            )
        for key in ("cache_control", "storage_class", "user_project"):
            if not _PLAIN.fullmatch(getattr(self, key) or ""):
                raise ValueError(f"{key} may hold printable ASCII alone")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
