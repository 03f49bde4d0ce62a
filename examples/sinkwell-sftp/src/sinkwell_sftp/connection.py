"""Connections: a few are kept, shared by all calls, and made again when they broke."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncssh

from sinkwell.contract import Secret, SinkContext, UnusableError
from sinkwell_sftp.errors import ABSENT, ANY
from sinkwell_sftp.settings import SftpSettings

STAGING = ".sinkwell-staging"
"""Where files wait until they are complete. No key begins with a dot."""

_KEEPALIVE, _UNANSWERED = 15, 3
"""Seconds between questions to a silent server, and how many may stay without an answer."""
_TIDIES_WITHIN = 1.0
_PAUSES = (0.0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)
"""Seconds between the tries to remove what a broken connection left."""


@dataclass
class Session:
    """A connection that is logged in. Any number of requests may be under way on it."""

    connection: asyncssh.SSHClientConnection
    client: asyncssh.SFTPClient
    root: str
    """The root as the server calls it, absolute."""
    syncs: dict[str, bool]
    """Whether the server syncs ``files`` and ``directories``, where that was tried."""

    @property
    def staging(self) -> str:
        """The directory where files wait."""
        return f"{self.root}/{STAGING}"

    async def look(self, path: str) -> asyncssh.SFTPAttrs | None:
        """Return what is known of a path, or None where nothing is; raises where nobody knows."""
        try:
            return await self.client.stat(path)
        except ABSENT:
            await self.client.stat(self.staging)  # or the whole place is gone
            return None

    async def sync(self, file: asyncssh.SFTPClientFile, what: str = "files") -> None:
        """Have the server bring a file to its disk, if it can."""
        try:
            await file.fsync()
        except asyncssh.SFTPOpUnsupported:
            self.syncs[what] = False
        else:
            self.syncs[what] = True


class Pool:
    """At most as many sessions as the settings say; the one with the least to do is taken."""

    def __init__(self, settings: SftpSettings, context: SinkContext) -> None:
        self.syncs: dict[str, bool] = {}
        """As of a session, and shared by all."""
        self._settings = settings
        self._context = context
        self._lanes = [_Lane() for _ in range(settings.connections)]
        self._tidying: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Lend a session that works, as far as is known. Raises one of ``ANY``, or a SinkError."""
        lane = min(self._lanes, key=lambda each: each.users)
        lane.users += 1
        try:
            async with lane.connecting:
                if lane.session is None or lane.session.connection.is_closed():
                    lane.session = await self._connect()
                session = lane.session
            try:
                yield session
            except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
                # SFTP can end alone, and SSH stand on.
                session.connection.abort()
                if lane.session is session:
                    lane.session = None
                raise
        finally:
            lane.users -= 1

    async def tidy(self, work: Coroutine[None, None, None]) -> None:
        """Do what has to be done at the end of a call, whether or not that is cancelled.

        The call waits for it no longer than a moment: the server may not answer.
        """
        task = asyncio.ensure_future(work)
        self._tidying.add(task)
        task.add_done_callback(self._tidying.discard)
        await asyncio.wait([task], timeout=_TIDIES_WITHIN)

    async def remove(self, path: str) -> None:
        """Remove what a put left, as soon as the server lets us; what remains, `open` sweeps."""
        for pause in _PAUSES:
            await asyncio.sleep(pause)
            try:
                async with self.session() as session:
                    await session.client.remove(path)
            except ABSENT:
                return
            except (*ANY, UnusableError):
                continue
            return

    async def close(self) -> None:
        """End all; soon, even when the server does not answer."""
        tidying = set(self._tidying)
        if tidying:
            _, late = await asyncio.wait(tidying, timeout=_TIDIES_WITHIN / 2)
            for task in late:
                task.cancel()
            await asyncio.gather(*tidying, return_exceptions=True)
        connections = [lane.session.connection for lane in self._lanes if lane.session]
        for connection in connections:
            connection.abort()
        await asyncio.gather(*[each.wait_closed() for each in connections])

    async def _connect(self) -> Session:
        """Connect, see that it is the right server, and log in."""
        settings = self._settings
        keys, known_hosts = await self._context.run_blocking(_identities, settings)
        async with asyncio.timeout(settings.connect_timeout):
            connection = await asyncssh.connect(
                settings.host,
                settings.port,
                username=settings.user,
                password=_revealed(settings.password),
                client_keys=keys or None,
                known_hosts=known_hosts,
                # Nothing but the settings decides: no ~/.ssh/config, no agent, no Kerberos ticket.
                config=None,
                agent_path=None,
                gss_host=None,
                keepalive_interval=_KEEPALIVE,
                keepalive_count_max=_UNANSWERED,
            )
            try:
                client = await connection.start_sftp_client()
                root = await client.realpath(settings.root)
            except BaseException:
                connection.abort()
                raise
        return Session(connection, client, root.rstrip("/"), self.syncs)


class _Lane:
    """A place for one session."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.users = 0
        self.connecting = asyncio.Lock()


_Known = asyncssh.SSHKnownHosts | tuple[list[asyncssh.SSHKey], list[str], list[str]]


def _identities(settings: SftpSettings) -> tuple[list[asyncssh.SSHKey], _Known]:
    """Return our own keys, and what the server is known by."""
    keys = []
    try:
        if settings.private_key is not None:
            # Who read the file took the end of its last line off; some forms need it.
            text = settings.private_key.reveal() + "\n"
            keys.append(asyncssh.import_private_key(text, _revealed(settings.passphrase)))
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
        raise UnusableError(
            f"private_key cannot be used: {error}; check that file, and passphrase"
        ) from None  # what it was made of may stand in there
    try:
        if settings.host_keys:
            return keys, ([asyncssh.import_public_key(key) for key in settings.host_keys], [], [])
        return keys, asyncssh.read_known_hosts(settings.known_hosts)
    except (OSError, ValueError, asyncssh.KeyImportError) as error:
        raise UnusableError(
            f"known_hosts or host_keys cannot be used: {error}; "
            f"'ssh-keyscan -p {settings.port} {settings.host}' prints what belongs there"
        ) from error


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
