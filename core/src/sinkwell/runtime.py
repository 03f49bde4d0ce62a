"""The one place where everything is wired."""

import asyncio
import math
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
)
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec
import structlog
from litestar import Litestar
from litestar.types import ASGIApp

from sinkwell import notifiers, sources
from sinkwell.bus.alerts import Alerts, Thresholds, Watch
from sinkwell.bus.bus import Bus
from sinkwell.bus.refusals import RefusalTally
from sinkwell.clock import Clock
from sinkwell.control import LEDGER_NAME
from sinkwell.delivery.dispatch import Dispatch
from sinkwell.delivery.plan import Planner
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.delivery.worker import SinkWorker
from sinkwell.intake.admission import Admission
from sinkwell.intake.callback_urls import CallbackUrls
from sinkwell.intake.fetch_worker import FetchRooms, FetchWorker
from sinkwell.intake.keeper import SpoolKeeper
from sinkwell.intake.receive import Intake
from sinkwell.intake.reconcile import Reconciled, reconcile
from sinkwell.intake.rerouting import reroute
from sinkwell.intake.spool import Spool
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.database import Ownership
from sinkwell.ledger.ledger import Ledger
from sinkwell.parts import (
    intake_limits,
    make_fetch_workers,
    notifier_plan,
    open_sources,
    public_url,
    shelves,
    sink_plan,
)
from sinkwell.plugins import Registry, discover
from sinkwell.settings import Settings
from sinkwell.settings.keys import make_planner
from sinkwell.sharing.contents import Contents
from sinkwell.sharing.links import FileLinks, Linker
from sinkwell.sharing.model import Shelves
from sinkwell.threads import Threads
from sinkwell.web.app import create_app, create_offline_app
from sinkwell.web.callback_urls import Minter
from sinkwell.web.downloads import Downloads

P = ParamSpec("P")
T = TypeVar("T")

WORKERS_GRACE = 12.0
_BUS_GRACE = 3.0
_SPOOL_THREADS = 16
_RESTART_AFTER = 1.0
_LONGEST_NOTIFICATION_WAIT = 30 * 86_400.0
"""A later due time was made by a clock that was wrong."""

log = structlog.get_logger()


def installed_plugins() -> Registry:
    """Discover the built-in types and every installed plugin's."""
    return discover(builtins={"sources": sources, "notifiers": notifiers})


@dataclass(frozen=True, slots=True)
class Store:
    """What holds files and facts: enough to look into a data directory without serving."""

    spool: Spool
    admission: Admission
    ledger: Ledger
    planner: Planner
    threads: Threads
    clock: Clock
    retry: RetryPolicy

    async def reconcile(self) -> Reconciled:
        """Bring spool and ledger together, as every start must."""
        await self.ledger.take_over(self.retry.longest_wait)
        await self.ledger.outbox.take_over(_LONGEST_NOTIFICATION_WAIT)
        found = await reconcile(self.spool, self.ledger, self.planner, self.admission, self.threads)
        await reroute(self.spool, self.ledger, self.planner, self.threads)
        return found


@asynccontextmanager
async def opened(settings: Settings, registry: Registry) -> AsyncIterator[Store]:
    """Own a data directory and open what it holds.

    Raises ``LedgerOwnedError`` when another process owns it, ``OSError`` when its disk does not
    work, ``LedgerUnavailableError`` when the ledger cannot be read.
    """
    async with AsyncExitStack() as stack:
        stack.callback(Ownership(settings.data_dir).release)
        clock = Clock()
        spool = Spool(settings.data_dir / "spool")
        stack.callback(spool.close)
        threads = Threads("spool", _SPOOL_THREADS)
        stack.callback(threads.close)
        ledger = Ledger(
            settings.data_dir / LEDGER_NAME,
            spool_id=spool.id,
            clock=clock,
            retention=Retention(settings.spool.retention, settings.spool.failed_retention),
            synchronous=settings.ledger.synchronous,
        )
        stack.push_async_callback(ledger.close)
        yield Store(
            spool=spool,
            admission=Admission(
                spool,
                max_size=settings.spool.max_size,
                reserve=settings.spool.reserve,
                threads=threads,
            ),
            ledger=ledger,
            planner=make_planner(settings, registry),
            threads=threads,
            clock=clock,
            retry=RetryPolicy(settings.retry.attempts, settings.retry.base, settings.retry.cap),
        )


