"""What each call of an S3 sink does in the bucket; how a file gets there is in ``putting``."""

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from sinkwell.contract import (
    Background,
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    SinkContext,
    Stat,
)
from sinkwell_s3.answers import Answer
from sinkwell_s3.boto import Boto3
from sinkwell_s3.errors import BOTO_ERRORS, from_boto, refused
from sinkwell_s3.identity import Identity
from sinkwell_s3.journal import Journal
from sinkwell_s3.keys import object_name
from sinkwell_s3.meanings import AnswerLostError
from sinkwell_s3.multipart import Uploads
from sinkwell_s3.native import Native
from sinkwell_s3.payload import md5_of
from sinkwell_s3.putting import Putting, Turns
from sinkwell_s3.resource import Found, Params, common
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.wire import NOT_FOUND, OK, Wire

_LONGEST_LINK = 7 * 24 * 3600
_NO_CONTENT = 204
_NO_SUCH_KEY = "NoSuchKey"


class Store:
    """The objects below one prefix of one bucket. Raises ``SinkError``."""

    def __init__(self, settings: S3Settings, context: SinkContext, identity: Identity) -> None:
        self.settings = settings
        self.preset = settings.preset
        self.identity = identity
        self.background = Background()
        self.turns = Turns()
        self.run_blocking = context.run_blocking
        self.directory = context.directory
        way = Native if settings.transfer == "native" else Boto3
        self.wire: Wire = way(settings, identity, context.run_blocking)
        self.uploads = Uploads(
            self.wire,
            settings,
            identity.bucket_url,
            Journal(context.directory, context.run_blocking),
            context.run_blocking,
            self.background,
        )
        self._context = context
        self._common = common(settings)

    def place(self, doing: str, key: str) -> tuple[str, str]:
        """Return an object's name and the beginning of messages about it."""
        label = self._context.label(doing, key)
        return object_name(self.settings.prefix, key, self.preset, label), label

    async def put(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        """Store the blob, or find it stored already."""
        return await Putting(self, blob, key, if_present).receipt()

    async def find(self, name: str, label: str) -> Found | None:
        """Return what the store knows of an object, or None when there is none."""
        found = await self.glance(name, label)
        return found if found is not None else await self._look_closely(name, label)

    async def glance(self, name: str, label: str) -> Found | None:
        """Do as :meth:`find`, but take a missing bucket for a missing object."""
        params: Params = dict(self._common)
        if self.preset.checksum != "none":
            params["ChecksumMode"] = "ENABLED"
        answer = await self.wire.head(name, params, label)
        if answer.status == NOT_FOUND:
            return None
        if answer.status != OK:
            raise refused(answer, label)
        return _found(answer, label)

    async def stat(self, key: str) -> Stat | None:
        """Describe an object; the digest is the store's own, or the one noted with the object."""
        found = await self.find(*self.place("looking at", key))
        return Stat(found.size, found.sha256, found.media_type) if found else None

    async def read(self, name: str, label: str) -> AsyncIterator[bytes]:
        """Yield an object in pieces of at most 256 KiB."""
        async with self.wire.get(name, self._common, label) as download:
            answer = download.answer
            if answer.status == NOT_FOUND and answer.code == _NO_SUCH_KEY:
                raise RejectedError(f"{label} failed: there is no such object. Was it moved?")
            if answer.status != OK:
                raise refused(answer, label)
            async for piece in download.pieces():
                yield piece

    async def delete(self, name: str, label: str) -> None:
        """Remove an object; when there is none, do nothing."""
        answer = await self.wire.delete(name, self._common, label)
        if answer.status in {OK, _NO_CONTENT} or answer.code == _NO_SUCH_KEY:
            return
        raise refused(answer, label)

    async def presign(self, key: str, expires_in: float) -> str:
        """Return a URL that gives the object to anyone for a while."""
        name, label = self.place("signing a link to", key)
        if not 1 <= expires_in <= _LONGEST_LINK:
            raise RejectedError(f"{label} failed: a link can last from 1 second to 7 days.")
        await self.identity.keys(label)
        params: Params = {"Bucket": self.settings.bucket, "Key": name}
        if self.settings.requester_pays:
            params["RequestPayer"] = "requester"
        try:
            return await self.run_blocking(
                self.identity.client.generate_presigned_url,
                "get_object",
                Params=params,
                ExpiresIn=int(expires_in),
            )
        except BOTO_ERRORS as error:
            raise from_boto(error, label) from error

    async def is_same(self, found: Found, blob: Blob, name: str, label: str) -> bool:
        """Tell whether an object has a blob's bytes; it is read when nothing else can tell."""
        if found.size != blob.size:
            return False
        if found.sha256 is not None:
            return found.sha256 == blob.sha256
        if found.md5 is not None and found.md5 == await self.run_blocking(md5_of, blob, label):
            return True
        digest = hashlib.sha256()
        async for piece in self.read(name, label):
            digest.update(piece)
        return digest.hexdigest() == blob.sha256

    def receipt(self, blob: Blob, key: str) -> Receipt:
        """Return the receipt for a blob whose bytes are known to be there."""
        name = quote(self.settings.prefix + key)
        return Receipt(key, blob.size, blob.sha256, f"s3://{self.settings.bucket}/{name}")

    async def close(self) -> None:
        """Wait until all is tidied up, and close the connections."""
        await self.background.ended()
        await self.wire.close()
        await self.identity.close()

    async def _look_closely(self, name: str, label: str) -> Found | None:
        """Tell a missing object from a missing bucket, which HEAD cannot: its answer is empty."""
        async with self.wire.get(name, self._common, label) as download:
            answer = download.answer
            if answer.status == OK:  # it came meanwhile
                return _found(answer, label)
            if answer.status == NOT_FOUND and answer.code == _NO_SUCH_KEY:
                return None
            raise refused(answer, label)


def _found(answer: Answer, label: str) -> Found:
    found = Found.of(answer)
    if found.size < 0:
        raise AnswerLostError(
            f"{label} failed: the answer is not an S3 store's. It is tried again; if it stays, "
            f"look at the sink's endpoint and at proxies on the way."
        )
    return found
