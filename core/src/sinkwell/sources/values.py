"""Values of a provider's JSON, as a callback may keep them."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import msgspec

LONGEST_ID = 256
LONGEST_STATUS = 64
LONGEST_URL = 8192
_MOST_LABELS = 32
_LONGEST_LABEL = 2048
_LONGEST_LABEL_NAME = 64
_EXTENSION = re.compile("[a-z0-9]{1,8}")

_encoder = msgspec.json.Encoder(order="sorted")


def text(value: Any, longest: int) -> str:
    """Return a text or number of JSON as text without NULs, cut; empty for anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str):
        return ""
    return value.encode("utf-8", "replace").decode().replace("\0", "")[:longest]


def labels(values: Mapping[str, Any]) -> dict[str, str]:
    """Return labels: texts and numbers as they are, lists of them with commas, others as JSON.

    What is empty is left out, and what is more than a callback may have.
    """
    found: dict[str, str] = {}
    for name, value in values.items():
        key, shown = text(name, _LONGEST_LABEL_NAME), _label(value)
        if key and shown and len(found) < _MOST_LABELS:
            found[key] = shown
    return found


def _label(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(each, dict | list) for each in value):
        return text(",".join(filter(None, (text(each, 256) for each in value))), _LONGEST_LABEL)
    if isinstance(value, dict | list):
        encoded = _encoder.encode(value).decode() if value else ""
        return text(encoded, _LONGEST_LABEL)
    return text(value, _LONGEST_LABEL)


def extension_of(url: str) -> str:
    """Return the extension that the path of a URL ends in, lower-case; empty if it has none."""
    try:
        suffix = PurePosixPath(urlsplit(url).path).suffix[1:].lower()
    except ValueError:
        return ""
    return suffix if _EXTENSION.fullmatch(suffix) else ""


def fingerprint(body: bytes) -> str:
    """Return what tells a message by its bytes, where it has no id that is proven."""
    return hashlib.sha256(body).hexdigest()
