"""What the process does with memory: buffers kept, less for the collector to go through."""

import ctypes
import gc

# mallopt(3): parameter numbers and what they bound, in bytes.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_KEPT = 4 * 1024 * 1024
_KEPT_IN_ALL = 32 * 1024 * 1024
_GROWTH = 2 * 1024 * 1024


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


def spare_the_collector() -> None:
    """Have the garbage collector leave alone what exists now: modules, types, settings.

    It would go through all that was imported again and again and never find anything to free.
    How often it looks at the rest stays as it is: a refused callback leaves a cycle of exception
    and frames behind, with the buffers that they hold.
    """
    gc.collect()
    gc.freeze()
