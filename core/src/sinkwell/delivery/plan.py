"""Which sinks a file goes to, and under which key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
            source: _way(source, routes, sink_keys, default)
            for source, default in source_keys.items()
        }

    def plan(self, source: str, values: KeyValues) -> tuple[PlannedDelivery, ...]:
        """Plan the deliveries of one file; none where no route takes it."""
        way = self._ways.get(source, ())
        return tuple(
            PlannedDelivery(new_id("d"), sink, template.key(values)) for sink, template in way
        )


def _way(
    source: str,
    routes: Sequence[Route],
    sink_keys: Mapping[str, Template | None],
    default: Template,
) -> tuple[tuple[str, Template], ...]:
    way: dict[str, Template] = {}
    for route in routes:
        if route.takes(source):
            for sink in route.sinks:
                way.setdefault(sink, route.key or sink_keys[sink] or default)
    return tuple(way.items())
