"""What the process does with memory: buffers kept, the collector called less often."""

import ctypes
import gc

# mallopt(3): parameter numbers and what they bound, in bytes.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_KEPT = 4 * 1024 * 1024
_KEPT_IN_ALL = 32 * 1024 * 1024
_GROWTH = 2 * 1024 * 1024
_YOUNG_OBJECTS = 50_000


def keep_buffers() -> bool:
    """Tell glibc to reuse blocks of up to 4 MiB, and to hold up to 32 MiB that nobody uses.

    A body arrives in pieces of some hundred kilobytes. By default malloc maps and unmaps each,
    and the kernel clears its pages again: most of the cost of reading a body. Returns whether
    the C library knew what was asked of it.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return False
    return all(
        libc.mallopt(parameter, size)
        for parameter, size in (
            (_MMAP_THRESHOLD, _LARGEST_KEPT),
            (_TRIM_THRESHOLD, _KEPT_IN_ALL),
            (_TOP_PAD, _GROWTH),
        )
    )


def collect_seldom() -> None:
    """Have the garbage collector leave what exists now alone, and look at the rest less often.

    What a callback leaves behind is freed by reference counting; by default the collector still
    goes through all that was imported, again and again, for a tenth of the work of a callback.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
