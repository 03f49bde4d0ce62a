"""From the settings to the keys of files: which templates are in use, and what is wrong."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sinkwell.contract.settings import SinkSettings, SourceSettings
from sinkwell.delivery.plan import Origin, Planner, Way
from sinkwell.delivery.plan import Route as PlannedRoute
from sinkwell.naming import Template, TemplateError
from sinkwell.plugins import Registry
from sinkwell.settings.model import Route, Settings
from sinkwell.settings.places import KeyPath
from sinkwell.settings.problems import Report, key_title

COLLISION_CURE = "write one with {id}, {file_id}, {sha256} or {uuid}"
"""What to do about a template that gives different files one key."""

_HARMLESS = Template.parse("{file_id}")
"""Stands in for a template that cannot be used, so that the others are looked at too."""


def make_planner(settings: Settings, registry: Registry) -> Planner:
    """Compile routes and key templates; without routes every source goes to every sink."""
    zone = find_zone(settings.time_zone)
    return _planner(
        settings.sources,
        settings.sinks,
        settings.routes,
        registry,
        lambda _, text: Template.parse(text, zone),
    )


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone of that name. Raises ``ValueError`` of what is wrong and the cure."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a directory
        zones = {zone.lower(): zone for zone in available_timezones()}
        near = get_close_matches(name.lower(), zones, 1)
        cure = (
            f'did you mean "{zones[near[0]]}"?'
            if near
            else 'write a name of the tz database, such as "Europe/Berlin", or "UTC"'
        )
        raise ValueError(f'there is no time zone "{name}"', cure) from None


def check_time_zone(report: Report, name: str) -> None:
    """Make sure that the time zone is one."""
    try:
        find_zone(name)
    except ValueError as error:
        report.error(("time_zone",), *error.args)


def check_keys(
    report: Report,
    sources: Mapping[str, SourceSettings],
    sinks: Mapping[str, SinkSettings],
    routes: Sequence[Route | None],
    registry: Registry,
) -> None:
    """Make sure that each template can be used, and that none in use gives two files one key."""

    def parse(path: KeyPath, text: str) -> Template:
        try:
            return Template.parse(text)
        except TemplateError as error:
            report.error(path, f"{key_title(path)}: {error}")
            return _HARMLESS

    ways = _planner(sources, sinks, routes, registry, parse).ways
    told = set()
    for way in ways:
        path = _path(way)
        if way.template.can_collide and path not in told:
            told.add(path)
            what = f'{_title(way, sources)}: "{way.template}" gives different files the same key'
            report.error(path, what, COLLISION_CURE)
    _warn_of_shared_keys(report, ways, sources)


def _warn_of_shared_keys(
    report: Report, ways: Iterable[Way], sources: Mapping[str, SourceSettings]
) -> None:
    shared: dict[tuple[str, str], dict[str, Way]] = {}
    for way in ways:
        if not (way.template.tells_sources_apart or way.template.can_collide):
            # These are two names of one variable each.
            text = str(way.template).replace("{token}", "{id}").replace("{format}", "{ext}")
            shared.setdefault((way.sink, text), {}).setdefault(way.source, way)
    for (sink, _), ways_of in shared.items():
        way, *others = ways_of.values()
        if others:
            names = " and ".join(f'"{each.source}"' for each in (way, *others))
            what = (
                f'{_title(way, sources)}: the files of {names} share the sink "{sink}" under '
                f'"{way.template}", and those with equal ids one key'
            )
            report.warn(_path(way), what, f'write one with {{source}}: "{{source}}/{way.template}"')


def _planner(
    sources: Mapping[str, SourceSettings],
    sinks: Mapping[str, SinkSettings],
    routes: Sequence[Route | None],
    registry: Registry,
    parse: Callable[[KeyPath, str], Template],
) -> Planner:
    """Compile what is in order: a route that is None takes nothing, an unknown sink is left out."""

    def parsed(path: KeyPath, text: str | None) -> Template | None:
        return None if text is None else parse(path, text)

    compiled = [
        PlannedRoute(
            route.source,
            tuple(name for name in route.sinks if name in sinks),
            parsed(("routes", index, "key"), route.key),
            route.when,
            route.default,
        )
        if route
        else PlannedRoute((), ())
        for index, route in enumerate(routes)
    ]
    return Planner(
        compiled or [PlannedRoute(("*",), tuple(sinks))],
        {name: parsed(("sinks", name, "key"), sink.key) for name, sink in sinks.items()},
        {
            name: parse(("sources", name, "type"), registry.sources[source.type].type.default_key)
            for name, source in sources.items()
        },
        lambda text: parse((), text),
    )


def _path(way: Way) -> KeyPath:
    """Return where the template is written, or could be."""
    if way.origin is Origin.ROUTE:
        return ("routes", way.route, "key")
    return ("sinks", way.sink, "key")


def _title(way: Way, sources: Mapping[str, SourceSettings]) -> str:
    title = key_title(_path(way))
    if way.origin is Origin.SOURCE_TYPE:
        return f'{title} is that of source type "{sources[way.source].type}"'
    return title
