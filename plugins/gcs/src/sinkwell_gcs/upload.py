"""Sending a file: in one request, or piece by piece in a session of its own.

Either way the object appears at once and complete, or not at all, and the server stores nothing
whose crc32c is not the one that was sent along.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator

from yarl import URL

from sinkwell.contract import Background, Blob, TransientError
from sinkwell.contract.sink import RunBlocking
from sinkwell_gcs.api import OK, RESUME, Api, Body
from sinkwell_gcs.errors import Answer
from sinkwell_gcs.payload import WRITE, Digests, Reading, agreed
from sinkwell_gcs.resource import FIELDS, media_type, resource
from sinkwell_gcs.settings import GcsSettings

_JSON = "application/json; charset=UTF-8"
_UNIT = 256 * 1024
"""All requests of a session but the last one carry a multiple of this many bytes."""


class Upload:
    """One attempt to put one file under one name."""

    def __init__(
        self,
        api: Api,
        settings: GcsSettings,
        blob: Blob,
        name: str,
        label: str,
        *,
        create_only: bool,
    ) -> None:
        self.digests: Digests | None = None
        """Of the bytes that were sent, as soon as all were read."""
        self._api = api
        self._settings = settings
        self._blob = blob
        self._name = name
        self._label = label
        self._query = {"fields": FIELDS, "prettyPrint": "false"}
        if create_only:
            self._query["ifGenerationMatch"] = "0"  # no generation: nothing is there
        if settings.kms_key:
            self._query["kmsKeyName"] = settings.kms_key
        if settings.predefined_acl:
            self._query["predefinedAcl"] = settings.predefined_acl

    async def at_once(self, payload: bytes, digests: Digests) -> Answer:
        """Send a small file, its properties before it, in one request; return the answer."""
        self.digests = digests
        # The sender of a file cannot know the boundary, so no file can hold it.
        boundary = secrets.token_hex(16)
        made = resource(self._settings, self._blob, self._name, digests)
        head = (
            f"--{boundary}\r\nContent-Type: {_JSON}\r\n\r\n{made.decode()}\r\n"
            f"--{boundary}\r\nContent-Type: {media_type(self._blob)}\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        return await self._api.call(
            "POST",
            self._api.upload_url(uploadType="multipart", **self._query),
            self._label,
            headers={
                "Content-Type": f"multipart/related; boundary={boundary}",
                "Content-Length": str(len(head) + len(payload) + len(tail)),
            },
            data=Body(_slices(payload, head, tail)),
        )

    async def piecewise(self, run_blocking: RunBlocking, background: Background) -> Answer:
        """Send a large file through a session of its own; return the last answer.

        Nearly all of it goes in one request, read and hashed on the way. The last few bytes are
        kept back until the sha256 of the whole is known and agrees, and take the crc32c of the
        whole with them: no file that was damaged here or on the way ever appears.

        A session that did not end well is cancelled, also when the put itself is.
        """
        beginning = asyncio.create_task(self._begin())
        try:
            began = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            background.start(self._unbegin(beginning))
            raise
        if began.status != OK:
            return began
        session = self._session_of(began)
        answer = None
        try:
            answer = await self._through(session, run_blocking)
        finally:
            if answer is None or answer.status != OK:
                # Nobody sees a session that is left, and it lapses by itself after a week.
                background.start(self._cancel(session))
        return answer

    async def _begin(self) -> Answer:
        return await self._api.call(
            "POST",
            self._api.upload_url(uploadType="resumable", **self._query),
            self._label,
            headers={
                "Content-Type": _JSON,
                "X-Upload-Content-Type": media_type(self._blob),
                "X-Upload-Content-Length": str(self._blob.size),
            },
            data=resource(self._settings, self._blob, self._name, None),
        )

    async def _unbegin(self, beginning: asyncio.Task[Answer]) -> None:
        """Cancel a session whose address was still to come when its put was cancelled."""
        began = await beginning
        if began.status == OK:
            await self._cancel(self._session_of(began))

    def _session_of(self, began: Answer) -> str:
        session = began.headers.get("Location", "")
        scheme = self._settings.endpoint.partition("://")[0]
        if not _is_address(session, scheme):
            raise TransientError(
                f"{self._label} failed: the answer names no {scheme} address to send to. It is "
                f"tried again; if it stays, look at the sink's endpoint."
            )
        return session

    async def _through(self, session: str, run_blocking: RunBlocking) -> Answer:
        reading = Reading(self._blob, self._label, run_blocking)
        size = self._blob.size
        most = (size - 1) // _UNIT * _UNIT
        body = Body(reading.pieces(most))
        try:
            answer = await self._put(session, 0, most, body)
        except TransientError:
            if body.failure is not None:  # not the connection failed, but what was to be sent
                raise body.failure from None
            raise
        if answer.status != RESUME:
            return answer
        if answer.headers.get("Range") != f"bytes=0-{most - 1}":
            raise TransientError(
                f"{self._label} failed: not all of what was sent was taken. It is tried again."
            )
        rest = await reading.next(size - most)
        self.digests = agreed(reading.hashing, self._blob, self._label)
        last = Body(_slices(rest))
        return await self._put(session, most, size - most, last, crc32c=self.digests.crc32c)

    async def _put(
        self, session: str, start: int, size: int, data: Body, crc32c: str | None = None
    ) -> Answer:
        headers = {
            "Content-Length": str(size),
            "Content-Range": f"bytes {start}-{start + size - 1}/{self._blob.size}",
        }
        if crc32c:
            headers["X-Goog-Hash"] = f"crc32c={crc32c}"
        # The address of a session is its own proof: it is never shown, and no token goes with it.
        return await self._api.call(
            "PUT", session, self._label, headers=headers, data=data, authorize=False
        )

    async def _cancel(self, session: str) -> None:
        label = f"{self._label}: cancelling the upload"
        await self._api.call(
            "DELETE", session, label, headers={"Content-Length": "0"}, authorize=False
        )


def _is_address(text: str, scheme: str) -> bool:
    try:
        url = URL(text, encoded=True)
        host = url.host_port_subcomponent  # not before this is the port looked at
    except ValueError:
        return False
    return url.scheme == scheme and host is not None


async def _slices(
    payload: bytes, head: bytes = b"", tail: bytes = b""
) -> AsyncIterator[bytes | memoryview]:
    if len(payload) <= WRITE:
        yield b"".join((head, payload, tail))  # one packet more costs more than this copy
        return
    yield head
    view = memoryview(payload)
    for start in range(0, len(view), WRITE):
        yield view[start : start + WRITE]
    yield tail
