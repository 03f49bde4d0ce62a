"""The S3 sink: its calls."""

import ssl
from collections.abc import AsyncIterator, Sequence

from sinkwell.contract import (
    Blob,
    Finding,
    IfPresent,
    Receipt,
    Sink,
    SinkContext,
    Stat,
    UnusableError,
)
from sinkwell_s3.check import Check
from sinkwell_s3.identity import Identity
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.store import Store


async def open_sink(settings: S3Settings, context: SinkContext) -> Sink:
    """Find credentials and endpoint and open the sink; nothing is asked of the bucket yet.

    Raises ``UnusableError`` when there are no credentials that can be used.
    """
    identity = await Identity.find(settings, context.name, context.run_blocking)
    try:
        store = Store(settings, context, identity)
    except (OSError, ssl.SSLError) as error:
        await identity.close()
        raise UnusableError(
            f"sink {context.name!r}: its ca_bundle {settings.ca_bundle!r} cannot be used: "
            f"{error.strerror}. Name a file with certificates in PEM."
        ) from error
    store.background.start(store.uploads.sweep(f"sink {context.name!r}"))
    return S3Sink(store)


class S3Sink(Sink):
    """Objects of one bucket. Made by :func:`open_sink`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._check = Check(store)

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        """Store the blob; its sha256 was verified by the store or, while it was sent, here.

        A cancelled put may still be carried out by the store, as a whole or not at all.
        """
        return await self._store.put(blob, key, if_present)

    async def stat(self, key: str) -> Stat | None:
        """Describe an object; the digest is the store's own, or the one noted with the object."""
        return await self._store.stat(key)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield an object as it was at the first piece, even if it is replaced meanwhile."""
        name, label = self._store.place("reading", key)
        async for piece in self._store.read(name, label):
            yield piece

    async def delete(self, key: str) -> None:
        """Remove an object; a bucket with versions keeps it as an older one."""
        await self._store.delete(*self._store.place("deleting", key))

    async def presign(self, key: str, *, expires_in: float) -> str:
        """Return a signed URL, valid for 1 second to 7 days, and no longer than the credentials."""
        return await self._store.presign(key, expires_in)

    async def check(self) -> Sequence[Finding]:
        """Put a small object as files are put, read it back, put it again, remove it."""
        return await self._check.findings()

    async def close(self) -> None:
        """Wait for what is tidied up, a few seconds at most, and close the connections."""
        await self._store.close()
