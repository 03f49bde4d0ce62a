"""Ids: sortable by time, unique, and the same in any letter case or file system."""

import random
import time

_RANDOM_BITS = 64
# Seeded by the system once a process. An id is no secret; asking the kernel for each would cost
# more than all else that is done for it.
_random = random.Random(random.SystemRandom().getrandbits(256))  # noqa: S311 - as said above


def new_id(prefix: str) -> str:
    """Return ``prefix`` and 28 hexadecimal digits: 12 of milliseconds since 1970, 16 at random."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}{milliseconds:012x}{_random.getrandbits(_RANDOM_BITS):016x}"
