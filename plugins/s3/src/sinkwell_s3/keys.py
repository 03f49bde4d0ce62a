"""The names of objects: which stores take."""

import re
import unicodedata

from sinkwell.contract import RejectedError
from sinkwell_s3.presets import Preset

LONGEST_KEY = 1023
"""Bytes of an object's name in UTF-8 that every store takes."""

_CONTROL = re.compile("[\0-\x1f\x7f]")


def flaw(name: str, preset: Preset) -> str | None:
    """Say why ``name`` cannot be the name of an object, or None when it can.

    Stores take more than this: names that some of them, or proxies on the way, read as another
    name are refused everywhere.
    """
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "holds a character that UTF-8 cannot write"
    if not name:
        return "is empty"
    if size > LONGEST_KEY:
        return f"has {size} bytes with the sink's prefix, and {LONGEST_KEY} are the limit"
    if _CONTROL.search(name):
        return "holds a control character"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode's composed form (NFC), to which some stores change it"
    segments = name.split("/")
    if "" in segments:
        return "begins or ends with '/' or holds '//'"
    if "." in segments or ".." in segments:
        return "holds a segment '.' or '..'"
    most = preset.longest_segment
    if most is not None and max(len(each.encode()) for each in segments) > most:
        return f"has a part between two slashes of more than {most} bytes"
    return None


def object_name(prefix: str, key: str, preset: Preset, label: str) -> str:
    """Return the name of the object for a key. Raises ``RejectedError`` when there is none."""
    if reason := flaw(key, preset) or flaw(prefix + key, preset):
        raise RejectedError(f"{label} failed: the key {reason}. Change the key template.")
    return prefix + key
