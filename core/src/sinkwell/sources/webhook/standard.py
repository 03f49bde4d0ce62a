"""Standard Webhooks (standardwebhooks.com, the specification's 1.0.0), as their receiver.

What is signed is ``id.timestamp.body``. ``v1`` is HMAC-SHA256 with a shared secret, ``v1a`` is
ed25519, of which only the sender has the private key. A message may carry several of both.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sinkwell.contract import AuthenticationError, Message, Secret
from sinkwell.sources.webhook.proofs import Proof, believed, check_age
from sinkwell.sources.webhook.standard_keys import is_public, public_key, shared_key
from sinkwell.sources.webhook.view import header_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_MOST_SIGNATURES = 16


class StandardWebhooks(Proof):
    """Asks for a signature that any of the keys explains."""

    def __init__(self, secrets: Sequence[Secret], tolerance: float) -> None:
        self._shared = [shared_key(each) for each in secrets if not is_public(each)]
        self._public = [public_key(each) for each in secrets if is_public(each)]
        self._tolerance = tolerance

    def covers(self, expression: str) -> bool:
        return header_of(expression) in {None, "webhook-id", "webhook-timestamp"}

    def macs(self, message: Message) -> Sequence[hmac.HMAC]:
        return [hmac.new(key, _before(message), "sha256") for key in self._shared]

    def check(self, message: Message) -> bool:
        # A dot in the id would let it and the time be cut elsewhere and be signed alike.
        name = message.headers.get("webhook-id", "")
        if not name or "." in name:
            raise AuthenticationError("the header webhook-id is missing or holds a dot")
        check_age(message.headers.get("webhook-timestamp", ""), message, self._tolerance)
        sent = message.headers.get("webhook-signature", "").split(" ")[:_MOST_SIGNATURES]
        shared = [each[3:].encode("latin-1") for each in sent if each.startswith("v1,")]
        public = [each[4:] for each in sent if each.startswith("v1a,")]
        if not (shared and self._shared) and not (public and self._public):
            kinds = [kind for kind, keys in (("v1", self._shared), ("v1a", self._public)) if keys]
            raise AuthenticationError(
                f"the header webhook-signature holds no {' or '.join(kinds)} signature"
            )
        if not message.complete:
            return False
        macs = message.macs[: len(self._shared)]
        expected = [base64.b64encode(mac.digest()) for mac in macs]
        matches = [hmac.compare_digest(one, two) for one in shared for two in expected]
        if self._public and public:
            signed = _before(message) + message.body
            matches += [_verified(key, each, signed) for each in public for key in self._public]
        return believed(matches)


def _before(message: Message) -> bytes:
    """Return what is signed before the body."""
    named = message.headers.get("webhook-id", ""), message.headers.get("webhook-timestamp", "")
    return ".".join((*named, "")).encode("latin-1")


def _verified(key: "Ed25519PublicKey", signature: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(base64.b64decode(signature.encode("latin-1"), validate=True), signed)
    except (InvalidSignature, binascii.Error):
        return False
    return True