@asynccontextmanager
async def running(settings: Settings, registry: Registry) -> AsyncIterator[Litestar]:
    """Run everything behind the web application, and hand that out to be served.

    When the block ends, running attempts get a grace time, the rest is handed back, and events
    are told to the end of their log. Raises as ``opened`` does.
    """
    async with opened(settings, registry) as store, AsyncExitStack() as stack:
        keeper = SpoolKeeper(store.spool, store.admission, store.ledger, store.threads)
        workers = {
            name: SinkWorker(
                sink_plan(settings, registry, name, stack),
                store.ledger,
                keeper,
                store.retry,
                store.clock,
            )
            for name in settings.sinks
        }
        downloads = _downloads(settings, store, shelves(settings, registry, workers))
        bus = Bus(
            store.ledger,
            store.ledger.outbox,
            [
                notifier_plan(settings, registry, downloads.linker, name)
                for name in settings.notifiers
            ],
            store.clock,
            retention=settings.events.retention,
        )
        store.ledger.call_on_events(bus.feed.wake)
        await bus.open()
        await store.reconcile()

        refusals = RefusalTally(store.ledger.announce)
        thresholds = Thresholds(**msgspec.structs.asdict(settings.alerts))
        alerts = Alerts(
            Watch(thresholds, settings.sources, store.clock.now()),
            bus.feed,
            store.ledger.announce,
            store.admission.room,
            store.clock,
        )
        dispatch = Dispatch(workers)
        origins = open_sources(settings, registry)
        rooms = FetchRooms(
            queue=store.ledger,
            spool=store.spool,
            admission=store.admission,
            threads=store.threads,
            planner=store.planner,
            dispatch=dispatch,
            clock=store.clock,
        )
        fetchers = make_fetch_workers(settings, origins, rooms, store.retry)
        intake = Intake(
            spool=store.spool,
            admission=store.admission,
            limits=intake_limits(settings),
            planner=store.planner,
            journal=store.ledger,
            clock=store.clock,
            threads=store.threads,
            dispatch=dispatch,
            wake_fetcher=lambda source: fetchers[source].wake(),
        )
        app = create_app(
            intake=intake,
            sources=origins,
            ledger=store.ledger,
            admin_token=settings.server.admin_token,
            dispatch=dispatch,
            fetchers=fetchers,
            minter=Minter(
                urls=CallbackUrls.of(settings.data_dir),
                clock=store.clock,
                base=public_url(settings.server),
                sources=settings.sources.keys(),
                sinks=settings.sinks.keys(),
            ),
            downloads=downloads,
            bus=bus,
            refusals=refusals,
            unready=store.admission.trouble,
            version=metadata.version("sinkwell"),
        )
        stack.push_async_callback(bus.finish, _BUS_GRACE)
        stack.push_async_callback(keeper.remove_released)
        stack.push_async_callback(_finish, [*workers.values(), *fetchers.values()])
        for name, run in (
            *bus.parts(),
            ("tally of refusals", refusals.run),
            *([("alerts", alerts.run)] if thresholds.any else []),
            ("spool keeper", keeper.run),
            ("intake", intake.record_late),
            *((f"worker of sink {name}", worker.run) for name, worker in workers.items()),
            *((f"fetcher of source {name}", each.run) for name, each in fetchers.items()),
        ):
            _keep_running(stack, name, run)
        yield app


def _downloads(settings: Settings, store: Store, shelves: Shelves) -> Downloads:
    links = FileLinks.of(settings.data_dir, public_url(settings.server))
    find = store.ledger.find_shared
    return Downloads(
        find=find,
        contents=Contents(store.spool.path, store.threads, shelves),
        links=links,
        linker=Linker(links, find, shelves, store.clock),
        clock=store.clock,
    )


@asynccontextmanager
async def offline_api(data_dir: Path) -> AsyncIterator[ASGIApp]:
    """Serve the API of a ledger that no process runs on, within this process."""
    ownership = Ownership(data_dir)
    try:
        spool = Spool(data_dir / "spool")
        clock = Clock()
        ledger = Ledger(
            data_dir / LEDGER_NAME, spool_id=spool.id, clock=clock, retention=Retention(0, 0)
        )
        bus = Bus(ledger, ledger.outbox, [], clock, retention=math.inf)
        try:
            yield create_offline_app(ledger, bus)
        finally:
            await ledger.close()
            spool.close()
    finally:
        ownership.release()


async def _finish(workers: Iterable[SinkWorker | FetchWorker]) -> None:
    await asyncio.gather(*(worker.finish(WORKERS_GRACE) for worker in workers))


def _keep_running(
    stack: AsyncExitStack, name: str, run: Callable[[], Coroutine[None, None, None]]
) -> None:
    """Run until the stack unwinds; should it ever break, say so and start it again."""

    async def supervise() -> None:
        while True:
            try:
                await run()
            except Exception as error:  # a bug must not end deliveries for good
                log.error(
                    "a part of Sinkwell broke and is started again", part=name, exc_info=error
                )
                await asyncio.sleep(_RESTART_AFTER)
            else:
                return

    task = asyncio.create_task(supervise(), name=name)

    async def cancel() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(cancel)
