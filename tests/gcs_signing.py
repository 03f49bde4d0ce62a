"""A service account made up for tests, and the checks that Cloud Storage makes of what it signs."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ACCOUNT = "sinkwell@tests.iam.gserviceaccount.com"
_PADDING, _HASH = padding.PKCS1v15(), hashes.SHA256()


class Account:
    """A key pair, and the JSON file that Google gives out for it."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def file(self, token_uri: str) -> str:
        """Return the text of the key file; tokens are to be had at ``token_uri``."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        made = {
            "type": "service_account",
            "project_id": "tests",
            "private_key_id": "1",
            "private_key": private.decode(),
            "client_email": ACCOUNT,
            "client_id": "1",
            "token_uri": token_uri,
        }
        return json.dumps(made)


def is_signed(public: str, signature: bytes, text: bytes) -> bool:
    """Tell whether the account signed a text."""
    key = serialization.load_pem_public_key(public.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, text, _PADDING, _HASH)
    except InvalidSignature:
        return False
    return True


def is_assertion(public: str, assertion: str) -> bool:
    """Tell whether a JWT, by which a service account asks for a token, is the account's."""
    text, _, signature = assertion.rpartition(".")
    return is_signed(public, base64.urlsafe_b64decode(signature + "=="), text.encode())


def refusal(public: str, url: str, now: datetime) -> str | None:
    """Say why a V4 signed URL is refused, or None; computed from the specification alone."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    signature = bytes.fromhex(query.pop("X-Goog-Signature", ""))
    if not signature:
        return "not signed"
    if query["X-Goog-SignedHeaders"] != "host":
        return "other headers than the host are signed"
    scope = query["X-Goog-Credential"].partition("/")[2]
    canonical = "\n".join(
        [
            "GET",
            parts.path,
            urlencode(sorted(query.items()), quote_via=quote, safe=""),
            f"host:{parts.netloc}",
            "",
            "host",
            "UNSIGNED-PAYLOAD",
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["GOOG4-RSA-SHA256", query["X-Goog-Date"], scope, digest])
    if not is_signed(public, signature, text.encode()):
        return "the signature is not that of this URL"
    signed = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if now > signed + timedelta(seconds=int(query["X-Goog-Expires"])):
        return "expired"
    return None
