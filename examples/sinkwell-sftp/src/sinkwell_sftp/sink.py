"""Files below one directory of a server that speaks SFTP.

A file grows in a directory of its own, ``.sinkwell-staging``, and gets its name in one step when
it is complete and on the server's disk.
"""

import hashlib
import secrets
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncssh

from sinkwell.contract import (
    Blob,
    Finding,
    IfPresent,
    Receipt,
    RejectedError,
    Sink,
    SinkContext,
    SinkError,
    Stat,
    TransientError,
    UnusableError,
)
from sinkwell_sftp.connection import Pool, Session
from sinkwell_sftp.errors import ABSENT, ANY, sink_error, why
from sinkwell_sftp.settings import SftpSettings
from sinkwell_sftp.upload import PIECE, Upload, make_directories, make_durable

LONGEST_KEY, LONGEST_SEGMENT = 2048, 255
_ABANDONED = 24 * 3600
"""Seconds after which nobody can be writing a staged file any more."""


async def open_sink(settings: SftpSettings, context: SinkContext) -> Sink:
    """Log in, make the directories, sweep. Raises ``UnusableError``; it is tried again."""
    sink = SftpSink(settings, context)
    try:
        await sink.prepare()
    except BaseException as error:
        await sink.close()
        if isinstance(error, SinkError):
            raise UnusableError(str(error)) from error
        raise
    return sink


_RENAMED = (
    "Where two files get one name in the same instant, this server may keep the later one. "
    "Let no other program write there, or use a server with hardlink@openssh.com."
)
_NOT_SYNCED = (
    "A power cut there may take away what was just put. "
    "Use a server with fsync@openssh.com, or power that does not fail."
)


