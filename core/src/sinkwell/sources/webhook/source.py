"""Understands callbacks as the settings say."""

import base64
import binascii
import hmac
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from sinkwell.contract import (
    BodyFile,
    Callback,
    FileReference,
    InlineFile,
    LinkedFile,
    MalformedCallbackError,
    Message,
    PartFile,
    Source,
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
from sinkwell.sources.webhook.making import make_proof
from sinkwell.sources.webhook.settings import WebhookSettings, complete, fetch_hosts
from sinkwell.sources.webhook.view import Find, View

_MOST_FILES = 64
_SHORT_ID = 32
_DATA_URI = re.compile(r"data:([a-z0-9.+-]+/[a-z0-9.+-]+)?[^,]{0,200},", re.IGNORECASE)
_WHITE = str.maketrans("", "", " \t\r\n")
_LONGEST_TYPE = 128
_LONGEST_NAME = 512
_END_OF_TIME = 253_402_300_800.0
"""The year 10000."""


class Webhook(Source):
    """One configured webhook."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = complete(settings)
        self.transport = self._settings.transport or Transport.JSON
        self.success_code = self._settings.success_code or 200
        self.fetch_hosts = fetch_hosts(settings)
        self._view = View(self.transport, self._settings.form_field)
        self._proof = make_proof(self._settings, self._view)

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        """Return those of the proof, and one that tells the body itself."""
        return [*self._proof.macs(message), hmac.new(b"", digestmod="sha256")]

    def authenticate(self, message: Message) -> bool:
        """Ask the proof."""
        return self._proof.check(message)

    def parse(self, message: Message) -> Callback:
        """Read status, id, files and labels, each where the settings say."""
        settings = self._settings
        find = self._view.of(message)
        status = text(find(settings.status), LONGEST_STATUS)
        name = text(find(settings.id), LONGEST_ID)
        kept = self._labels(find)
        files = tuple(self._files(message, find)) if self._may_have_file(status) else ()
        if files:
            return Callback(
                provider_id=name or self._fingerprint(message)[:_SHORT_ID],
                deduplication_key=self._key("", name, message),
                succeeded=True,
                provider_status=status,
                files=files,
                labels=kept,
            )
        if any(fnmatchcase(status, pattern) for pattern in settings.notice or ()):
            return Callback(
                provider_id=name,
                deduplication_key=f"notice:{self._fingerprint(message)}",
                succeeded=True,
                provider_status=status,
                labels=kept,
                notice=True,
            )
        if self._may_have_file(status):
            raise MalformedCallbackError("the callback brings no file where one is looked for")
        if not status:  # no word of a failure: the expression may be wrong, and the file be lost
            raise MalformedCallbackError("the callback has no status where one is looked for")
        return Callback(
            provider_id=name,
            deduplication_key=self._key("failed:", name, message),
            succeeded=False,
            provider_status=status,
        )

    def _may_have_file(self, status: str) -> bool:
        return self._settings.status is None or self._is_success(status)

    def _is_success(self, status: str) -> bool:
        patterns = self._settings.success
        return patterns is None or any(fnmatchcase(status, pattern) for pattern in patterns)

    def _key(self, kind: str, name: str, message: Message) -> str:
        """Return what repeats have in common.

        An id that anyone could have set tells no repeat: what is signed must be known again when
        it is sent once more with another id. So must what has no id.
        """
        if self._settings.id is not None and not self._proof.covers(self._settings.id):
            name = ""
        return f"{kind}{name}" if name else f"{kind}body:{self._fingerprint(message)}"

    def _fingerprint(self, message: Message) -> str:
        """Return what tells a message by what is proven of it, however it was sent."""
        signed = self._proof.signed(message)
        if signed is not None:
            return fingerprint(signed)
        if self.transport is Transport.FORM_JSON:
            text = message.fields.get(self._settings.form_field or "", "")
            return fingerprint(text.encode("utf-8", "surrogateescape"))
        return message.macs[-1].hexdigest()

    def _labels(self, find: Find) -> dict[str, str]:
        wanted = {"url": self._settings.url} if self._settings.url else {}
        wanted |= self._settings.labels or {}
        return labels({name: find(each) for name, each in wanted.items()})

    def _files(self, message: Message, find: Find) -> Iterator[FileReference]:
        match self.transport:
            case Transport.MULTIPART:
                wanted = self._settings.file
                for part in (part for part in message.parts if part.field == wanted):
                    media_type = text(part.content_type, _LONGEST_TYPE)
                    yield PartFile(part, media_type, extension_of(_path(part.filename)))
            case Transport.RAW:
                part = message.parts[0]
                if part.size:
                    name = text(part.filename, _LONGEST_NAME) or None
                    media_type = text(part.content_type, _LONGEST_TYPE)
                    yield BodyFile(media_type, extension_of(_path(name)), name)
            case Transport.BASE64:
                for content, name in self._found(find):
                    yield _inline(content, name)
            case Transport.JSON | Transport.FORM_JSON:
                expires_at = self._expiry(message, find)
                for url, name in self._found(find):
                    yield self._linked(url, name, expires_at)

    def _found(self, find: Find) -> Iterator[tuple[str, str | None]]:
        """Yield link or content and name of each file that the expression finds."""
        found = find(self._settings.file)
        several = found if isinstance(found, list) else [found]
        if len(several) > _MOST_FILES:
            raise MalformedCallbackError(
                f"the callback brings {len(several)} files; {_MOST_FILES} are taken at once"
            )
        each: Any
        for each in several:
            inner = each if isinstance(each, dict) else {"url": each}
            value = inner.get("url")
            if isinstance(value, int) and not isinstance(value, bool):
                value = str(value)
            if isinstance(value, str) and value:
                yield value, text(inner.get("name"), _LONGEST_NAME) or None

    def _linked(self, url: str, name: str | None, expires_at: float | None) -> LinkedFile:
        if self._settings.link is not None:
            url = self._settings.link.replace("{file}", quote(url, safe=""))
        if len(url) > LONGEST_URL:
            raise MalformedCallbackError(f"a link has more than {LONGEST_URL} characters")
        extension = extension_of(_path(name)) or extension_of(url)
        return LinkedFile(
            text(url, LONGEST_URL), extension=extension, name=name, expires_at=expires_at
        )

    def _expiry(self, message: Message, find: Find) -> float | None:
        found = _moment(find(self._settings.expires))
        if found is None and self._settings.lifetime is not None:
            return message.received_at + self._settings.lifetime
        return found


def _inline(content: str, name: str | None) -> InlineFile:
    found = _DATA_URI.match(content)
    media_type = (found[1] or "").lower() if found else ""
    encoded = content[found.end() :] if found else content
    try:
        decoded = base64.b64decode(encoded.translate(_WHITE), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedCallbackError("the file is no Base64") from None
    if not decoded:
        raise MalformedCallbackError("the file is empty")
    return InlineFile(decoded, media_type[:_LONGEST_TYPE], extension_of(_path(name)), name)


def _path(name: str | None) -> str:
    """Return a file's name as the path of a URL, so that its extension is found alike."""
    return quote(name.encode("utf-8", "replace").decode()) if name else ""


def _moment(value: Any) -> float | None:
    """Read a time: seconds since 1970, or ISO 8601. None for anything else."""
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, str) and not value.isdigit():
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return moment.timestamp()
        seconds = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 < seconds < _END_OF_TIME else None
