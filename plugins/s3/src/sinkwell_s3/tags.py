"""The tags of an object: fixed texts, and labels of the file within them."""

import re
from collections.abc import Mapping
from urllib.parse import quote

_MOST = 10
_LONGEST_KEY = 128
_LONGEST_VALUE = 256
_KEY = re.compile(r"[\w .:/=+@-]+")
_NOT_TAKEN = re.compile(r"[^\w .:/=+@-]")
_LABEL = re.compile(r"\{label\.([^{}]+)\}")


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise ``ValueError`` unless S3 takes these tags, whatever the labels are."""
    if len(tags) > _MOST:
        raise ValueError(f"tags: {_MOST} are the most that S3 takes, not {len(tags)}")
    for key, value in tags.items():
        if not _KEY.fullmatch(key) or len(key) > _LONGEST_KEY:
            raise ValueError(
                f"tags cannot have the name {key!r}: letters, digits and . : / = + @ -"
            )
        text = _LABEL.sub("", value)
        if _NOT_TAKEN.search(text) or len(text) > _LONGEST_VALUE:
            raise ValueError(
                f"tags: the value of {key!r} may hold letters, digits, spaces, . : / = + @ - and "
                f"{{label.KEY}}"
            )


def tagging(tags: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return the value of the header ``x-amz-tagging``: what a tag cannot hold becomes ``_``."""
    pairs = []
    for key, value in tags.items():
        text = _LABEL.sub(lambda match: labels.get(match[1], ""), value)
        clean = _NOT_TAKEN.sub("_", text)[:_LONGEST_VALUE]
        pairs.append(f"{quote(key, safe='')}={quote(clean, safe='')}")
    return "&".join(pairs)
