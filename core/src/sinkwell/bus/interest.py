"""Which events someone wants to be told of. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from sinkwell.contract import Event, Fact
from sinkwell.contract.events import FACTS, FileFailed, FileFinished

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Interest:
    """Patterns for events, in which ``*`` stands for any characters; none of a kind means any."""

    events: Sequence[str] = ()
    source: Sequence[str] = ()
    sink: Sequence[str] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    teller: str | None = None
    """Name of the notifier whose interest it is: it is not told of itself, as what it fails to
    hear would else make something more to be heard."""

    types: frozenset[str] = field(init=False)
    """The event types that match."""

    def __post_init__(self) -> None:
        types = frozenset(FACTS) if not self.events else _matching(self.events)
        object.__setattr__(self, "types", types)

    @property
    def words(self) -> Sequence[str]:
        """Names one of which stands in the data of each event that matches; none where any may."""
        for patterns in (self.source, self.sink):
            if patterns and not any(_WILD.search(pattern) for pattern in patterns):
                return patterns
        return ()

    def wants(self, event: Event) -> bool:
        """Tell whether an event matches."""
        if event.type not in self.types:
            return False
        if self.teller is not None and getattr(event.data, "notifier", None) == self.teller:
            return False
        return (
            (not self.source or _any(_sources(event.data), self.source))
            and (not self.sink or _any(_sinks(event.data), self.sink))
            and (not self.labels or self._has_labels(event.data))
        )

    def _has_labels(self, fact: Fact) -> bool:
        labels: Mapping[str, str] = getattr(fact, "labels", {})
        return all(
            name in labels and fnmatchcase(labels[name], pattern)
            for name, pattern in self.labels.items()
        )


def _matching(patterns: Sequence[str]) -> frozenset[str]:
    return frozenset(name for name in FACTS if _any([name], patterns))


def _any(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _sources(fact: Fact) -> Sequence[str]:
    source = getattr(fact, "source", None)
    return () if source is None else (source,)


def _sinks(fact: Fact) -> Sequence[str]:
    if isinstance(fact, FileFinished | FileFailed):
        return [delivery.sink for delivery in fact.deliveries]
    sink = getattr(fact, "sink", None)
    return getattr(fact, "sinks", ()) if sink is None else (sink,)
