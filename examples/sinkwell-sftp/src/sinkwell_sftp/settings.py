"""What users write in a section ``[sinks.NAME]`` with ``type = "sftp"``."""

import re

from sinkwell.contract import Duration, Secret, SinkSettings

_LAST_PORT = 65535
_MOST_BITS = 0o7777
_PUBLIC_KEY = re.compile(r"(ssh-|ecdsa-|sk-)\S+ [A-Za-z0-9+/]+=*( .*)?")


class SftpSettings(SinkSettings, frozen=True, kw_only=True):
    """Where the server is, how to log in, and where files go."""

    host: str
    """Name or address of the server."""
    port: int = 22
    """Port of the server."""
    user: str
    """Whom to log in as."""
    password: Secret | None = None
    """A secret: the user's password. This or `private_key` is needed."""
    private_key: Secret | None = None
    """A secret: a private key as `ssh-keygen` writes it, so `"file:PATH"` in most cases."""
    passphrase: Secret | None = None
    """A secret: what `private_key` is encrypted with, if it is."""
    known_hosts: str = ""
    """A file that holds the server's host key, as `ssh-keyscan` and OpenSSH write it. This or
    `host_keys` is needed."""
    host_keys: list[str] = []  # noqa: RUF012 - msgspec copies it for each instance
    """The server's host keys themselves: `"ssh-ed25519 AAAA…"`."""
    root: str
    """The directory on the server below which every file lands, absolute or relative to where a
    login begins. It is made when it does not exist."""
    file_mode: str = "0600"
    """Permissions of files, in octal digits, less what the server's umask takes away."""
    directory_mode: str = "0700"
    """Likewise of directories that the sink makes."""
    connect_timeout: Duration = Duration(15)
    """A time: how long to wait for a connection, login included."""
    connections: int = 4
    """How many connections there are at most, 1 to 64; files that are put at once share them."""

    def __post_init__(self) -> None:
        """Check what the types cannot say. Raises ``ValueError``."""
        super().__post_init__()
        for name in ("host", "user", "root"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if not 0 < self.port <= _LAST_PORT:
            raise ValueError(f"port must be from 1 to {_LAST_PORT}")
        if self.password is None and self.private_key is None:
            raise ValueError("password or private_key is needed to log in")
        if not self.known_hosts and not self.host_keys:
            raise ValueError(
                "known_hosts or host_keys is needed, to know the server by: "
                f"'ssh-keyscan -p {self.port} {self.host}' prints its keys"
            )
        for key in self.host_keys:
            if not _PUBLIC_KEY.fullmatch(key):
                raise ValueError(f"host_keys: {key[:60]!r} is no key such as 'ssh-ed25519 AAAA…'")
        if self.connect_timeout <= 0:
            raise ValueError("connect_timeout must be more than 0")
        if not 0 < self.connections <= 64:  # noqa: PLR2004 - as its docstring says
            raise ValueError("connections must be from 1 to 64")
        self.modes()

    def modes(self) -> tuple[int, int]:
        """Return the permission bits of files and of directories. Raises ``ValueError``."""
        return _bits("file_mode", self.file_mode), _bits("directory_mode", self.directory_mode)


def _bits(key: str, text: str) -> int:
    if not re.fullmatch("0?[0-7]{3,4}", text) or int(text, 8) > _MOST_BITS:
        raise ValueError(f'{key} must be octal digits such as "0640"')
    return int(text, 8)
