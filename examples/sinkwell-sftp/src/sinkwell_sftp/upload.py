"""One file on its way: written in the staging directory, then given its name in one step."""

import asyncio
import hashlib
import posixpath
import secrets
from contextlib import suppress
from typing import BinaryIO

import asyncssh

from sinkwell.contract import Blob, RejectedError, SinkContext, TransientError, UnusableError
from sinkwell_sftp.connection import Pool, Session
from sinkwell_sftp.errors import ABSENT, ANY

PIECE = 1024 * 1024
"""Bytes that are read, hashed and sent at once."""


class Upload:
    """A file in the staging directory, new for each put."""

    def __init__(self, session: Session, pool: Pool) -> None:
        self._session = session
        self._client = session.client
        self._pool = pool
        self._path = f"{session.staging}/{secrets.token_hex(16)}"
        self._file: asyncssh.SFTPClientFile | None = None
        self._writing: asyncio.Task[int] | None = None

    async def fill(self, blob: Blob, mode: int, context: SinkContext) -> str:
        """Write a blob; return the digest of what was written, which is on the server's disk."""
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | asyncssh.FXF_EXCL
        attributes = asyncssh.SFTPAttrs(permissions=mode)
        source = await context.run_blocking(_open, blob)
        digest = hashlib.sha256()
        try:
            self._file = await self._client.open(self._path, flags, attributes, encoding=None)
            while piece := await context.run_blocking(_read, source, digest):
                # A write that is cancelled would leave its parts behind; so it goes on, until
                # `discard` has waited for it.
                self._writing = asyncio.ensure_future(self._file.write(piece))
                await asyncio.shield(self._writing)
        finally:
            source.close()
        if digest.hexdigest() != blob.sha256:
            raise RejectedError("the file to put is damaged: its digest is wrong")
        await self._session.sync(self._file)
        file, self._file = self._file, None
        await file.close()
        return digest.hexdigest()

    async def publish_new(self, path: str) -> str | None:
        """Give the file its name, unless that is taken: then return None, else which way it went.

        A link is refused by the file system itself where the name is taken. Where there are none,
        `rename` of SFTP has to do: it overwrites nothing, yet not every server looks and renames
        in one step.
        """
        failure: asyncssh.SFTPError | None = None
        for way, name_it in (("link", self._client.link), ("rename", self._client.rename)):
            try:
                await name_it(self._path, path)
            except ABSENT:
                raise
            except asyncssh.SFTPOpUnsupported:
                continue
            except asyncssh.SFTPError as error:
                if await self._session.look(path) is not None:
                    return None
                failure = error
            else:
                return way
        raise failure or asyncssh.SFTPOpUnsupported("neither link nor rename is there")

    async def publish_over(self, path: str) -> str:
        """Give the file its name; what had it is gone in the same instant."""
        try:
            await self._client.posix_rename(self._path, path)
        except asyncssh.SFTPOpUnsupported:
            way = await self.publish_new(path)
            if way is None:
                raise UnusableError(
                    "the server cannot replace a file in one step (it lacks posix-rename): "
                    "set if_present to 'keep-if-same' or 'refuse'"
                ) from None
            return way
        except asyncssh.SFTPFailure:
            found = await self._session.look(path)
            if found is not None and found.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
                raise RejectedError(f"{path} is a directory: change the key template") from None
            raise
        return "posix-rename"

    async def discard(self) -> None:
        """Remove the file from the staging directory; to be called however the put ended."""
        try:
            if self._writing is not None:
                with suppress(*ANY):  # who put the file was told, or has gone
                    await self._writing
            if self._file is not None:
                await self._file.close()
            await self._client.remove(self._path)
        except ABSENT:
            return
        except ANY:
            await self._pool.remove(self._path)


async def make_directories(session: Session, path: str, mode: int) -> None:
    """Make the directories that lead to a path."""
    directory = session.root
    for name in posixpath.relpath(posixpath.dirname(path), session.root).split("/"):
        directory = f"{directory}/{name}"
        try:
            await session.client.mkdir(directory, asyncssh.SFTPAttrs(permissions=mode))
        except asyncssh.SFTPError:
            found = await session.look(directory)
            if found is None:
                raise
            if found.type != asyncssh.FILEXFER_TYPE_DIRECTORY:
                raise RejectedError(
                    f"{directory} stands where a directory has to be: change the key template"
                ) from None


async def make_durable(session: Session, path: str) -> None:
    """Bring the names on the way to a path to the server's disk, if it can do that.

    SFTP knows no such request, but OpenSSH's server opens a directory as it opens a file.
    """
    if session.syncs.get("files") is False or session.syncs.get("directories") is False:
        return
    directory = posixpath.dirname(path)
    directories = [directory]
    while len(directory) > len(session.root):
        directory = posixpath.dirname(directory)
        directories.append(directory)
    await asyncio.gather(*[_sync_directory(session, each or "/") for each in directories])


async def _sync_directory(session: Session, path: str) -> None:
    try:
        handle = await session.client.open(path, asyncssh.FXF_READ, encoding=None)
    except (asyncssh.SFTPFailure, asyncssh.SFTPPermissionDenied, asyncssh.SFTPFileIsADirectory):
        session.syncs["directories"] = False
        return
    async with handle:
        await session.sync(handle, "directories")


def _open(blob: Blob) -> BinaryIO:
    try:
        return blob.open()
    except OSError as error:
        raise TransientError(f"the file to put cannot be read: {error.strerror}") from error


def _read(source: BinaryIO, digest: "hashlib._Hash") -> bytes:
    try:
        piece = source.read(PIECE)
    except OSError as error:
        raise TransientError(f"the file to put cannot be read: {error.strerror}") from error
    digest.update(piece)
    return piece
