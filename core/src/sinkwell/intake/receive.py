"""One callback: authenticated, spooled, recorded, and only then answered with yes."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import ParamSpec, TypeVar

import msgspec
import structlog

from sinkwell.clock import Clock
from sinkwell.contract import (
    BodyFile,
    Callback,
    FileReference,
    InlineFile,
    LinkedFile,
    Part,
    PartFile,
    Transport,
)
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.plan import Planner
from sinkwell.ids import new_id
from sinkwell.intake.admission import Admission, Room
from sinkwell.intake.bodies import Body
from sinkwell.intake.body import ReceiveChunk, paced
from sinkwell.intake.durable import judged, leased_file, plan_deliveries
from sinkwell.intake.holding import Holding
from sinkwell.intake.incoming import WRITE_AT, IncomingFile
from sinkwell.intake.journal import Acceptance, Journal, Notice, ProviderFailure, Recorded
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.manifest import Link, Manifest
from sinkwell.intake.reading import OpenSource, Reading
from sinkwell.intake.refusals import too_large
from sinkwell.intake.spool import Spool, SpoolWriter
from sinkwell.outage import LedgerUnavailableError
from sinkwell.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

_RECORD_AGAIN = 1.0
_HELD = {Transport.JSON, Transport.BASE64, Transport.FORM_JSON}
"""What is held in memory until it is whole."""

log = structlog.get_logger()


class Intake:
    """Receives callbacks of all sources."""

    def __init__(
        self,
        *,
        spool: Spool,
        admission: Admission,
        limits: IntakeLimits,
        planner: Planner,
        journal: Journal,
        clock: Clock,
        threads: Threads,
        dispatch: Dispatch,
        wake_fetcher: Callable[[str], None],
    ) -> None:
        """``wake_fetcher`` is told of a source whose callback left something to fetch."""
        self._spool = spool
        self._admission = admission
        self._limits = limits
        self._planner = planner
        self._journal = journal
        self._clock = clock
        self._threads = threads
        self._dispatch = dispatch
        self._wake_fetcher = wake_fetcher
        self._holding = Holding(limits.max_held_size)
        self._unrecorded: deque[Acceptance] = deque()

    async def receive(
        self,
        origin: OpenSource,
        headers: dict[str, str],
        receive_chunk: ReceiveChunk,
        overrides: dict[str, str] | None = None,
    ) -> Recorded:
        """Take one callback whole. ``overrides`` are those of its URL, as in ``Planner.plan``.

        When this returns, its files and its record are durable. Raises ``Refusal`` for what is
        not taken and ``ClientGoneError`` when the sender went away; nothing of either is kept.
        """
        async with AsyncExitStack() as stack:
            hold = stack.enter_context(self._holding.of_one())
            reading = Reading(
                origin, headers, self._limits, self._new_writer, self._clock.now(), hold
            )
            body = reading.body
            size = self._declared_size(headers)
            if origin.source.transport in _HELD:
                self._holding.check(size)
            room = await stack.enter_async_context(self._admission.admit(size))
            stack.push_async_callback(self._discard, body.files)
            await self._read(reading, receive_chunk, room)
            callback = reading.understand()
            body.message.body = b""  # its files are held from here on, no longer both
            if not callback.succeeded:
                return await self._journal.record_failure(self._failure(origin, callback))
            if callback.notice:
                return await self._journal.record_notice(self._notice(origin, callback))
            return await self._accept(origin, callback, body, room, overrides)

    async def record_late(self) -> None:
        """Record, until cancelled, what the ledger could not take when it came.

        Its files would otherwise lie in the spool until the next start, and each time the sender
        tries again one more. Just removing them would not be safe: a commit whose sync failed may
        be found to stand after a crash. Once the callback is recorded, or found to be a repeat of
        its sender's next try, that cannot be any more.
        """
        while True:
            await asyncio.sleep(_RECORD_AGAIN)
            try:
                while self._unrecorded:
                    await self._record(self._unrecorded[0])
                    self._unrecorded.popleft()
            except LedgerUnavailableError:
                # Should one never be recordable, it holds up no other.
                self._unrecorded.rotate(-1)

    def _new_writer(self) -> SpoolWriter:
        return SpoolWriter(self._spool, new_id("f"))

    def _declared_size(self, headers: dict[str, str]) -> int:
        size = int(headers.get("content-length", "0"))
        if size > self._limits.max_body_size:
            raise too_large(f"{size} bytes are announced; {self._limits.max_file_size} are taken")
        return size

    async def _read(self, reading: Reading, receive_chunk: ReceiveChunk, room: Room) -> None:
        body = reading.body
        reading.begin()
        async for chunk in paced(receive_chunk, self._limits):
            reading.feed(chunk)
            if body.current is not None and body.current.pending_size >= WRITE_AT:
                self._admission.write(room, body.current.pending_size)
                await self._on_disk(body.current.writer.write, body.current.drain())
        reading.end()

    async def _accept(
        self,
        origin: OpenSource,
        callback: Callback,
        body: Body,
        room: Room,
        overrides: dict[str, str] | None,
    ) -> Recorded:
        callback_id = new_id("c")
        received_at = self._clock.now()
        files = []
        brought = [(reference, self._incoming(reference, body)) for reference in callback.files]
        # All before any is finished: what is finished stays.
        self._admission.write(room, sum(incoming.pending_size for _, incoming in brought))
        drafts = []
        for number, (reference, incoming) in enumerate(brought, 1):
            draft = _draft(origin, callback, callback_id, received_at, reference, incoming)
            draft = msgspec.structs.replace(draft, overrides=overrides)
            if number > 1:  # each has an id of its own, as keys are made of them
                provider_id = f"{callback.provider_id}-{number}"
                draft = msgspec.structs.replace(draft, provider_id=provider_id)
            drafts.append((draft, incoming))
        for draft, incoming in drafts:
            manifest = await self._on_disk(incoming.writer.finish, incoming.drain(), draft)
            self._admission.keep(room, manifest.size)
            files.append((manifest, plan_deliveries(self._planner, manifest)))
        acceptance = Acceptance(
            callback_id=callback_id,
            source=origin.name,
            provider_id=callback.provider_id,
            provider_status=callback.provider_status,
            deduplication_key=callback.deduplication_key,
            received_at=received_at,
            files=tuple(files),
        )
        # From here on the files stay whatever happens: if the ledger's answer is lost, the next
        # start finds out which of them it knows. Removing one that it knows would lose it.
        try:
            return await self._record(acceptance)
        except LedgerUnavailableError:
            self._unrecorded.append(acceptance)
            raise

    async def _record(self, acceptance: Acceptance) -> Recorded:
        """Record a callback and hand its files to the workers; the files of a repeat go."""
        files = ((leased_file(manifest), planned) for manifest, planned in acceptance.files)
        with self._dispatch.hand_over(files) as over:
            recorded = await self._journal.record_acceptance(
                replace(acceptance, leases=over.leases)
            )
            if not recorded.duplicate:
                over.begin()
        if any(manifest.link for manifest, _ in acceptance.files):
            self._wake_fetcher(acceptance.source)
        # A commit that failed may stand all the same: then it is found to repeat itself.
        if recorded.duplicate and recorded.callback_id != acceptance.callback_id:
            for manifest, _ in acceptance.files:
                self._spool.release(manifest.file_id)
                self._admission.used -= manifest.size
        return recorded

    def _incoming(self, reference: FileReference, body: Body) -> IncomingFile:
        """Return the file that a reference means, as far as it has come with the message."""
        match reference:
            case PartFile(part=part):
                return body.files[body.message.parts.index(part)]
            case BodyFile():
                return body.files[0]
            case InlineFile(content=content):
                incoming = self._begun(reference.name, body)
                incoming.take(content)
                return incoming
            case LinkedFile():
                return self._begun(reference.name, body)

    def _begun(self, name: str | None, body: Body) -> IncomingFile:
        incoming = IncomingFile(Part("", name, None, 0), self._new_writer())
        body.files.append(incoming)  # where it is discarded, should something fail
        return incoming

    def _failure(self, origin: OpenSource, callback: Callback) -> ProviderFailure:
        return ProviderFailure(
            callback_id=new_id("c"),
            source=origin.name,
            provider_id=callback.provider_id,
            provider_status=callback.provider_status,
            deduplication_key=callback.deduplication_key,
            received_at=self._clock.now(),
        )

    def _notice(self, origin: OpenSource, callback: Callback) -> Notice:
        return Notice(
            callback_id=new_id("c"),
            source=origin.name,
            provider_id=callback.provider_id,
            provider_status=callback.provider_status,
            deduplication_key=callback.deduplication_key,
            received_at=self._clock.now(),
            labels=callback.labels,
            finished_batch=callback.finished_batch,
        )

    async def _on_disk(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._threads.run(function, *args, **kwargs)
        except OSError as error:
            raise self._admission.report(error) from error

    async def _discard(self, files: list[IncomingFile]) -> None:
        for file in files:
            if file.writer.begun:
                await self._on_disk(file.writer.discard)


def _draft(
    origin: OpenSource,
    callback: Callback,
    callback_id: str,
    received_at: float,
    reference: FileReference,
    incoming: IncomingFile,
) -> Manifest:
    link = None
    if isinstance(reference, LinkedFile):
        link = Link(url=reference.url, expires_at=reference.expires_at)
    draft = Manifest(
        file_id=incoming.writer.file_id,
        callback_id=callback_id,
        source=origin.name,
        provider_id=callback.provider_id,
        deduplication_key=callback.deduplication_key,
        provider_status=callback.provider_status,
        received_at=received_at,
        size=0,
        sha256="",
        media_type=reference.media_type,
        extension=reference.extension,
        name=reference.name if isinstance(reference, BodyFile) else incoming.part.filename,
        labels=dict(callback.labels),
        link=link,
    )
    return draft if link else judged(draft, incoming.content, origin.on_mismatch)
