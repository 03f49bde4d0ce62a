"""Keys that a data directory keeps: made on first use, private, each for one purpose."""

import hmac
import os
import secrets
from pathlib import Path

_SIZE = 32


class SigningKey:
    """Signs texts for one purpose: what it signed proves nothing for another."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._key = key
        self._context = f"sinkwell {purpose} 1\0".encode()

    @classmethod
    def of(cls, data_dir: Path, purpose: str) -> "SigningKey":
        """Read the key of a purpose, or make it on first use. Raises ``OSError``."""
        path = data_dir / f"{purpose}.key"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            key = path.read_bytes()
            if len(key) == _SIZE:
                return cls(key, purpose)
            # Cut off while it was made: nothing was signed with it.
            fd = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
        with os.fdopen(fd, "wb") as file:
            key = secrets.token_bytes(_SIZE)
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return cls(key, purpose)

    def sign(self, text: bytes) -> bytes:
        """Return the signature of a text: HMAC-SHA256, 32 bytes."""
        return hmac.digest(self._key, self._context + text, "sha256")

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Tell whether this key signed the text, in a time that tells nothing of the signature."""
        return hmac.compare_digest(signature, self.sign(text))