class SftpSink(Sink):
    """One directory on a server."""

    def __init__(self, settings: SftpSettings, context: SinkContext) -> None:
        self._settings = settings
        self._context = context
        self._named_by = ""
        """The request that gave the last new file its name, for a check."""
        self._pool = Pool(settings, context)
        self._file_mode, self._directory_mode = settings.modes()
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        self._uri = f"sftp://{quote(host, safe='[]:')}:{settings.port}"

    async def prepare(self) -> None:
        """Make the root and the staging directory; remove what killed processes left there."""
        async with self._session("opening") as session:
            for path, mode in ((session.root, self._directory_mode), (session.staging, 0o700)):
                if not await session.client.isdir(path or "/"):
                    attributes = asyncssh.SFTPAttrs(permissions=mode)
                    await session.client.makedirs(path, attributes, exist_ok=True)
            for entry in await session.client.readdir(session.staging):
                age = time.time() - (entry.attrs.mtime or time.time())
                if entry.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR and age > _ABANDONED:
                    with suppress(*ABSENT):  # another sink was quicker
                        await session.client.remove(f"{session.staging}/{_text(entry.filename)}")

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        """Store a blob; it is on the server's disk when this returns, if the server can say so."""
        doing = f"putting {key[:200]!r}"
        self._check_key(key, doing)
        async with self._session(doing, blob.size) as session:
            path = f"{session.root}/{key}"
            sha256 = None
            if if_present is not IfPresent.REPLACE:
                sha256 = await self._kept(session, path, blob, if_present)
            if sha256 is None:
                sha256 = await self._write(session, path, blob, if_present)
            await make_durable(session, path)
        return Receipt(key, blob.size, sha256, f"{self._uri}{quote(path)}")

    async def stat(self, key: str) -> Stat | None:
        """Return the size of a file, or None where there is none."""
        async with self._session(f"looking at {key[:200]!r}") as session:
            found = await session.look(f"{session.root}/{key}")
        return Stat(found.size or 0) if found is not None and _is_file(found) else None

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield a file in pieces."""
        async with self._session(f"reading {key[:200]!r}") as session:
            path = f"{session.root}/{key}"
            found = await session.look(path)
            if found is None or not _is_file(found):
                raise RejectedError(f"there is no file {key[:200]!r}")
            async with self._opened(session, path) as file:
                while piece := await _piece(file):
                    yield piece

    async def delete(self, key: str) -> None:
        """Remove a file; where there is none it does nothing."""
        async with self._session(f"deleting {key[:200]!r}") as session:
            path = f"{session.root}/{key}"
            found = await session.look(path)
            if found is not None and _is_file(found):
                with suppress(*ABSENT):  # someone else was quicker
                    await session.client.remove(path)
                await make_durable(session, path)

    async def check(self) -> list[Finding]:
        """Put a file, read it back, remove it, and tell what the server cannot do."""
        findings: list[Finding] = []
        try:
            async for finding in self._look_around():
                findings.append(finding)  # noqa: PERF401 - those before a failure are kept
        except SinkError as error:
            findings.append(Finding("failed", str(error)))
        return findings

    async def close(self) -> None:
        """End all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def _session(self, doing: str, size: int = 0) -> AsyncIterator[Session]:
        """Lend a session, and turn what goes wrong into the errors of the contract."""
        doing = f"sink {self._context.name!r}: {doing}"
        try:
            async with self._pool.session() as session:
                try:
                    yield session
                except asyncssh.SFTPFailure:
                    reason = await why(session.client, session.root, size)
                    if reason is None:
                        raise
                    raise reason from None
        except SinkError as error:
            raise type(error)(f"{doing} failed: {error}") from error
        except ANY as error:
            where = f"{doing} on {self._settings.host}:{self._settings.port}"
            raise sink_error(error, where) from error

    async def _write(self, session: Session, path: str, blob: Blob, if_present: IfPresent) -> str:
        upload = Upload(session, self._pool)
        try:
            sha256 = await upload.fill(blob, self._file_mode, self._context)
            publish = upload.publish_new
            if if_present is IfPresent.REPLACE:
                publish = upload.publish_over
            try:
                way = await publish(path)
            except ABSENT:
                await make_directories(session, path, self._directory_mode)
                way = await publish(path)
        finally:
            await self._pool.tidy(upload.discard())
        if way is not None:
            self._named_by = way
            return sha256
        kept = await self._kept(session, path, blob, if_present)
        if kept is None:
            raise TransientError("another file was there, and went")
        return kept

    async def _kept(
        self, session: Session, path: str, blob: Blob, if_present: IfPresent
    ) -> str | None:
        """Return the digest of the same bytes under that name; None where there is nothing."""
        found = await session.look(path)
        if found is None:
            return None
        if if_present is IfPresent.REFUSE:
            raise RejectedError(
                "something is there already, and if_present is 'refuse': "
                "remove it, or choose another key"
            )
        sha256 = None
        if _is_file(found) and found.size == blob.size:
            sha256 = await self._digest(session, path)
        if sha256 != blob.sha256:
            raise RejectedError(
                "another file is there already: remove it, choose another key, "
                "or set if_present to 'replace'"
            )
        return sha256

    async def _digest(self, session: Session, path: str) -> str:
        """Return the digest of a file that is then on the server's disk."""
        digest = hashlib.sha256()
        async with self._opened(session, path) as file:
            while piece := await _piece(file):
                await self._context.run_blocking(digest.update, piece)
            await session.sync(file)  # whoever put it may have died before that
        return digest.hexdigest()

    @asynccontextmanager
    async def _opened(self, session: Session, path: str) -> AsyncIterator[asyncssh.SFTPClientFile]:
        file = await session.client.open(path, asyncssh.FXF_READ, encoding=None)
        try:
            yield file
        finally:
            await self._pool.tidy(_close(file))

    async def _look_around(self) -> AsyncIterator[Finding]:
        async with self._session("checking") as session:
            version = session.connection.get_extra_info("server_version")
            root = session.root or "/"
        yield Finding("ok", f"{self._settings.host}: logged in as {self._settings.user}, {version}")
        await self._try()
        yield Finding("ok", f"{root}: a file was put, compared and removed")
        if self._named_by == "link":
            yield Finding("ok", "new files never overwrite others: each is given its name by link")
        else:
            yield Finding("warning", "new files are given their names by rename", _RENAMED)
        if self._pool.syncs == {"files": True, "directories": True}:
            yield Finding("ok", "what was put is on the server's disk, names included")
        else:
            yield Finding("warning", "the server does not bring all to its disk", _NOT_SYNCED)

    async def _try(self) -> None:
        key = f"sinkwell-check-{secrets.token_hex(8)}"
        payload = secrets.token_bytes(4096)
        digest = hashlib.sha256(payload).hexdigest()
        again = IfPresent.KEEP_IF_SAME  # reads and compares
        if self._settings.if_present is IfPresent.REPLACE:
            again = IfPresent.REPLACE
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "payload")
            await self._context.run_blocking(path.write_bytes, payload)
            blob = Blob(path, len(payload), digest, "application/octet-stream")
            try:
                await self.put(blob, key, if_present=IfPresent.REFUSE)
                await self.put(blob, key, if_present=again)
            finally:
                await self.delete(key)

    def _check_key(self, key: str, doing: str) -> None:
        """Refuse what is longer than the type says. Sinkwell makes safe keys."""
        longest = max(len(segment.encode()) for segment in key.split("/"))
        if len(key.encode()) > LONGEST_KEY or longest > LONGEST_SEGMENT:
            raise RejectedError(
                f"sink {self._context.name!r}: {doing} failed: the key, or a name in it, is "
                f"longer than {LONGEST_KEY} or {LONGEST_SEGMENT} bytes; shorten the key template"
            )
        if any(segment.startswith(".") or not segment for segment in key.split("/")):
            raise RejectedError(f"sink {self._context.name!r}: {doing} failed: that is no key")


async def _piece(file: asyncssh.SFTPClientFile) -> bytes:
    return await file.read(PIECE)


async def _close(file: asyncssh.SFTPClientFile) -> None:
    with suppress(*ANY):  # its connection has broken, and with it the file is closed
        await file.close()


def _is_file(found: asyncssh.SFTPAttrs) -> bool:
    return found.type == asyncssh.FILEXFER_TYPE_REGULAR


def _text(name: str | bytes) -> str:
    return name.decode(errors="surrogateescape") if isinstance(name, bytes) else name
