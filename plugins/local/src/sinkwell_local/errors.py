"""What the errors of the operating system mean for a delivery.

====================================  ==================  =======================================
errno                                 error               because
====================================  ==================  =======================================
full, read-only, forbidden, broken,   ``UnusableError``   no file gets in until someone acts
detached or unfit disk
the key cannot be a file here, or     ``RejectedError``   this file never gets in under this key
the file is too large for the disk
everything else: busy, interrupted,   ``TransientError``  the same may succeed a moment later
out of descriptors or memory
====================================  ==================  =======================================
"""

import errno
import os

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError

_FREE_SPACE = "Free some space there, or raise the limit"
_PERMIT = "Let the user that runs Sinkwell read and write there"
_LOOK_AT_DISK = "Look at the disk, its mount and the kernel's log"
_OTHER_DISK = "Its file system lacks what a safe write needs: use another one for this sink"
_OTHER_KEY = "Change the key template of the route or the sink"
_AGAIN = "It is tried again"

_MEANINGS: dict[int, tuple[type[SinkError], str]] = {
    errno.ENOSPC: (UnusableError, _FREE_SPACE),
    errno.EDQUOT: (UnusableError, _FREE_SPACE),
    errno.EROFS: (UnusableError, "Mount it for writing"),
    errno.EACCES: (UnusableError, _PERMIT),
    errno.EPERM: (UnusableError, _PERMIT),
    errno.EIO: (UnusableError, _LOOK_AT_DISK),
    errno.ENODEV: (UnusableError, _LOOK_AT_DISK),
    errno.ENXIO: (UnusableError, _LOOK_AT_DISK),
    errno.ESTALE: (UnusableError, _LOOK_AT_DISK),
    errno.ENOTCONN: (UnusableError, _LOOK_AT_DISK),
    errno.ENOLCK: (UnusableError, _OTHER_DISK),
    errno.ENOSYS: (UnusableError, _OTHER_DISK),
    errno.EOPNOTSUPP: (UnusableError, _OTHER_DISK),
    errno.ENAMETOOLONG: (RejectedError, f"{_OTHER_KEY}: its names are too long here"),
    errno.EILSEQ: (RejectedError, f"{_OTHER_KEY}: its names hold what is not allowed here"),
    errno.ELOOP: (
        RejectedError,
        "A symbolic link stands in the way, and none is ever followed: remove it",
    ),
    errno.ENOTDIR: (
        RejectedError,
        f"A file stands where a directory has to be: remove it. Or: {_OTHER_KEY.lower()}",
    ),
    errno.EISDIR: (
        RejectedError,
        f"A directory stands under this key: remove it. Or: {_OTHER_KEY.lower()}",
    ),
    errno.EXDEV: (
        RejectedError,
        "Another file system is mounted below the root: give it a sink of its own",
    ),
    errno.EFBIG: (RejectedError, "The file is larger than this file system or process may write"),
    errno.EINTR: (TransientError, _AGAIN),
    errno.EAGAIN: (TransientError, _AGAIN),
    errno.EMFILE: (TransientError, f"{_AGAIN}. If it stays, raise the limit of open files"),
    errno.ENFILE: (TransientError, f"{_AGAIN}. If it stays, raise the limit of open files"),
    errno.ENOMEM: (TransientError, f"{_AGAIN}. If it stays, give the machine more memory"),
    errno.EBUSY: (TransientError, _AGAIN),
}


def sink_error(error: OSError, label: str) -> SinkError:
    """Return what to raise for ``error``; ``label`` says which sink was doing what."""
    kind, _ = _meaning(error)
    return kind(explain(error, label))


def explain(error: OSError, label: str) -> str:
    """Say what was tried, why it failed, and what to do next."""
    code = errno.errorcode.get(error.errno or 0, "no errno")
    reason = os.strerror(error.errno) if error.errno else str(error)
    _, advice = _meaning(error)
    return f"{label} failed: {reason} ({code}). {advice}."


def _meaning(error: OSError) -> tuple[type[SinkError], str]:
    return _MEANINGS.get(error.errno or 0, (TransientError, _AGAIN))
