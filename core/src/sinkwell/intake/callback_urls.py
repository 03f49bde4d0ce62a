"""Callback URLs that name sinks and keys for one capture, in a signed token that expires.

The token is no proof that a callback comes from the provider: that is the source's business as
ever. It only says where the files of this one callback go, in place of the routes.
"""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

import msgspec

from sinkwell.intake.refusals import Refusal
from sinkwell.naming import Template, TemplateError
from sinkwell.signing_key import SigningKey

PARAMETER = "to"
"""Of the callback URL: holds the token."""
LONGEST_TOKEN = 8192
LONGEST_LIFE = 366 * 86_400.0
"""Seconds that a token may be good for."""


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    sinks: dict[str, str]
    expires_at: float


_decoder = msgspec.json.Decoder(_Payload)


class CallbackUrls:
    """Makes and reads the tokens of one data directory."""

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    @classmethod
    def of(cls, data_dir: Path) -> "CallbackUrls":
        """Use the key of a data directory. Raises ``OSError``."""
        return cls(SigningKey.of(data_dir, "callback-urls"))

    def mint(self, source: str, sinks: Mapping[str, str], expires_at: float) -> str:
        """Return a token. ``sinks`` are key templates by sink, empty for the sink's usual one.

        Raises ``TemplateError`` for a template that cannot be used.
        """
        check_templates(sinks)
        payload = _Payload(source=source, sinks=dict(sinks), expires_at=expires_at)
        text = msgspec.json.encode(payload)
        return f"{_encoded(text)}.{_encoded(self._key.sign(text))}"

    def read(self, token: str, source: str, now: float) -> dict[str, str]:
        """Return the sinks that a good token names. Raises ``Refusal`` (403)."""
        text, signature = _decoded(token)
        if not self._key.verifies(text, signature):
            raise refused("the token of the callback URL was not made here")
        try:
            payload = _decoder.decode(text)
            check_templates(payload.sinks)
        except (msgspec.MsgspecError, TemplateError):
            raise refused("the token of the callback URL is of another Sinkwell") from None
        if payload.source != source:
            raise refused("the token of the callback URL is for another source")
        if now >= payload.expires_at:
            raise refused("the token of the callback URL has expired")
        return payload.sinks


def check_templates(sinks: Mapping[str, str]) -> None:
    """Raise ``TemplateError`` unless each can be used and gives files keys of their own."""
    for text in filter(None, sinks.values()):
        if Template.parse(text).can_collide:
            raise TemplateError(
                f"the key template {text!r} gives different files the same key: "
                "write one with {id}, {file_id}, {sha256} or {uuid}"
            )


def refused(detail: str) -> Refusal:
    """403: the callback URL is not good, or no more."""
    return Refusal(403, "callback-url-refused", "The callback URL is not good", detail)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(token: str) -> tuple[bytes, bytes]:
    if len(token) <= LONGEST_TOKEN and token.isascii() and token.count(".") == 1:
        try:
            text, signature = (
                base64.b64decode(each + "=" * (-len(each) % 4), altchars=b"-_", validate=True)
                for each in token.split(".")
            )
        except (binascii.Error, ValueError):
            pass  # as any other text that is none, below
        else:
            # Base64 has several spellings of one value; only ours is taken.
            if f"{_encoded(text)}.{_encoded(signature)}" == token:
                return text, signature
    raise refused("the callback URL holds no token that can be read")
