"""The source type ``shotbot``: callbacks of the Shotbot screenshot service.

A callback is ``multipart/form-data`` with the text fields ``callback_secret``, ``status``,
``token`` and ``format`` and the file part ``file`` (Shotbot's documentation, "Callbacks"). The
secret is all the authenticity there is, so repeats are told by the token.
"""

import re

from sinkwell.contract import (
    AuthenticationError,
    Callback,
    MalformedCallbackError,
    Message,
    PartFile,
    Secret,
    Source,
    SourceContext,
    SourceSettings,
    SourceType,
)

_NOT_IN_TOKENS = re.compile("[^A-Za-z0-9]+")
_LONGEST_TOKEN = 128
_LONGEST_STATUS = 64
_MEDIA_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "pdf": "application/pdf",
}


class ShotbotSettings(SourceSettings, frozen=True, kw_only=True):
    """``[sources.NAME]`` with ``type = "shotbot"``."""

    secrets: tuple[Secret, ...]
    """Each ``callback_secret`` that is taken; two while one takes the other's place."""

    def __post_init__(self) -> None:
        if not self.secrets:
            raise ValueError("secrets must name at least one secret")


class Shotbot(Source):
    """Understands Shotbot's callbacks."""

    def __init__(self, secrets: tuple[Secret, ...]) -> None:
        self._secrets = secrets

    def authenticate(self, message: Message) -> bool:
        """Compare ``callback_secret`` with every secret, always all of them."""
        given = message.fields.get("callback_secret")
        if given is None:
            return False
        matches = [secret.matches(given) for secret in self._secrets]
        if not any(matches):
            raise AuthenticationError("callback_secret is not the one of this source")
        return True

    def parse(self, message: Message) -> Callback:
        """Read status, token, format and file."""
        status = message.fields.get("status", "")
        token = _NOT_IN_TOKENS.sub("", message.fields.get("token", ""))[: _LONGEST_TOKEN + 1]
        if status != "OK":
            shown = status[:_LONGEST_STATUS].encode("utf-8", "replace").decode()
            return Callback(
                provider_id=token[:_LONGEST_TOKEN],
                deduplication_key=f"failed:{token}" if token else None,
                succeeded=False,
                provider_status=shown,
            )
        if not token:
            raise MalformedCallbackError("the field token is missing or holds no letter or digit")
        if len(token) > _LONGEST_TOKEN:
            raise MalformedCallbackError(f"the token is longer than {_LONGEST_TOKEN} characters")
        part = next((part for part in message.parts if part.field == "file"), None)
        if part is None:
            raise MalformedCallbackError("the file part named file is missing")
        claimed = message.fields.get("format", "").lower()
        extension = claimed if claimed in _MEDIA_TYPES else "jpg"
        return Callback(
            provider_id=token,
            deduplication_key=token,
            succeeded=True,
            provider_status=status,
            files=(PartFile(part, media_type=_MEDIA_TYPES[extension], extension=extension),),
        )


def _open(settings: ShotbotSettings, _: SourceContext) -> Source:
    return Shotbot(settings.secrets)


SHOTBOT = SourceType(
    name="shotbot",
    summary="Screenshots of Shotbot: multipart callbacks that carry the file.",
    settings=ShotbotSettings,
    open=_open,
    default_key="screenshots/{yyyy}/{mm}/{dd}/{token}.{format}",
)
