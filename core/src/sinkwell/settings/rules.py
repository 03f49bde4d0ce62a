"""What must hold between sections, where each of them is fine by itself."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from sinkwell.contract import Capability
from sinkwell.contract.events import FACTS
from sinkwell.contract.settings import NotifierSettings, SinkSettings, SourceSettings
from sinkwell.contract.sink import AnySinkType
from sinkwell.delivery.condition import Condition
from sinkwell.plugins import Registry
from sinkwell.settings.model import LedgerSettings, Route, ServerSettings
from sinkwell.settings.places import KeyPath
from sinkwell.settings.problems import Report, key_title, section_title, suggestion


def check_exposure(report: Report, server: ServerSettings) -> None:
    """No open admin: who listens for more than this machine has a token."""
    if server.admin_token is None and not _is_loopback(server.host):
        report.error(
            ("server", "host"),
            "host in [server] can be reached from other machines, and there is no admin_token",
            'set [server] admin_token = "env:SINKWELL_ADMIN_TOKEN", or bind to 127.0.0.1',
        )


def check_durability(report: Report, ledger: LedgerSettings) -> None:
    """Warn of a ledger that may forget what was answered."""
    if ledger.synchronous == "normal":
        report.warn(
            ("ledger", "synchronous"),
            "the ledger is not durable: a power cut loses callbacks that were answered",
            'remove the line, or write synchronous = "full"',
        )


def check_doubts(report: Report, sources: Mapping[str, SourceSettings]) -> None:
    """Warn of what a source type itself finds doubtful."""
    for name, section in sources.items():
        for doubt in section.doubts():
            report.warn(("sources", name), f"{section_title(('sources', name))}: {doubt}")


def check_routes(
    report: Report, routes: Sequence[Route | None], sources: Iterable[str], sinks: Iterable[str]
) -> None:
    """Every name in a route is there, and every source is in a route if there are any."""
    for index, route in enumerate(routes):
        if route is not None:
            path = ("routes", index)
            _check_names(report, (*path, "source"), route.source, sources, "source")
            for name in route.sinks:
                if name not in sinks:
                    _unknown(report, (*path, "sinks"), name, sinks, "sink")
    if not routes or None in routes:
        return
    for source in sources:
        own = [route for route in routes if route is not None and _names(route, source)]
        if not own:
            what = f'no route takes the files of source "{source}": they are kept, not delivered'
            report.warn(("sources", source), what, "name it in a route")
        elif all(route.when != Condition() for route in own):
            what = f'files of source "{source}" that match no "when" are kept, not delivered'
            report.warn(("sources", source), what, "add a route for it with default = true")


def _names(route: Route, source: str) -> bool:
    return any(fnmatchcase(source, pattern) for pattern in route.source)


def check_events(
    report: Report,
    notifiers: Mapping[str, NotifierSettings],
    sources: Iterable[str],
    sinks: Iterable[str],
) -> None:
    """Every event type, source and sink that a notifier waits for exists."""
    for name, notifier in notifiers.items():
        path = ("notifiers", name)
        _check_names(report, (*path, "events"), notifier.events, FACTS, "event type")
        _check_names(report, (*path, "source"), notifier.source, sources, "source")
        _check_names(report, (*path, "sink"), notifier.sink, sinks, "sink")


def check_batches(
    report: Report, notifiers: Mapping[str, NotifierSettings], registry: Registry
) -> None:
    """Only notifiers of a type that can tell several events in one call are given batches."""
    for name, notifier in notifiers.items():
        if notifier.batch is not None and not registry.notifiers[notifier.type].type.batches:
            what = f'notifier type "{notifier.type}" tells events one by one'
            report.error(("notifiers", name, "batch"), what, "remove batch")


def check_links(
    report: Report,
    server: ServerSettings,
    notifiers: Mapping[str, NotifierSettings],
    sinks: Mapping[str, SinkSettings],
    registry: Registry,
) -> None:
    """Give links only to notifiers that can take them, and where some can be made."""
    signers = {name for name, each in registry.sinks.items() if _presigns(each.type)}
    for name, notifier in notifiers.items():
        path = ("notifiers", name, "links")
        if notifier.links == "none":
            continue
        if not registry.notifiers[notifier.type].type.recorded:
            what = f'notifier type "{notifier.type}" is given no links'
            report.error(path, what, "remove links")
        elif notifier.links == "sinkwell" and server.public_url is None:
            what = f"{key_title(path)}: the address is not known by which others reach Sinkwell"
            report.error(path, what, 'set [server] public_url = "https://hooks.example.com"')
        elif notifier.links == "sink" and not any(s.type in signers for s in sinks.values()):
            what = f"{key_title(path)}: no sink is configured that can sign links"
            known = ", ".join(sorted(signers)) or "none is installed"
            report.error(path, what, f'write links = "sinkwell"; sink types that can: {known}')


def _presigns(kind: AnySinkType) -> bool:
    return Capability.PRESIGN in kind.capabilities


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_names(
    report: Report, path: KeyPath, patterns: Iterable[str], known: Iterable[str], noun: str
) -> None:
    for pattern in patterns:
        if pattern != "*" and not any(fnmatchcase(name, pattern) for name in known):
            _unknown(report, path, pattern, known, noun)


def _unknown(report: Report, path: KeyPath, name: str, known: Iterable[str], noun: str) -> None:
    what = f'{key_title(path)}: there is no {noun} "{name}"'
    report.error(path, what, suggestion(name, known, f"{noun}s"))
