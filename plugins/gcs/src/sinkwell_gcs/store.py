"""What each call of a GCS sink does in the bucket.

An object is created under the condition that nothing is there, so that no put ever overwrites
another file, whoever is quicker. Where something is there, or where an answer was lost, the
object itself is asked: size and crc32c are of the bytes that Cloud Storage holds, and sha256 is
the one that was noted with them; an object without that note is read and compared.
"""

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
import msgspec

from sinkwell.contract import (
    Background,
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    SinkContext,
    SinkError,
    Stat,
    TransientError,
)
from sinkwell_gcs.api import OK, PRECONDITION_FAILED, Api
from sinkwell_gcs.errors import Answer, AnswerLostError, ForbiddenError, refused
from sinkwell_gcs.exceptions import from_transport
from sinkwell_gcs.identity import Identity
from sinkwell_gcs.names import object_name
from sinkwell_gcs.payload import WRITE, Digests, digest, load
from sinkwell_gcs.resource import FIELDS, Found
from sinkwell_gcs.settings import GcsSettings
from sinkwell_gcs.upload import Upload

_LONGEST_LINK = 7 * 24 * 3600
_NO_CONTENT = 204


class Store:
    """The objects below one prefix of one bucket. Raises ``SinkError``."""

    def __init__(self, settings: GcsSettings, context: SinkContext, identity: Identity) -> None:
        self.settings = settings
        self.identity = identity
        self.background = Background()
        self.api = Api(settings, identity)
        self._context = context

    def place(self, doing: str, key: str) -> tuple[str, str]:
        """Return an object's name and the beginning of messages about it."""
        label = self._context.label(doing, key)
        return object_name(self.settings.prefix, key, label), label

    async def put(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        """Store the blob, or find it stored already."""
        name, label = self.place("putting", key)
        if blob.size > self.settings.resumable_above:
            return await self._put_large(blob, key, if_present)
        payload, digests = await self._context.run_blocking(load, blob, label)
        upload = self.upload(blob, name, label, if_present)
        try:
            answer = await upload.at_once(payload, digests)
            return await self._settled(upload, answer, key, if_present)
        except AnswerLostError as lost:
            return await self._perhaps_stored(upload, key, if_present, lost)

    def upload(self, blob: Blob, name: str, label: str, if_present: IfPresent) -> Upload:
        """Return an attempt that creates the object or, to replace, writes it over."""
        create_only = if_present is not IfPresent.REPLACE
        return Upload(self.api, self.settings, blob, name, label, create_only=create_only)

    async def find(self, name: str, label: str) -> Found | None:
        """Return what Cloud Storage knows of an object, or None when there is none."""
        answer = await self.api.call("GET", self.api.object_url(name, fields=FIELDS), label)
        if answer.status == OK:
            return _found(answer, label)
        if await self.api.is_absent(answer, name, label):
            return None
        raise refused(answer, label)

    async def stat(self, key: str) -> Stat | None:
        """Describe an object. The digest is the one that was noted when it was put."""
        name, label = self.place("looking at", key)
        found = await self.find(name, label)
        return Stat(int(found.size), found.sha256, found.media_type) if found else None

    async def read(self, name: str, label: str) -> AsyncIterator[bytes]:
        """Yield an object in pieces of at most 256 KiB."""
        async with self.api.open("GET", self.api.object_url(name, alt="media"), label) as response:
            if response.status != OK:
                answer = Answer(response.status, response.headers, await response.read())
                if await self.api.is_absent(answer, name, label):
                    raise RejectedError(f"{label} failed: there is no such object. Was it moved?")
                raise refused(answer, label)
            try:
                async for piece in response.content.iter_chunked(WRITE):
                    yield piece
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise from_transport(error, label) from error

    async def delete(self, name: str, label: str, **condition: str) -> None:
        """Remove an object; when there is none, do nothing."""
        answer = await self.api.call("DELETE", self.api.object_url(name, **condition), label)
        if answer.status in {OK, _NO_CONTENT}:
            return
        if not await self.api.is_absent(answer, name, label):
            raise refused(answer, label)

    async def presign(self, key: str, expires_in: float) -> str:
        """Return a V4 signed URL."""
        name, label = self.place("signing a link to", key)
        if not 1 <= expires_in <= _LONGEST_LINK:
            raise RejectedError(f"{label} failed: a link can last from 1 second to 7 days.")
        return await self.identity.sign(name, expires_in, label)

    async def close(self) -> None:
        """Wait until all is tidied up, and close the connections."""
        await self.background.ended()
        await self.api.close()

    async def verified(self, answer: Answer, upload: Upload, name: str, label: str) -> Digests:
        """Return the digests of what was stored. Raises ``TransientError`` unless they agree."""
        found, digests = _found(answer, label), upload.digests
        if digests is None or not found.has_bytes_of(digests):
            what = f"{label} failed: other bytes were stored than were sent"
            try:
                await self.delete(name, label, ifGenerationMatch=found.generation)
            except SinkError as error:
                raise TransientError(
                    f"{what}, and could not be removed. Remove the object; it is tried again."
                ) from error
            raise TransientError(f"{what}; they were removed again. It is tried again.")
        return digests

    async def _put_large(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        name, label = self.place("putting", key)
        upload = self.upload(blob, name, label, if_present)
        if if_present is not IfPresent.REPLACE and await self._is_taken(name, label):
            # The condition would say so only when all is sent.
            if if_present is IfPresent.KEEP_IF_SAME:
                upload.digests = await self._context.run_blocking(digest, blob, label)
            return await self._present(upload, key, if_present)
        try:
            answer = await upload.piecewise(self._context.run_blocking, self.background)
            if upload.digests is None and is_taken(answer):
                upload.digests = await self._context.run_blocking(digest, blob, label)
            return await self._settled(upload, answer, key, if_present)
        except AnswerLostError as lost:
            return await self._perhaps_stored(upload, key, if_present, lost)

    async def _is_taken(self, name: str, label: str) -> bool:
        try:
            return await self.find(name, label) is not None
        except ForbiddenError:
            return False  # who may only create learns it from the condition

    async def _settled(
        self, upload: Upload, answer: Answer, key: str, if_present: IfPresent
    ) -> Receipt:
        name, label = self.place("putting", key)
        if answer.status == OK:
            return self._receipt(key, await self.verified(answer, upload, name, label))
        if is_taken(answer):
            return await self._present(upload, key, if_present)
        raise refused(answer, label)

    async def _present(self, upload: Upload, key: str, if_present: IfPresent) -> Receipt:
        """Return a receipt for the same bytes under the key. Raises ``RejectedError`` else."""
        name, label = self.place("putting", key)
        if if_present is IfPresent.REFUSE:
            raise RejectedError(
                f"{label} failed: something is there already, and if_present is 'refuse'. "
                f"Remove it, or choose another key."
            )
        try:
            found = await self.find(name, label)
            if found is None:
                raise TransientError(
                    f"{label} failed: another object was there and went. It is tried again."
                )
            same = await self._is_same(found, name, upload.digests, label)
        except ForbiddenError as error:
            raise RejectedError(
                f"{label} failed: something is there already, and the sink's account may not look "
                f"at it to compare. Give it the role Storage Object Viewer, then retry."
            ) from error
        if not same or upload.digests is None:
            raise RejectedError(
                f"{label} failed: another object is there already. Remove it, choose another key, "
                f"or set if_present to 'replace'."
            )
        return self._receipt(key, upload.digests)

    async def _perhaps_stored(
        self, upload: Upload, key: str, if_present: IfPresent, lost: AnswerLostError
    ) -> Receipt:
        """Return a receipt when the object is there although the answer was lost.

        Not where anything there is to be refused: it cannot be told who put it. Raises ``lost``
        when it is not there; whatever the server still does, the next try finds it.
        """
        name, label = self.place("putting", key)
        if if_present is IfPresent.REFUSE or upload.digests is None:
            raise lost
        try:
            found = await self.find(name, label)
            same = found and await self._is_same(found, name, upload.digests, label)
        except SinkError:
            raise lost from None
        if not same:
            raise lost
        return self._receipt(key, upload.digests)

    async def _is_same(self, found: Found, name: str, digests: Digests | None, label: str) -> bool:
        if digests is None or not found.has_bytes_of(digests):
            return False
        if found.sha256 is not None:
            return found.sha256 == digests.sha256
        sha256 = hashlib.sha256()
        async for piece in self.read(name, label):
            sha256.update(piece)
        return sha256.hexdigest() == digests.sha256

    def _receipt(self, key: str, digests: Digests) -> Receipt:
        name = quote(self.settings.prefix + key)
        location = f"gs://{self.settings.bucket}/{name}"
        return Receipt(key, digests.size, digests.sha256, location)


def is_taken(answer: Answer) -> bool:
    """Tell a condition that does not hold from a policy of the organisation: both are 412."""
    return answer.status == PRECONDITION_FAILED and answer.reason != "orgPolicyConstraintFailed"


def _found(answer: Answer, label: str) -> Found:
    try:
        found = msgspec.json.decode(answer.body, type=Found)
        int(found.size)
    except ValueError as error:  # msgspec's errors, bad UTF-8 and a size that is no number
        raise AnswerLostError(
            f"{label} failed: the answer is not Cloud Storage's. It is tried again; if it stays, "
            f"look at the sink's endpoint and at proxies on the way."
        ) from error
    return found
