"""The source type ``screenshotcenter``: webhooks of ScreenshotCenter.

A webhook is JSON: ``event``, ``screenshot_id``, ``status``, ``image_url``, ``apps`` and more. Its
proof is HMAC-SHA256 of the body, in hexadecimal, without a time. The provider's own pages spell
several things in two ways, so both are taken.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sinkwell.contract import (
    AuthenticationError,
    Callback,
    LinkedFile,
    MalformedCallbackError,
    Message,
    Secret,
    Source,
    SourceContext,
    SourceSettings,
    SourceType,
    Transport,
)
from sinkwell.sources.values import (
    LONGEST_ID,
    LONGEST_STATUS,
    LONGEST_URL,
    extension_of,
    fingerprint,
    labels,
    text,
)

_SIGNATURES = ("x-screenshotcenter-signature", "x-signature")
_SIGNATURE = re.compile("(?:sha256=)?([0-9a-fA-F]{64})")
_FINISHED = {"screenshot.finished", "screenshot.completed", "finished", "done"}
_FAILED = {"screenshot.failed", "failed"}
_NOTICES = ("batch.", "app.")
_BATCH_OVER = {"batch.finished", "batch.completed"}
_KEPT = ("url", "width", "height", "created_at", "tags", "tag", "batch_id", "app", "path", "apps")


class ScreenshotCenterSettings(SourceSettings, frozen=True, kw_only=True):
    """``[sources.NAME]`` with ``type = "screenshotcenter"``."""

    secrets: tuple[Secret, ...]
    """Each secret that webhooks may be signed with; two while one takes the other's place."""

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError("secrets must name at least one secret")


class ScreenshotCenter(Source):
    """Understands ScreenshotCenter's webhooks."""

    transport = Transport.JSON
    fetch_hosts = ("screenshotcenter.com", "*.screenshotcenter.com")

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def macs(self, _: Message) -> Sequence[hmac.HMAC]:
        """Sign the body with every secret."""
        return [hmac.new(secret.reveal().encode(), digestmod="sha256") for secret in self._secrets]

    def authenticate(self, message: Message) -> bool:
        """Compare each signature that was sent with that of every secret."""
        sent = [message.headers[name] for name in _SIGNATURES if name in message.headers]
        given = [match[1].lower() for each in sent if (match := _SIGNATURE.fullmatch(each))]
        if not given:
            raise AuthenticationError("the header X-ScreenshotCenter-Signature holds no signature")
        if not message.complete:
            return False
        matches = [
            hmac.compare_digest(each, mac.hexdigest()) for each in given for mac in message.macs
        ]
        if not any(matches):
            raise AuthenticationError("the signature is none of a secret of this source")
        return True

    def parse(self, message: Message) -> Callback:
        """Read event, status, id and link. Only the body is signed, so nothing else is read."""
        document = message.json()
        if not isinstance(document, dict):
            raise MalformedCallbackError("the webhook is no JSON object")
        event = text(document.get("event"), LONGEST_STATUS)
        status = text(document.get("status"), LONGEST_STATUS)
        name = text(document.get("screenshot_id", document.get("id")), LONGEST_ID)
        told = event or status
        if not told:
            raise MalformedCallbackError("the webhook has neither event nor status")
        if event.startswith(_NOTICES):
            return _notice(document, name, told, message.body)
        if {event, status} & _FAILED:
            return Callback(
                provider_id=name,
                deduplication_key=f"failed:{name or fingerprint(message.body)}",
                succeeded=False,
                provider_status=status or event,
            )
        if {event, status} & _FINISHED:
            return _finished(document, name, status or event)
        return _notice(document, name, told, message.body)


def _finished(document: Mapping[str, Any], name: str, status: str) -> Callback:
    url = text(document.get("image_url"), LONGEST_URL + 1)
    if not name:
        raise MalformedCallbackError("the webhook has no screenshot_id")
    if not url or len(url) > LONGEST_URL:
        raise MalformedCallbackError("the webhook has no image_url, or one that is too long")
    return Callback(
        provider_id=name,
        deduplication_key=name,
        succeeded=True,
        provider_status=status,
        files=(LinkedFile(url, extension=extension_of(url)),),
        labels=_labels(document),
    )


def _notice(document: Mapping[str, Any], name: str, told: str, body: bytes) -> Callback:
    """Keep news. One screenshot may be uploaded by several apps, so its id alone is not enough."""
    batch = text(document.get("batch_id"), LONGEST_ID)
    return Callback(
        provider_id=name or batch,
        deduplication_key=f"{told}:{fingerprint(body)}",
        succeeded=True,
        provider_status=told,
        labels=_labels(document),
        notice=True,
        finished_batch=(batch or name or None) if told in _BATCH_OVER else None,
    )


def _labels(document: Mapping[str, Any]) -> dict[str, str]:
    kept = {name: document[name] for name in _KEPT if name in document}
    if "tags" not in kept and "tag" in kept:
        kept["tags"] = kept.pop("tag")
    metadata = document.get("metadata")
    if isinstance(metadata, dict):
        kept |= {f"metadata.{name}": value for name, value in metadata.items()}
    return labels(kept)


def _open(settings: ScreenshotCenterSettings, _: SourceContext) -> Source:
    return ScreenshotCenter(settings.secrets)


SCREENSHOTCENTER = SourceType(
    name="screenshotcenter",
    summary="Screenshots of ScreenshotCenter: signed webhooks with a link to the file.",
    settings=ScreenshotCenterSettings,
    open=_open,
    default_key="{id}.{ext}",
)
