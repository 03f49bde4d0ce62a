"""Which sinks a file goes to, and under which key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase

from sinkwell.ids import new_id
from sinkwell.naming import KeyValues, Template


@dataclass(frozen=True, slots=True)
class PlannedDelivery:
    """One file to one sink."""

    id: str
    sink: str
    key: str


@dataclass(frozen=True, slots=True)
class Route:
    """Files of the sources that match go to the sinks, under the key where it has one."""

    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    key: Template | None = None

    def takes(self, source: str) -> bool:
        """Tell whether files of this source go this way."""
        return any(fnmatchcase(source, pattern) for pattern in self.sources)


class Origin(Enum):
    """Whose key template it is."""

    ROUTE = auto()
    SINK = auto()
    SOURCE_TYPE = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """That files of a source go to a sink, and under which key."""

    source: str
    sink: str
    template: Template
    origin: Origin
    route: int
    """Which route names the sink first, counted from 0."""


class Planner:
    """Makes deliveries of a file: each sink once, by the first route that names it.

    The key is the route's, else the sink's, else the source type's default.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        sink_keys: Mapping[str, Template | None],
        source_keys: Mapping[str, Template],
    ) -> None:
        self._ways = {
            source: _ways(source, routes, sink_keys, default)
            for source, default in source_keys.items()
        }

    @property
    def ways(self) -> tuple[Way, ...]:
        """Return all ways of all sources."""
        return tuple(way for ways in self._ways.values() for way in ways)

    def plan(self, source: str, values: KeyValues) -> tuple[PlannedDelivery, ...]:
        """Plan the deliveries of one file; none where no route takes it."""
        return tuple(
            PlannedDelivery(new_id("d"), way.sink, way.template.key(values))
            for way in self._ways.get(source, ())
        )


def _ways(
    source: str,
    routes: Sequence[Route],
    sink_keys: Mapping[str, Template | None],
    default: Template,
) -> tuple[Way, ...]:
    found: dict[str, Way] = {}
    for index, route in enumerate(routes):
        if route.takes(source):
            for sink in route.sinks:
                if sink not in found:
                    template, origin = _template(route.key, sink_keys[sink], default)
                    found[sink] = Way(source, sink, template, origin, index)
    return tuple(found.values())


def _template(
    of_route: Template | None, of_sink: Template | None, default: Template
) -> tuple[Template, Origin]:
    if of_route:
        return of_route, Origin.ROUTE
    return (of_sink, Origin.SINK) if of_sink else (default, Origin.SOURCE_TYPE)
