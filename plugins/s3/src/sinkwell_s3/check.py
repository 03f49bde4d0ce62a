"""The check of an S3 sink: a real put, and whether the store keeps what a sink relies on."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from sinkwell.contract import Blob, Finding, IfPresent, SinkError
from sinkwell_s3.answers import Answer
from sinkwell_s3.errors import refused
from sinkwell_s3.meanings import AnswerLostError, ForbiddenError
from sinkwell_s3.putting import is_taken
from sinkwell_s3.resource import Params, encoded, properties
from sinkwell_s3.store import Store
from sinkwell_s3.wire import OK

_PAYLOAD = b"Sinkwell put this to see whether the sink works. It can be removed.\n"
_SHA256 = hashlib.sha256(_PAYLOAD).hexdigest()


class Check:
    """Checks of one sink, one after the other or at once.

    Where the key may not delete, one object of a check stays in the bucket; later checks of the
    same sink use it again, so that a paused sink does not fill the bucket with them.
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
        await store.identity.keys(label)
        yield Finding("ok", f"credentials: {store.identity.described()}")
        path = store.directory / f"check-{secrets.token_hex(8)}"
        await store.run_blocking(path.write_bytes, _PAYLOAD)
        probe = _Probe(store, name, label, path)
        try:
            yield await probe.put()
            yield await probe.looked_at()
            yield await probe.put_again()
        except BaseException:
            if probe.is_left:
                store.background.start(store.delete(name, label))
            raise
        finally:
            await store.run_blocking(path.unlink)
        yield await self._removed(name, label, key)

    async def _removed(self, name: str, label: str, key: str) -> Finding:
        try:
            await self._store.delete(name, label)
        except ForbiddenError:
            self._kept = key
            return Finding(
                "ok",
                f"the key may put and not delete, which is all that a sink needs; {name!r} stays",
                "Remove the object by hand, or let a lifecycle rule do it.",
            )
        return Finding("ok", "deleting works")


class _Probe:
    """One small object that is put with all that a file's put has."""

    def __init__(self, store: Store, name: str, label: str, path: Path) -> None:
        self.is_left = False
        """Whether it is there, or may be: an answer may be all that was lost."""
        self._store = store
        self._name = name
        self._label = label
        self._blob = Blob(path, len(_PAYLOAD), _SHA256, "text/plain", name="check.txt")
        preset = store.preset
        replacing = store.settings.if_present is IfPresent.REPLACE
        self._conditional = bool(preset.create_only) and not replacing

    async def put(self) -> Finding:
        """Create it. That it is there from an earlier check is as good: the put was let in."""
        self.is_left = True
        try:
            answer = await self._send(conditional=self._conditional)
            if not _stored(answer) and not is_taken(answer):
                raise refused(answer, self._label)
        except AnswerLostError:
            raise
        except SinkError:
            self.is_left = False
            raise
        where = f"s3://{self._store.settings.bucket}/{self._name}"
        if is_taken(answer):
            return Finding("ok", f"{where} would be put; it is there from an earlier check")
        return Finding("ok", f"{where} was put")

    async def looked_at(self) -> Finding:
        """Read it back: some stores keep the framing of a transfer as content."""
        content = b""
        try:
            async for piece in self._store.read(self._name, self._label):
                content = (content + piece)[: 2 * len(_PAYLOAD)]
        except ForbiddenError:
            return Finding(
                "warning",
                "the key may put objects, and not look at them",
                "A key that is taken, or an answer that was lost, cannot be compared then and "
                "ends as rejected. Allowing s3:GetObject changes that.",
            )
        if content != _PAYLOAD:
            return Finding(
                "failed",
                "what can be read there is not what was put",
                'If the store adds to the content, set checksum = "none"; else something else '
                "writes in this bucket.",
            )
        return Finding("ok", "reading it back gives the same bytes")

    async def put_again(self) -> Finding:
        """See what becomes of a second put under the condition that nothing is there."""
        answer = await self._send(conditional=True)
        if is_taken(answer):
            if self._store.preset.create_only:
                return Finding("ok", "a put never overwrites: its condition is honoured")
            return Finding(
                "ok",
                "this store honours the condition that nothing is there, and the sink looks first",
                'conditional_writes = "on" spares a request for each file.',
            )
        if not self._conditional:
            return Finding("ok", "the store honours no condition: the sink looks before it puts")
        if not _stored(answer):
            raise refused(answer, f"{self._label} a second time")
        return Finding(
            "warning",
            "the condition that nothing is there is silently ignored",
            'Set conditional_writes = "off": then the sink looks before it puts.',
        )

    async def _send(self, *, conditional: bool) -> Answer:
        store = self._store
        params: Params = properties(store.settings, self._blob, self._name)
        if store.preset.checksum != "none" or store.settings.object_lock:
            params["ChecksumSHA256"] = encoded(_SHA256)
        if conditional:
            params["IfNoneMatch"] = "*"
        return await store.wire.put(self._name, self._blob, params, self._label)


def _stored(answer: Answer) -> bool:
    return answer.status == OK and not answer.code and "ETag" in answer.headers
