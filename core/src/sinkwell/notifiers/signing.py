"""Signatures as Standard Webhooks has them (standardwebhooks.com, the specification's 1.0.0).

What is signed is ``id.timestamp.body``. ``v1`` is HMAC-SHA256 with a shared secret, ``v1a`` is
ed25519, whose public key may be shown to anyone. A message carries one signature for each secret,
so that a secret is changed without a moment in which the other side knows none of them.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported where a key is read: few have one, and it is slow
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SECRET, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_SHORTEST = 16
_SEED = 32


class Signer:
    """Signs messages with every key that it is given."""

    def __init__(
        self, secrets: Sequence[bytes], private_key: "Ed25519PrivateKey | None" = None
    ) -> None:
        self._secrets = secrets
        self._private_key = private_key

    def sign(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        """Return the headers of a message; ``timestamp`` is this attempt's, in seconds."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        signatures = [f"v1,{_text(hmac.digest(key, signed, 'sha256'))}" for key in self._secrets]
        if self._private_key is not None:
            signatures.append(f"v1a,{_text(self._private_key.sign(signed))}")
        headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
        if signatures:
            headers["webhook-signature"] = " ".join(signatures)
        return headers


def parse_secret(written: str) -> bytes:
    """Read a shared secret: ``whsec_`` and base64. Raises ``ValueError`` that does not show it."""
    key = _decoded(written.removeprefix(_SECRET))
    if key is None or len(key) < _SHORTEST:
        raise ValueError(
            f"is not {_SECRET} followed by base64 of at least {_SHORTEST} bytes; make one with "
            f"printf '{_SECRET}%s' \"$(openssl rand -base64 32)\""
        )
    return key


def parse_private_key(written: str) -> "Ed25519PrivateKey":
    """Read a private key: ``whsk_`` and base64 of a seed of 32 bytes, the public key behind or not.

    Raises ``ValueError`` that does not show it.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _decoded(written.removeprefix(_PRIVATE))
    if key is None or len(key) not in (_SEED, 2 * _SEED):
        raise ValueError(
            f"is not {_PRIVATE} followed by base64 of {_SEED} bytes; make one with "
            f"printf '{_PRIVATE}%s' \"$(openssl rand -base64 {_SEED})\""
        )
    return Ed25519PrivateKey.from_private_bytes(key[:_SEED])


def public_key(private_key: "Ed25519PrivateKey") -> str:
    """Return the public key, as others write it: ``whpk_`` and base64."""
    return _PUBLIC + _text(private_key.public_key().public_bytes_raw())


def _decoded(written: str) -> bytes | None:
    try:
        return base64.b64decode(written.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
