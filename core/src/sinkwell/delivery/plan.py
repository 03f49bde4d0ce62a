"""Which sinks a file goes to, and under which key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from fnmatch import fnmatchcase

from sinkwell.delivery.condition import Condition, RoutedFile
from sinkwell.ids import new_id
from sinkwell.naming import Template

_ALWAYS = Condition()


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
    when: Condition = _ALWAYS
    default: bool = False
    """For files that no other route takes."""

    def refusal(self, file: RoutedFile) -> str | None:
        """Say why it does not take a file, or return None when it does; see ``default``, too."""
        source = file.values.source
        if not self.names(source):
            return f'it is for {" and ".join(self.sources)}, not for source "{source}"'
        return self.when.refusal(file)

    def names(self, source: str) -> bool:
        """Tell whether it is for files of this source."""
        return any(fnmatchcase(source, pattern) for pattern in self.sources)


class Origin(Enum):
    """Whose key template it is."""

    ROUTE = auto()
    SINK = auto()
    SOURCE_TYPE = auto()


@dataclass(frozen=True, slots=True)
class Way:
    """That files of a source may go to a sink, and under which key."""

    source: str
    sink: str
    template: Template
    origin: Origin
    route: int
    """Which route it belongs to, counted from 0."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a route says of a file."""

    refusal: str | None
    """Why it does not take it; None when it does."""
    ways: tuple[Way, ...]
    """Where it sends the file: to its sinks, less those that an earlier route sends it to."""


class Planner:
    """Makes deliveries of a file: each sink once, by the first route that takes it there.

    The key is the route's, else the sink's, else the source type's default.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        sink_keys: Mapping[str, Template | None],
        source_keys: Mapping[str, Template],
        parse: Callable[[str], Template] = Template.parse,
    ) -> None:
        """``parse`` compiles the templates of callback URLs."""
        self._routes = routes
        self._sink_keys = sink_keys
        self._source_keys = source_keys
        self._parse = parse
        self._ways = {
            source: [
                _ways(source, index, route, sink_keys, default) if route.names(source) else ()
                for index, route in enumerate(routes)
            ]
            for source, default in source_keys.items()
        }

    @property
    def ways(self) -> tuple[Way, ...]:
        """Return all ways of all sources, but those that no file can take."""
        return tuple(way for ways in self._ways.values() for way in self._open(ways))

    def plan(
        self, file: RoutedFile, overrides: Mapping[str, str] | None = None
    ) -> tuple[PlannedDelivery, ...]:
        """Plan the deliveries of one file; none where no route takes it.

        ``overrides`` are key templates by sink that stand in place of all routes; an empty one
        means the sink's usual key. A sink that is not in the settings any more is left out.
        """
        if overrides is not None:
            named = {sink: text for sink, text in overrides.items() if sink in self._sink_keys}
            return tuple(
                PlannedDelivery(new_id("d"), sink, self._override(sink, text, file))
                for sink, text in named.items()
            )
        return tuple(
            PlannedDelivery(new_id("d"), way.sink, way.template.key(file.values))
            for verdict in self.explain(file)
            for way in verdict.ways
        )

    def _override(self, sink: str, text: str, file: RoutedFile) -> str:
        usual = self._sink_keys[sink] or self._source_keys.get(file.values.source)
        template = usual if usual and not text else self._parse(text or _LAST_RESORT)
        return template.key(file.values)

    def explain(self, file: RoutedFile) -> tuple[Verdict, ...]:
        """Return what each route says of a file, in their order."""
        of_source = self._ways.get(file.values.source)
        if of_source is None:
            return tuple(Verdict(_NO_SOURCE, ()) for _ in self._routes)
        refusals = [route.refusal(file) for route in self._routes]
        if any(
            refusal is None and not route.default
            for route, refusal in zip(self._routes, refusals, strict=True)
        ):
            for index, route in enumerate(self._routes):
                if route.default and refusals[index] is None:
                    refusals[index] = _NOT_NEEDED
        reached: set[str] = set()
        verdicts = []
        for refusal, ways in zip(refusals, of_source, strict=True):
            own = () if refusal else tuple(way for way in ways if way.sink not in reached)
            reached |= {way.sink for way in own}
            verdicts.append(Verdict(refusal, own))
        return tuple(verdicts)

    def _open(self, of_source: Sequence[tuple[Way, ...]]) -> Iterator[Way]:
        """Leave out what an earlier route sends there in any case, or with the same template."""
        certain: set[str] = set()
        seen: set[tuple[str, Template]] = set()
        for route, ways in zip(self._routes, of_source, strict=True):
            for way in ways:
                if way.sink not in certain and (way.sink, way.template) not in seen:
                    seen.add((way.sink, way.template))
                    yield way
            if route.when == _ALWAYS and not route.default:
                certain |= {way.sink for way in ways}


_LAST_RESORT = "{source}/{file_id}.{ext}"
"""The key of a file whose source is not in the settings any more."""
_NO_SOURCE = "its source is not in the settings any more"
_NOT_NEEDED = "it is the default, and another route takes the file"


def _ways(
    source: str,
    index: int,
    route: Route,
    sink_keys: Mapping[str, Template | None],
    default: Template,
) -> tuple[Way, ...]:
    return tuple(
        Way(source, sink, *_template(route.key, sink_keys[sink], default), index)
        for sink in dict.fromkeys(route.sinks)
    )


def _template(
    of_route: Template | None, of_sink: Template | None, default: Template
) -> tuple[Template, Origin]:
    if of_route:
        return of_route, Origin.ROUTE
    return (of_sink, Origin.SINK) if of_sink else (default, Origin.SOURCE_TYPE)
