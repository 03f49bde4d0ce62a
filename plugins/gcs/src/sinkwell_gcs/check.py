"""The check of a GCS sink: a real put, and whether the bucket keeps what a sink relies on."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from sinkwell.contract import Blob, Finding, IfPresent, SinkError
from sinkwell_gcs.api import OK
from sinkwell_gcs.errors import AnswerLostError, ForbiddenError, refused
from sinkwell_gcs.payload import Digests, Hashing
from sinkwell_gcs.store import Store, is_taken

_PAYLOAD = b"Sinkwell put this to see whether the sink works. It can be removed.\n"


class Check:
    """Checks of one sink, one after the other or at once.

    Where the account may not delete, one object of a check stays in the bucket; later checks of
    the same sink use it again, so that a paused sink does not fill the bucket with them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: str | None = None

    async def findings(self) -> list[Finding]:
        """Return a finding for everything tried; the first failure is the last finding."""
        findings = []
        try:
            async for finding in self._look():
                findings.append(finding)  # noqa: PERF401 - those before a failure are kept
        except SinkError as error:
            findings.append(Finding("failed", str(error)))
        return findings

    async def _look(self) -> AsyncIterator[Finding]:
        store = self._store
        key = self._kept or f"sinkwell-check-{secrets.token_hex(8)}"
        name, label = store.place("checking with", key)
        await store.identity.headers(label)
        yield Finding("ok", f"credentials: {store.identity.described()}")
        probe = _Probe(store, name, label)
        try:
            yield await probe.put()
            yield await probe.put_again()
            yield await probe.looked_at()
            if store.settings.if_present is IfPresent.REPLACE:
                yield await probe.replaced()
        except BaseException:
            if probe.is_left:
                store.background.start(store.delete(name, label))
            raise
        yield await self._removed(name, label, key)

    async def _removed(self, name: str, label: str, key: str) -> Finding:
        try:
            await self._store.delete(name, label)
        except SinkError as error:
            self._kept = key
            return Finding(
                "warning",
                f"{name!r} could not be removed: {error}",
                "To put files this is not needed: remove the object by hand, or let a lifecycle "
                "rule do it.",
            )
        return Finding("ok", "deleting works")


class _Probe:
    """One small object that is put with all that a file's put has."""

    def __init__(self, store: Store, name: str, label: str) -> None:
        self.is_left = False
        """Whether it is there, or may be: an answer may be all that was lost."""
        self._store = store
        self._name = name
        self._label = label
        hashing = Hashing()
        hashing.update(_PAYLOAD)
        self._digests: Digests = hashing.digests()
        self._blob = Blob(Path(name), len(_PAYLOAD), self._digests.sha256, "text/plain")

    async def put(self) -> Finding:
        """Create it. That it is there from an earlier check is as good: the put was let in."""
        upload = self._store.upload(self._blob, self._name, self._label, IfPresent.REFUSE)
        self.is_left = True
        try:
            answer = await upload.at_once(_PAYLOAD, self._digests)
            if answer.status != OK and not is_taken(answer):
                raise refused(answer, self._label)
        except AnswerLostError:
            raise
        except SinkError:
            self.is_left = False
            raise
        where = f"gs://{self._store.settings.bucket}/{self._name}"
        if is_taken(answer):
            return Finding("ok", f"{where} would be put; it is there from an earlier check")
        await self._store.verified(answer, upload, self._name, self._label)
        return Finding("ok", f"{where} was put; its crc32c is that of what was sent")

    async def put_again(self) -> Finding:
        """See whether a second put of the same name is refused."""
        upload = self._store.upload(self._blob, self._name, self._label, IfPresent.REFUSE)
        answer = await upload.at_once(_PAYLOAD, self._digests)
        if is_taken(answer):
            return Finding("ok", "a put never overwrites: ifGenerationMatch=0 is honoured")
        if answer.status != OK:
            raise refused(answer, self._label)
        return Finding(
            "warning",
            "a second put of the same name was not refused: ifGenerationMatch=0 is ignored",
            "Two writers of one key may overwrite each other here. Use keys that are unique.",
        )

    async def looked_at(self) -> Finding:
        """See whether what is there can be compared."""
        try:
            found = await self._store.find(self._name, self._label)
        except ForbiddenError:
            return Finding(
                "warning",
                "the account may create objects, and not look at them",
                "A key that is taken, or an answer that was lost, cannot be compared then and "
                "ends as rejected. Storage Object Viewer on the bucket changes that.",
            )
        if found is None or not found.has_bytes_of(self._digests):
            return Finding(
                "warning",
                "what is there is not what was put",
                "Something else writes or removes in this bucket, or the endpoint is not Cloud "
                "Storage.",
            )
        return Finding("ok", "looking at it gives the same size and crc32c")

    async def replaced(self) -> Finding:
        """See whether it may be written over."""
        upload = self._store.upload(self._blob, self._name, self._label, IfPresent.REPLACE)
        answer = await upload.at_once(_PAYLOAD, self._digests)
        if answer.status != OK:
            raise refused(answer, f"{self._label} with if_present 'replace'")
        return Finding("ok", "replacing works")
