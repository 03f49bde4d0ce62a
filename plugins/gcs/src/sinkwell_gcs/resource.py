"""An object's own data beside its bytes: what is sent with it, and what comes back."""

import re
import time
from datetime import UTC, datetime

import msgspec

from sinkwell.contract import Blob, content_disposition, metadata_text
from sinkwell_gcs.payload import Digests
from sinkwell_gcs.settings import GcsSettings

FIELDS = "name,generation,size,crc32c,contentType,metadata"
"""What is asked of an object: no more than :class:`Found` holds."""

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(; ?[A-Za-z0-9=\"_.+-]+)*")
_UNKNOWN = "application/octet-stream"
_LONGEST_METADATA = 8 * 1024
"""Bytes that Cloud Storage takes of an object's own metadata, names and values together."""


class Found(msgspec.Struct, frozen=True):
    """What Cloud Storage says of an object. Size and crc32c are of the bytes that it stores."""

    size: str = ""
    crc32c: str = ""
    generation: str = ""
    media_type: str | None = msgspec.field(name="contentType", default=None)
    metadata: dict[str, str] = {}

    @property
    def sha256(self) -> str | None:
        """The digest that a sink noted when it put the object."""
        return self.metadata.get("sha256")

    def has_bytes_of(self, digests: Digests) -> bool:
        """Tell whether the stored bytes agree, as far as Cloud Storage itself knows."""
        return self.size == str(digests.size) and self.crc32c == digests.crc32c


def resource(settings: GcsSettings, blob: Blob, name: str, digests: Digests | None) -> bytes:
    """Return the JSON that goes with an upload; ``digests`` where they are known before."""
    made: dict[str, object] = {"name": name, "contentType": media_type(blob)}
    if digests:
        made["crc32c"] = digests.crc32c
    if settings.metadata:
        made["metadata"] = _metadata(blob)
    if settings.storage_class:
        made["storageClass"] = settings.storage_class
    if settings.cache_control:
        made["cacheControl"] = settings.cache_control
    if settings.content_disposition:
        made["contentDisposition"] = content_disposition(
            blob.name or name.rpartition("/")[2], disposition=settings.content_disposition
        )
    if settings.custom_time is not None:
        moment = datetime.fromtimestamp(time.time() + settings.custom_time, UTC)
        made["customTime"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode(made)


def media_type(blob: Blob) -> str:
    """Return the blob's media type as far as it can stand in a header."""
    return blob.media_type if _MEDIA_TYPE.fullmatch(blob.media_type) else _UNKNOWN


def _metadata(blob: Blob) -> dict[str, str]:
    """Return digest, original name and labels in ASCII, within the limit: what fits, in order."""
    made = {"sha256": blob.sha256}
    left = _LONGEST_METADATA - sum(map(len, ("sha256", blob.sha256)))
    texts = [("name", blob.name or "")]
    texts += [(f"label-{metadata_text(key)}", value) for key, value in blob.labels.items()]
    for key, value in texts:
        text = metadata_text(value, limit=max(0, left - len(key)))
        if text:
            made[key] = text
            left -= len(key) + len(text)
    return made
