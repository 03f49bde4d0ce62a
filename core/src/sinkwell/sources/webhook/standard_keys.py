"""The keys of Standard Webhooks, as their receiver has them."""

import base64
import binascii
from typing import TYPE_CHECKING

from sinkwell.contract import Secret

if TYPE_CHECKING:  # imported where a key is read: few have one, and it is slow
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_SHARED, _PRIVATE, _PUBLIC = "whsec_", "whsk_", "whpk_"
_PUBLIC_SIZE = 32


def is_public(secret: Secret) -> bool:
    """Tell whether it is a public key, which verifies ``v1a`` signatures."""
    return secret.reveal().startswith(_PUBLIC)


def shared_key(secret: Secret) -> bytes:
    """Return the key of a shared secret. Raises ``ValueError`` when it is none."""
    written = secret.reveal()
    if written.startswith(_PRIVATE):
        raise ValueError("secrets: one is a private key; the sender gives you the public one")
    key = _decoded(written.removeprefix(_SHARED))
    if not key:
        raise ValueError("secrets: one is not whsec_ and Base64, as Standard Webhooks has them")
    return key


def public_key(secret: Secret) -> "Ed25519PublicKey":
    """Return a public key. Raises ``ValueError`` when it is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = _decoded(secret.reveal().removeprefix(_PUBLIC))
    if len(key) != _PUBLIC_SIZE:
        raise ValueError(f"secrets: one is not whpk_ and Base64 of {_PUBLIC_SIZE} bytes")
    return Ed25519PublicKey.from_public_bytes(key)


def _decoded(written: str) -> bytes:
    try:
        return base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        return b""
