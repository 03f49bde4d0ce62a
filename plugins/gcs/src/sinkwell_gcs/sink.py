"""The GCS sink: its calls."""

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
from sinkwell_gcs.check import Check
from sinkwell_gcs.identity import Identity
from sinkwell_gcs.settings import GcsSettings
from sinkwell_gcs.store import Store


async def open_sink(settings: GcsSettings, context: SinkContext) -> Sink:
    """Find the credentials and open the sink; nothing is asked of the bucket yet.

    Raises ``UnusableError`` when there are no credentials that can be used.
    """
    identity = await Identity.find(settings, context.name, context.run_blocking)
    try:
        return GcsSink(Store(settings, context, identity))
    except (OSError, ssl.SSLError) as error:
        identity.close()
        raise UnusableError(
            f"sink {context.name!r}: its ca_bundle {settings.ca_bundle!r} cannot be used: "
            f"{error.strerror}. Name a file with certificates in PEM."
        ) from error


class GcsSink(Sink):
    """Objects of one bucket. Made by :func:`open_sink`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._check = Check(store)

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        """Store the blob; what is stored has the crc32c of what was read and hashed here.

        A cancelled put may still be carried out by the server, as a whole or not at all.
        """
        return await self._store.put(blob, key, if_present)

    async def stat(self, key: str) -> Stat | None:
        """Describe an object; the digest is the one that was noted when it was put."""
        return await self._store.stat(key)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        """Yield an object as it was at the first piece, even if it is replaced meanwhile."""
        name, label = self._store.place("reading", key)
        async for piece in self._store.read(name, label):
            yield piece

    async def delete(self, key: str) -> None:
        """Remove an object; a bucket with versions or soft delete keeps it for a while."""
        await self._store.delete(*self._store.place("deleting", key))

    async def presign(self, key: str, *, expires_in: float) -> str:
        """Return a V4 signed URL, valid for 1 second to 7 days.

        Raises ``UnusableError`` where the credentials cannot sign: anonymous, or a person's.
        """
        return await self._store.presign(key, expires_in)

    async def check(self) -> Sequence[Finding]:
        """Put a small object as files are put, look at it, put it again, remove it."""
        return await self._check.findings()

    async def close(self) -> None:
        """Wait for what is tidied up, a few seconds at most, and close the connections."""
        await self._store.close()
