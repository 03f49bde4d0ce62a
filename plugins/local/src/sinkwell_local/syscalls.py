"""The two system calls of Linux that the standard library lacks.

Both raise ``OSError`` like the functions of :mod:`os`, with ``ENOSYS`` where the kernel, the C
library or the operating system does not have them.
"""

import ctypes
import errno
import os
import sys

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
"""Of ``linux/openat2.h``; see openat2(2)."""

_OPENAT2 = 437
"""The call's number: the same on every architecture of Linux that CPython runs on but Alpha."""
_RENAME_NOREPLACE = 1


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_syscall = getattr(_libc, "syscall", None)
_renameat2 = getattr(_libc, "renameat2", None)
if _syscall is not None:
    _syscall.restype = ctypes.c_long
    _syscall.argtypes = (
        ctypes.c_long,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.POINTER(_OpenHow),
        ctypes.c_size_t,
    )
if _renameat2 is not None:
    _renameat2.restype = ctypes.c_int
    _renameat2.argtypes = (
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_uint,
    )


def openat2(directory: int, path: bytes, *, flags: int, resolve: int) -> int:
    """Open ``path`` from ``directory`` under the restrictions ``resolve``; Linux 5.6 or later."""
    if _syscall is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    return _checked(_syscall(_OPENAT2, directory, path, ctypes.byref(how), ctypes.sizeof(how)))


def rename_new(source: int, old: bytes, target: int, new: bytes) -> None:
    """Rename ``source/old`` to ``target/new`` unless that exists: ``FileExistsError``."""
    if _renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    _checked(_renameat2(source, old, target, new, _RENAME_NOREPLACE))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
