"""Ids: sortable by time, unguessable, and the same in any letter case or file system."""

import os
import time

_RANDOM_BYTES = 8


def new_id(prefix: str) -> str:
    """Return ``prefix`` and 28 hexadecimal digits: 12 of milliseconds since 1970, 16 at random."""
    return f"{prefix}{time.time_ns() // 1_000_000:012x}{os.urandom(_RANDOM_BYTES).hex()}"
