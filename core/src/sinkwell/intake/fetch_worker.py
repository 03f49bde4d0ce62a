"""Fetching as a durable step: claims what is due, fetches it into the spool, settles it.

Every source has a worker of its own, so a provider whose links hang delays no other. The spool
holds a reference under the file's id from the start; the bytes take its place by one rename. So
whoever finds them there after a crash only has to record them.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import msgspec
import structlog

from sinkwell.calls import to_its_end, within
from sinkwell.clock import Clock
from sinkwell.contract import OnMismatch, Part, RejectedError, TransientError
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.model import Attempt, Outcome
from sinkwell.delivery.plan import Planner
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.intake.admission import Admission, Room
from sinkwell.intake.durable import judged, leased_file, plan_deliveries
from sinkwell.intake.fetcher import Answer, Fetcher
from sinkwell.intake.fetching import Fetched, FetchLease, FetchQueue, Unfetched, unfetched
from sinkwell.intake.incoming import WRITE_AT, IncomingFile
from sinkwell.intake.manifest import DamagedFileError, Manifest, read_manifest
from sinkwell.intake.refusals import Refusal
from sinkwell.intake.sniff import kind_of_extension, kind_of_media_type
from sinkwell.intake.spool import Spool, SpoolWriter
from sinkwell.outage import LedgerUnavailableError
from sinkwell.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

_LEASE_MARGIN = 30.0
_LEDGER_RETRY = 1.0
_LONGEST_SLEEP = 60.0
_LETTING_GO = 2.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """What a worker must know of its source's fetches."""

    source: str
    concurrency: int
    timeout: float
    policy: RetryPolicy
    on_mismatch: OnMismatch


@dataclass(frozen=True, slots=True)
class FetchRooms:
    """Where files go, once they have come: what all fetch workers share."""

    queue: FetchQueue
    spool: Spool
    admission: Admission
    threads: Threads
    planner: Planner
    dispatch: Dispatch
    clock: Clock


