"""From the settings to the parts that they configure: sources, sinks, fetchers, notifiers."""

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, ParamSpec, TypeVar

from sinkwell.bus.bus import ConfiguredNotifier
from sinkwell.bus.decide import Terms
from sinkwell.bus.interest import Interest
from sinkwell.bus.worker import NotifierPlan
from sinkwell.contract import (
    Capability,
    FetchSettings,
    Finding,
    NotifierContext,
    Sink,
    SinkContext,
    Source,
    SourceContext,
    UnusableError,
)
from sinkwell.delivery.schedule import ListedWaits, RetryPolicy
from sinkwell.delivery.worker import SinkPlan, SinkWorker
from sinkwell.directories import make_directory
from sinkwell.intake.fetch_worker import FetchPlan, FetchRooms, FetchWorker
from sinkwell.intake.fetcher import Fetcher, fetch_limits
from sinkwell.intake.guard import FetchRules
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.reading import OpenSource
from sinkwell.notifiers.webhook_settings import WebhookSettings
from sinkwell.plugins import Registry
from sinkwell.settings import ServerSettings, Settings
from sinkwell.sharing.links import Linker
from sinkwell.sharing.model import Shelf

P = ParamSpec("P")
T = TypeVar("T")

Examine = Callable[[Any, SinkContext], Awaitable[Sequence[Finding]]]
"""The ``examine`` of a sink type."""


def sink_plan(settings: Settings, registry: Registry, name: str, stack: AsyncExitStack) -> SinkPlan:
    """Return how to open and use a configured sink; its threads end with the stack."""
    section = settings.sinks[name]
    context = _sink_context(settings, name, stack)

    async def open_sink() -> Sink:
        await _make_sink_directory(context)
        return await registry.sinks[section.type].type.open(section, context)

    return SinkPlan(
        name=name,
        open=open_sink,
        if_present=section.if_present,
        concurrency=section.concurrency,
        timeout=section.timeout,
    )


async def examine_sink(settings: Settings, name: str, examine: Examine) -> Sequence[Finding]:
    """Look at how the far side of a sink is set up, as its type does. Raises ``SinkError``."""
    async with AsyncExitStack() as stack:
        context = _sink_context(settings, name, stack)
        await _make_sink_directory(context)
        return await examine(settings.sinks[name], context)


def _sink_context(settings: Settings, name: str, stack: AsyncExitStack) -> SinkContext:
    executor = ThreadPoolExecutor(
        settings.sinks[name].concurrency, thread_name_prefix=f"sink-{name}"
    )
    stack.callback(executor.shutdown, wait=False, cancel_futures=True)

    def run_blocking(
        function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(executor, partial(function, *args, **kwargs))

    return SinkContext(name, run_blocking, settings.data_dir / "sinks" / name)


async def _make_sink_directory(context: SinkContext) -> None:
    try:
        await context.run_blocking(make_directory, context.directory)
    except OSError as error:
        raise UnusableError(
            f"sink {context.name!r}: its directory {context.directory} cannot be made: "
            f"{error.strerror}. Make room there, or name another data_dir."
        ) from error


def open_sources(settings: Settings, registry: Registry) -> dict[str, OpenSource]:
    """Open all sources."""
    return {
        name: OpenSource(
            name,
            registry.sources[section.type].type.open(section, SourceContext(name=name)),
            section.on_mismatch,
        )
        for name, section in settings.sources.items()
    }


def make_fetch_workers(
    settings: Settings, origins: Mapping[str, OpenSource], rooms: FetchRooms, retry: RetryPolicy
) -> dict[str, FetchWorker]:
    """Return a fetch worker for each source."""
    return {
        name: FetchWorker(
            FetchPlan(
                name,
                section.fetch.concurrency,
                section.fetch.timeout,
                retry,
                section.on_mismatch,
            ),
            make_fetcher(section.fetch, origins[name], intake_limits(settings)),
            rooms,
        )
        for name, section in settings.sources.items()
    }


def make_fetcher(settings: FetchSettings, origin: OpenSource, limits: IntakeLimits) -> Fetcher:
    """Return what fetches the files of one source, as its settings allow."""
    headers = {
        host: {name: value.reveal() for name, value in each.items()}
        for host, each in settings.headers.items()
    }
    rules = fetch_rules(settings, origin.source)
    limits = fetch_limits(limits, settings.timeout)
    return Fetcher(rules, headers, limits, ca_bundle=settings.ca_bundle)


def fetch_rules(settings: FetchSettings, source: Source) -> FetchRules:
    """Return where files of a source may be fetched from: the provider's own hosts by default."""
    hosts = source.fetch_hosts if settings.allow_hosts is None else settings.allow_hosts
    return FetchRules.of(hosts, settings.allow_networks)


def public_url(server: ServerSettings) -> str:
    """Return scheme, host and port by which providers reach this Sinkwell, as far as known."""
    if server.public_url is not None:
        return server.public_url.rstrip("/")
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def shelves(
    settings: Settings, registry: Registry, workers: Mapping[str, SinkWorker]
) -> dict[str, Shelf]:
    """Return the configured sinks as those that files may be had from."""
    return {
        name: Shelf(
            reads=Capability.READ in registry.sinks[section.type].type.capabilities,
            presigns=Capability.PRESIGN in registry.sinks[section.type].type.capabilities,
            opened=partial(_opened, workers[name]),
        )
        for name, section in settings.sinks.items()
    }


def _opened(worker: SinkWorker) -> Sink | None:
    return worker.health.opened


def notifier_plan(
    settings: Settings, registry: Registry, linker: Linker, name: str
) -> ConfiguredNotifier:
    """Return how to open and use a configured notifier."""
    section = settings.notifiers[name]
    notifier_type = registry.notifiers[section.type].type
    plan = NotifierPlan(
        name=name,
        open=partial(notifier_type.open, section, NotifierContext(name=name)),
        concurrency=section.concurrency,
        timeout=section.timeout,
        terms=Terms(ListedWaits(section.schedule), section.disable_after),
        ordered=section.ordered,
        batch=section.batch,
        prepare=None
        if section.links == "none"
        else partial(linker.linked, via=section.links, life=section.link_expires),
    )
    interest = Interest(section.events, section.source, section.sink, section.labels, teller=name)
    keys = section.public_keys if isinstance(section, WebhookSettings) else ()
    return ConfiguredNotifier(plan, section.type, interest, notifier_type.recorded, keys)


def intake_limits(settings: Settings) -> IntakeLimits:
    """Return the limits of bodies and connections."""
    given = settings.intake
    return IntakeLimits(**{name: getattr(given, name) for name in given.__struct_fields__})
