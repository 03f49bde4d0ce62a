"""The format of a spool file: payload first, then a manifest, then an end record.

::

    offset 0             payload          as it came
    payload_size         manifest         JSON, see :class:`Manifest`
    file size - 64       end record       magic, version, both lengths, sha256 of the manifest

The payload starts at offset 0, so that a file can be rescued with nothing but ``head -c``. The
end record is written last: a file without a valid one was never complete. The manifest holds
all that the ledger needs, so a lost ledger is rebuilt from the spool.
"""

import hashlib
import os
import stat
import struct
from pathlib import Path

import msgspec

_END = struct.Struct("<8sIIQ32s8s")
_MAGIC, _VERSION, _CLOSING = b"SINKWELL", 1, b"THE END\n"
_LARGEST_MANIFEST = 4 * 1024 * 1024


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where a file is that has to be fetched yet. The address may hold a secret."""

    url: str
    expires_at: float | None = None

    def __repr__(self) -> str:
        return f"Link(expires_at={self.expires_at})"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """All that must be known of a file should nothing but its spool file be left."""

    file_id: str
    callback_id: str
    source: str
    provider_id: str
    deduplication_key: str | None
    provider_status: str
    received_at: float
    size: int
    sha256: str
    media_type: str
    extension: str
    name: str | None
    labels: dict[str, str]
    overrides: dict[str, str] | None = None
    """Key templates by sink that the callback URL named in place of the routes."""
    quarantined: str | None = None
    """Why it is kept and goes to no sink."""
    link: Link | None = None
    """Set while the file is but a reference: its payload is empty, and its claims are claims."""


class DamagedFileError(Exception):
    """A spool file is not complete, or not what was written; the text says in which way."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Manifest)


def encode_trailer(manifest: Manifest) -> bytes:
    """Return what follows the payload: the manifest and the end record."""
    text = _encoder.encode(manifest)
    digest = hashlib.sha256(text).digest()
    return text + _END.pack(_MAGIC, _VERSION, len(text), manifest.size, digest, _CLOSING)


def read_manifest(path: Path) -> Manifest:
    """Read and verify the trailer of a spool file; the payload itself is not read.

    Raises ``DamagedFileError`` for anything that is not a complete spool file, ``OSError`` when
    it cannot be read at all.
    """
    # Without O_NONBLOCK a FIFO in the spool would be waited for, for ever.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise DamagedFileError("it is no regular file")
        length = status.st_size
        if length < _END.size:
            raise DamagedFileError(f"it has {length} bytes, fewer than an end record")
        end = os.pread(fd, _END.size, length - _END.size)
        magic, version, text_size, payload_size, digest, closing = _END.unpack(end)
        if (magic, closing) != (_MAGIC, _CLOSING):
            raise DamagedFileError("it has no end record")
        if version != _VERSION:
            raise DamagedFileError(f"its format is version {version}; this Sinkwell reads 1")
        if text_size > _LARGEST_MANIFEST or payload_size + text_size + _END.size != length:
            raise DamagedFileError("its length does not agree with its end record")
        text = os.pread(fd, text_size, payload_size)
    finally:
        os.close(fd)
    if hashlib.sha256(text).digest() != digest:
        raise DamagedFileError("its manifest does not agree with its end record")
    try:
        manifest = _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise DamagedFileError(f"its manifest cannot be read: {error}") from error
    if manifest.size != payload_size:
        raise DamagedFileError("its manifest and its end record disagree on the size")
    return manifest