class FetchWorker:
    """Fetches the files of one source until it is stopped."""

    def __init__(self, plan: FetchPlan, fetcher: Fetcher, rooms: FetchRooms) -> None:
        self._plan = plan
        self._fetcher = fetcher
        self._rooms = rooms
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._running: dict[str, asyncio.Task[None]] = {}
        """By file id: a file is never fetched twice at once, whatever became of its lease."""
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for due fetches now."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled; ``finish`` then ends what is under way."""
        while True:
            try:
                self._wake.clear()
                next_due = await to_its_end(self._claim())
            except LedgerUnavailableError as error:
                log.warning(
                    "the ledger is away; fetches wait", source=self._plan.source, error=str(error)
                )
                await asyncio.sleep(_LEDGER_RETRY)
                continue
            await self._sleep(next_due)

    async def finish(self, grace: float) -> None:
        """Give running fetches ``grace`` seconds, hand back what is left, end connections."""
        await self._await_tasks(grace)
        for task in self._running.values():
            task.cancel()
        await self._await_tasks(_LETTING_GO)
        await self._fetcher.close()

    async def _await_tasks(self, longest: float) -> None:
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=longest)

    async def _claim(self) -> float | None:
        """Begin what is due; return when more is, None when a running one must end first."""
        free = self._plan.concurrency - len(self._running)
        if free <= 0:
            return None
        claims = await self._rooms.queue.claim_fetches(
            self._plan.source, limit=free, lease_for=self._plan.timeout + _LEASE_MARGIN
        )
        for lease in claims.leases:
            if lease.file_id in self._running:
                await self._rooms.queue.hand_back_fetch(lease)
                continue
            task = asyncio.create_task(self._work(lease))
            self._running[lease.file_id] = task
            task.add_done_callback(self._ended)
        return claims.next_due

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running = {name: each for name, each in self._running.items() if each is not task}
        self._wake.set()
        if not task.cancelled() and (error := task.exception()):
            log.error("a fetch broke; its lease runs out", source=self._plan.source, exc_info=error)

    async def _sleep(self, next_due: float | None) -> None:
        wait = _LONGEST_SLEEP
        if next_due is not None:
            wait = min(wait, max(0.0, next_due - self._rooms.clock.now()))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _work(self, lease: FetchLease) -> None:
        try:
            settle = await self._attempt(lease)
        except asyncio.CancelledError:
            await self._rooms.queue.hand_back_fetch(lease)
            raise
        await self._persistently(settle)

    async def _attempt(self, lease: FetchLease) -> Callable[[], Awaitable[None]]:
        """Fetch a file and return how to settle that."""
        started_at = self._rooms.clock.now()
        path = self._rooms.spool.path(lease.file_id)
        try:
            reference = await self._rooms.threads.run(read_manifest, path)
        except (DamagedFileError, OSError) as error:
            reason = f"the spool's reference to it is damaged: {error}"
            return lambda: self._rooms.queue.lose_file(lease.file_id, reason)
        if reference.link is None:
            return lambda: self._record(lease, reference, started_at)
        try:
            manifest = await within(self._plan.timeout, self._fetch(lease, reference))
        except (Refusal, TransientError, RejectedError) as error:
            failure = self._failure(lease, reference, started_at, error)
            return lambda: self._record_failure(failure)
        return lambda: self._record(lease, manifest, started_at)

    async def _fetch(self, lease: FetchLease, reference: Manifest) -> Manifest:
        """Put the bytes in place of the reference and return their manifest."""
        if lease.interrupted and lease.attempts >= self._plan.policy.attempts:
            raise TransientError("the process ended in the middle of the last attempt")
        async with (
            self._fetcher.get(lease.url) as answer,
            self._rooms.admission.admit(answer.size or 0) as room,
        ):
            writer = SpoolWriter(self._rooms.spool, lease.file_id)
            part = Part("", reference.name or answer.name, answer.media_type, 0)
            incoming = IncomingFile(part, writer)
            try:
                await self._write(answer, incoming, room)
                draft = completed(reference, incoming, answer, self._plan.on_mismatch)
                manifest = await self._on_disk(writer.finish, incoming.drain(), draft)
            finally:
                if writer.begun:
                    await self._on_disk(writer.discard)
            self._rooms.admission.keep(room, manifest.size)
        return manifest

    async def _write(self, answer: Answer, incoming: IncomingFile, room: Room) -> None:
        async for chunk in answer.chunks:
            incoming.take(chunk)
            if incoming.pending_size >= WRITE_AT:
                self._rooms.admission.write(room, incoming.pending_size)
                await self._on_disk(incoming.writer.write, incoming.drain())
        if not incoming.size:
            raise TransientError(f"{answer.url.host} sent no bytes")
        self._rooms.admission.write(room, incoming.pending_size)

    async def _on_disk(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._rooms.threads.run(function, *args, **kwargs)
        except OSError as error:
            raise self._rooms.admission.report(error) from error

    async def _record(self, lease: FetchLease, manifest: Manifest, started_at: float) -> None:
        planned = plan_deliveries(self._rooms.planner, manifest)
        ended_at = self._rooms.clock.now()
        attempt = Attempt(started_at, ended_at, Outcome.STORED, None, manifest.size)
        with self._rooms.dispatch.hand_over([(leased_file(manifest), planned)]) as over:
            done = Fetched(lease, manifest, planned, attempt, over.leases)
            if await self._rooms.queue.record_fetched(done):
                over.begin()

    async def _record_failure(self, failure: Unfetched) -> None:
        await self._rooms.queue.record_unfetched(failure)
        log.warning(
            "a file could not be fetched",
            source=self._plan.source,
            file=failure.lease.file_id,
            error=failure.attempt.error,
            again=failure.due_at is not None,
        )

    def _failure(
        self, lease: FetchLease, reference: Manifest, started_at: float, error: Exception
    ) -> Unfetched:
        return unfetched(
            lease,
            error,
            provider_id=reference.provider_id,
            started_at=started_at,
            now=self._rooms.clock.now(),
            policy=self._plan.policy,
            rng=self._rng,
        )

    async def _persistently(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Write an outcome, however long the ledger is away: the lease decides if it counts."""
        while True:
            try:
                await settle()
            except LedgerUnavailableError as error:
                log.warning(
                    "the ledger is away; an outcome waits",
                    source=self._plan.source,
                    error=str(error),
                )
                await asyncio.sleep(_LEDGER_RETRY)
            else:
                return


def completed(
    reference: Manifest, incoming: IncomingFile, answer: Answer, policy: OnMismatch
) -> Manifest:
    """Return what is to be written with the bytes.

    What was claimed is the callback's word, else the answer's, else the end of the address.
    """
    media_type = reference.media_type or answer.media_type
    named = kind_of_media_type(media_type)
    extension = reference.extension or (named.extension if named else answer.url.suffix[1:])
    if not media_type and (known := kind_of_extension(extension)):
        media_type = known.media_type
    claimed = msgspec.structs.replace(
        reference,
        media_type=media_type,
        extension=extension,
        name=incoming.part.filename,
        link=None,
    )
    return judged(claimed, incoming.content, policy)
