import errno
import os

import pytest

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError
from sinkwell_local.errors import sink_error

UNUSABLE = [
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN),
    *(errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP),
]
REJECTED = [
    *(errno.ENAMETOOLONG, errno.EILSEQ, errno.ELOOP),
    *(errno.ENOTDIR, errno.EISDIR, errno.EXDEV, errno.EFBIG),
]
TRANSIENT = [
    *(errno.EINTR, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY),
    *(errno.ENOENT, errno.ETIMEDOUT, errno.EINVAL),
]
CASES = [
    *((code, UnusableError) for code in UNUSABLE),
    *((code, RejectedError) for code in REJECTED),
    *((code, TransientError) for code in TRANSIENT),
]


@pytest.mark.parametrize(("code", "kind"), CASES, ids=lambda case: errno.errorcode.get(case, ""))
def test_every_errno_has_its_answer_and_its_advice(code: int, kind: type[SinkError]) -> None:
    error = sink_error(OSError(code, "x"), "sink 'mirror': putting 'a/b.png'")

    assert type(error) is kind
    message = str(error)
    assert message.startswith("sink 'mirror': putting 'a/b.png' failed: ")
    assert f"{os.strerror(code)} ({errno.errorcode[code]}). " in message
    advice = message.rpartition("). ")[2]
    assert advice[0].isupper()
    assert advice.endswith(".")


def test_an_error_without_a_number_is_tried_again() -> None:
    error = sink_error(OSError("odd"), "sink 'mirror': checking")

    assert type(error) is TransientError
    assert "odd (no errno)" in str(error)
