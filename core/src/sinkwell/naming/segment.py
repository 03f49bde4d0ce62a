"""The sanitiser: any text becomes one segment of a key, the part between two slashes.

What comes out is ASCII, so no file system or store can normalise it into another name; it is 1 to
120 bytes long; it is neither a name that Windows keeps for devices nor one that a store cannot
hold; and it neither starts nor ends in a way that a path, a shell or a console reads as more than
a name. A text that is all that already comes back as it is. Any other keeps what can be read of
it and ends in a hash of the whole.
"""

import base64
import hashlib
import re
import unicodedata

LONGEST_SEGMENT = 120
"""Bytes of a segment. File systems take 255, less what tools append for temporary names."""

HASH_LENGTH = 16
HASH = rf"[a-z2-7]{{{HASH_LENGTH}}}"
"""Matches what :func:`hash_of` returns."""

RESERVED = r"(?i:(?:con|prn|aux|nul|(?:com|lpt)[0-9])(?:\.|\Z)|soap\Z)"
"""Matches at the start of a name that must not be used: the devices of Windows, which it finds
before any extension too, and the key ``soap``, which S3 takes for its old protocol."""

# Possessive (`++`): no way back into what was matched, so that no text takes long to refuse.
_SAFE = re.compile(rf"(?!{RESERVED})[a-z0-9_](?:\.?[a-z0-9_-]++)*+")
_PLAIN = re.compile(rf"(?!{RESERVED})[A-Za-z0-9]{{1,64}}")
_HASHED = re.compile(rf".*-{HASH}")
_RESERVED = re.compile(RESERVED)

_MARKS = re.compile("[\u0300-\u036f]+")
_FOREIGN = re.compile(r"[^a-z0-9.-]+")
_DOTS = re.compile(r"\.{2,}")
_TRIMMED = "._-"
_LONGEST_READABLE = LONGEST_SEGMENT - len("_-") - HASH_LENGTH
_READ_FROM = 2 * LONGEST_SEGMENT


def segment(raw: str, *, dots: bool = True) -> str:
    """Return a safe segment for any text, the text itself where it is one.

    Safe is lower case only: ``A.png`` and ``a.png`` are one file to many disks, so a capital
    makes a name lossy and the hash keeps the two apart. Without ``dots`` a dot is not safe
    either, and what comes out cannot bring an extension.

    It is idempotent, and two texts never give one segment, as far as both can hold at once: a
    function that leaves its results alone must give one result for a lossy text and for that
    text's own segment, spelt out. Only such a pair coincides (or one whose 80-bit hashes do); see
    :func:`identifier` where not even that may be.
    """
    if len(raw) <= LONGEST_SEGMENT and _SAFE.fullmatch(raw) and (dots or "." not in raw):
        return raw
    return _lossy(raw, dots=dots)


def identifier(raw: str, *, dots: bool = True) -> str:
    """Return a safe segment for the id of something; two ids never give the same.

    Up to 64 letters and digits come back in their own case, as people's programs compute keys
    from the ids that a provider gave them. Every other id is made a :func:`segment`, hashed also
    where it is safe but could be the hashed form of another id. So results are of three kinds
    that share no member: letters and digits alone (of 65 to 120, in lower case, too); safe ids
    that do not end in ``-`` and a hash; and hashed ones, which do.

    Ids that differ in case alone do share a file on a disk that ignores case.
    """
    if _PLAIN.fullmatch(raw):
        return raw
    safe = segment(raw, dots=dots)
    return _lossy(raw, dots=dots) if safe == raw and _HASHED.fullmatch(raw) else safe


def is_reserved(name: str) -> bool:
    """Tell whether a segment of safe characters is a name that must not be used."""
    return _RESERVED.match(name) is not None


def hash_of(text: str) -> str:
    """Return 80 bits of BLAKE2b of the text (lone surrogates too) as lower-case base32."""
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(data, digest_size=HASH_LENGTH * 5 // 8).digest()
    return base64.b32encode(digest).decode().lower()


def _lossy(raw: str, *, dots: bool) -> str:
    return f"{_readable(raw, dots=dots)}-{hash_of(raw)}"


def _readable(raw: str, *, dots: bool) -> str:
    """Keep what can be read: letters without their accents, in lower case; the rest is ``_``."""
    folded = unicodedata.normalize("NFKD", raw[:_READ_FROM]).casefold()
    text = _FOREIGN.sub("_", _MARKS.sub("", folded))
    text = _DOTS.sub(".", text) if dots else text.replace(".", "_")
    text = text[:_LONGEST_READABLE].strip(_TRIMMED)
    return f"_{text}" if not text or is_reserved(text) else text
