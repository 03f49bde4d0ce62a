"""Putting one file exactly once.

Where the store honours a condition, an object is created under the one that nothing is there, so
no put ever overwrites another file, whoever is quicker. Elsewhere the sink looks before it puts,
and puts under one key take turns, so that only another process could come in between.
When something is there, and when an answer was lost, the object itself is asked: that it is ours
shows in its size and its sha256, its md5 or, when nothing else can tell, its bytes.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell_s3.answers import Answer
from sinkwell_s3.errors import refused
from sinkwell_s3.meanings import CODES, RESEND, AnswerLostError, ForbiddenError
from sinkwell_s3.payload import verify
from sinkwell_s3.resource import Found, Params, checksum_in, encoded, properties
from sinkwell_s3.wire import CONFLICT, OK, PRECONDITION_FAILED, UNDECIDED

if TYPE_CHECKING:
    from sinkwell_s3.store import Store

_TAKEN = frozenset({"FileAlreadyExists", "ObjectAlreadyExists", "PreconditionFailed"})
"""What stores with a header of their own answer, with status 409."""


class Putting:
    """One attempt to put one blob under one key."""

    def __init__(self, store: "Store", blob: Blob, key: str, if_present: IfPresent) -> None:
        self._store = store
        self._blob = blob
        self._key = key
        self._if_present = if_present
        self._name, self._label = store.place("putting", key)
        self._conditional = if_present is not IfPresent.REPLACE and bool(store.preset.create_only)
        self._large = blob.size > store.settings.multipart_threshold

    async def receipt(self) -> Receipt:
        """Put it, or find it there. Raises ``SinkError``."""
        if self._conditional or self._if_present is IfPresent.REPLACE:
            return await self._receipt()
        async with self._store.turns.of(self._name):
            return await self._receipt()

    async def _receipt(self) -> Receipt:
        if self._if_present is not IfPresent.REPLACE and (self._large or not self._conditional):
            found = await self._before()
            if found is not None:
                return await self._present(found)
        try:
            answer = await self._send()
        except AnswerLostError as lost:
            return await self._perhaps_stored(lost)
        if answer.status == OK and not answer.code:
            return self._stored(answer)
        if is_taken(answer):
            return await self._taken()
        if CODES.get(answer.code) is RESEND:
            await self._store.run_blocking(verify, self._blob, self._label)
        failure = refused(answer, self._label)
        if answer.status in UNDECIDED:
            return await self._perhaps_stored(failure)
        raise failure

    async def _before(self) -> Found | None:
        """Look whether something is there, to overwrite nothing or to send nothing in vain."""
        try:
            return await self._store.glance(self._name, self._label)
        except ForbiddenError as error:
            if self._conditional:
                return None  # who may only put learns it from the condition
            raise UnusableError(
                f"{self._label} failed: the key may not look whether something is there, and this "
                f"store is not known to refuse a put then. Allow s3:GetObject and s3:ListBucket, "
                f'or set conditional_writes = "on" if the store honours conditions, or '
                f'if_present = "replace".'
            ) from error

    async def _send(self) -> Answer:
        store, blob = self._store, self._blob
        params: Params = properties(store.settings, blob, self._name)
        if self._large:
            return await store.uploads.put(
                blob, self._name, params, self._label, create_only=self._conditional
            )
        if store.preset.checksum != "none" or store.settings.object_lock:
            params["ChecksumSHA256"] = encoded(blob.sha256)
        if self._conditional:
            params["IfNoneMatch"] = "*"
        answer = await store.wire.put(self._name, blob, params, self._label)
        if answer.status == OK and not answer.code and "ETag" not in answer.headers:
            raise AnswerLostError(
                f"{self._label} failed: the answer is not an S3 store's. It is tried again; if it "
                f"stays, look at the sink's endpoint and at proxies on the way."
            )
        return answer

    def _stored(self, answer: Answer) -> Receipt:
        """Return a receipt, unless the store itself says that it has other bytes."""
        checksum = checksum_in(answer)
        if not self._large and checksum not in {None, self._blob.sha256}:
            raise TransientError(
                f"{self._label} failed: the store names another sha256 than that of what was "
                f"sent. It is sent again."
            )
        return self._store.receipt(self._blob, self._key)

    async def _taken(self) -> Receipt:
        try:
            found = await self._store.find(self._name, self._label)
        except ForbiddenError as error:
            raise self._unseen() from error
        if found is None:
            raise TransientError(
                f"{self._label} failed: the store says that something is there, and shows nothing. "
                f"It is tried again; if it stays, the name is one of a folder there: choose "
                f"another key."
            )
        return await self._present(found)

    async def _present(self, found: Found) -> Receipt:
        """Return a receipt for the same bytes under the key. Raises ``RejectedError`` else."""
        if self._if_present is IfPresent.REFUSE:
            raise RejectedError(
                f"{self._label} failed: something is there already, and if_present is 'refuse'. "
                f"Remove it, or choose another key."
            )
        try:
            same = await self._store.is_same(found, self._blob, self._name, self._label)
        except ForbiddenError as error:
            raise self._unseen() from error
        if not same:
            raise RejectedError(
                f"{self._label} failed: another object is there already. Remove it, choose "
                f"another key, or set if_present to 'replace'."
            )
        return self._store.receipt(self._blob, self._key)

    def _unseen(self) -> RejectedError:
        return RejectedError(
            f"{self._label} failed: something is there already, and the sink's key may not look "
            f"at it to compare. Allow s3:GetObject, then retry."
        )

    async def _perhaps_stored(self, lost: SinkError) -> Receipt:
        """Return a receipt when the object is there although the answer was lost, or another.

        Not where anything there is to be refused: it cannot be told who put it. Raises ``lost``
        when it is not there; whatever the store still does, the next try finds it.
        """
        if self._if_present is IfPresent.REFUSE:
            raise lost
        try:
            found = await self._store.find(self._name, self._label)
            same = found is not None and await self._store.is_same(
                found, self._blob, self._name, self._label
            )
        except SinkError:
            raise lost from None
        if not same:
            raise lost
        return self._store.receipt(self._blob, self._key)


class Turns:
    """Lets those who mean the same thing go one after the other."""

    def __init__(self) -> None:
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Wait until nobody else is within for this name."""
        lock, users = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(name)
            if users > 1:
                self._locks[name] = lock, users - 1


def is_taken(answer: Answer) -> bool:
    """Tell whether a put was refused because something is there."""
    if answer.status == PRECONDITION_FAILED:
        return True
    return answer.status == CONFLICT and answer.code in _TAKEN
