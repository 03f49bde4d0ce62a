"""The names of objects: which Cloud Storage takes."""

from sinkwell.contract import RejectedError

LONGEST_NAME = 1024
"""Bytes of an object's name in UTF-8."""

_CHALLENGES = ".well-known/acme-challenge/"


def flaw(name: str) -> str | None:
    """Say why ``name`` cannot be the name of an object, or None when it can."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "holds a character that UTF-8 cannot write"
    if not name:
        return "is empty"
    if size > LONGEST_NAME:
        return f"has {size} bytes with the sink's prefix, and {LONGEST_NAME} are the limit"
    if name in {".", ".."}:
        return "is '.' or '..'"
    if "\r" in name or "\n" in name:
        return "holds an end of line"
    if name.startswith(_CHALLENGES):
        return f"begins with {_CHALLENGES!r}, which is reserved"
    return None


def object_name(prefix: str, key: str, label: str) -> str:
    """Return the name of the object for a key. Raises ``RejectedError`` when there is none."""
    if reason := flaw(prefix + key) or (None if key else "is empty"):
        raise RejectedError(f"{label} failed: the key {reason}. Change the key template.")
    return prefix + key
