"""What the errors of the network and the server mean for a delivery.

The server's "failure" says nothing; :func:`why` asks how its disk stands before it is believed to
be a passing one.
"""

import os
import socket

import asyncssh

from sinkwell.contract import RejectedError, SinkError, TransientError, UnusableError

ABSENT = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
"""What servers say where there is no file of that name, or no directory on the way to it."""
ANY = (OSError, asyncssh.Error)
"""All that asyncssh raises when the network or the server fails."""

_NETWORK = "check host, and the name server of this machine"
_IDENTITY = (
    "if the server was given a new key, put that into known_hosts or host_keys; "
    "if not, somebody may be listening in"
)
_LOGIN = "check user, password and private_key, and that the server lets this user in"
_ALGORITHMS = "this client and the server have no algorithm in common: update the older one"
_SFTP = "let the server offer SFTP to this user"
_ROOT = "the directory of root is gone: make it again, or mount its disk"
_RIGHTS = "give the user the right to write below root"
_ROOM = "make room on the server"
_ABILITY = "the server lacks what this sink needs"
_OTHER_KEY = "change the key template"

_MEANINGS: dict[type[Exception], tuple[type[SinkError], str]] = {
    socket.gaierror: (UnusableError, _NETWORK),
    asyncssh.HostKeyNotVerifiable: (UnusableError, _IDENTITY),
    asyncssh.PermissionDenied: (UnusableError, _LOGIN),
    asyncssh.IllegalUserName: (UnusableError, _LOGIN),
    asyncssh.PasswordChangeRequired: (UnusableError, "the password has expired: set a new one"),
    asyncssh.KeyExchangeFailed: (UnusableError, _ALGORITHMS),
    asyncssh.ProtocolNotSupported: (UnusableError, _ALGORITHMS),
    asyncssh.ChannelOpenError: (UnusableError, _SFTP),
    asyncssh.SFTPNoSuchFile: (UnusableError, _ROOT),
    asyncssh.SFTPNoSuchPath: (UnusableError, _ROOT),
    asyncssh.SFTPPermissionDenied: (UnusableError, _RIGHTS),
    asyncssh.SFTPWriteProtect: (UnusableError, _RIGHTS),
    asyncssh.SFTPCannotDelete: (UnusableError, _RIGHTS),
    asyncssh.SFTPNoSpaceOnFilesystem: (UnusableError, _ROOM),
    asyncssh.SFTPQuotaExceeded: (UnusableError, _ROOM),
    asyncssh.SFTPOpUnsupported: (UnusableError, _ABILITY),
    asyncssh.SFTPNotADirectory: (RejectedError, _OTHER_KEY),
    asyncssh.SFTPFileIsADirectory: (RejectedError, _OTHER_KEY),
    asyncssh.SFTPInvalidFilename: (RejectedError, _OTHER_KEY),
}
"""What a class of errors means, with its subclasses; all others may pass by themselves."""

_LITTLE = 1024 * 1024
_LONGEST = 300


def sink_error(error: Exception, doing: str) -> SinkError:
    """Return what to raise for an error; ``doing`` says which sink was doing what."""
    kind, advice = _meaning(error)
    text = f"{doing} failed: {_words(error)}"
    return kind(f"{text}; {advice}" if advice else text)


async def why(client: asyncssh.SFTPClient, root: str, size: int) -> SinkError | None:
    """Ask how the disk stands that could not take ``size`` bytes; None where that says nothing."""
    try:
        disk = await client.statvfs(root)
    except asyncssh.SFTPError:  # it does not say
        return None
    if disk.flags & os.ST_RDONLY:
        return UnusableError(f"{root} is on a disk that is read-only: mount it for writing")
    free = disk.bavail * disk.frsize
    if free < size + _LITTLE:
        return UnusableError(f"the disk of {root} is full: {free} bytes are free; {_ROOM}")
    if disk.files and not disk.favail:
        return UnusableError(f"the disk of {root} can hold no more files; {_ROOM}")
    return None


def _meaning(error: Exception) -> tuple[type[SinkError], str]:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return TransientError, ""
    for kind in type(error).__mro__:
        if kind in _MEANINGS:
            return _MEANINGS[kind]
    return TransientError, ""


def _words(error: Exception) -> str:
    """Return what an error says, on one line of printable text; the server may have written it."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = str(error)
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno:
        text = os.strerror(error.errno)
    text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())[:_LONGEST] or type(error).__name__
