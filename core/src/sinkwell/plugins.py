"""Discovery of plugins, one at a time: a broken stranger is a line in ``sinkwell check``.

Each plugin gets a pluggy manager of its own. So what one plugin does (a wrong hook, an exception,
a hook wrapper) cannot reach another, and refusing a plugin is dropping its manager.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from importlib import metadata
from importlib.metadata import EntryPoint
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import pluggy

from sinkwell.contract import hooks
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.contract.sink import AnySinkType
from sinkwell.contract.source import AnySourceType
from sinkwell.vetting import KINDS, Kind, RefusedError, strangers_code, vet

T = TypeVar("T")
TypeT = TypeVar("TypeT", AnySourceType, AnySinkType, AnyNotifierType)

_CORE = "sinkwell"


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """Something that is wrong with one plugin, and what to do about it."""

    plugin: str
    """Name of its entry point; of a built-in, the name that it was given."""
    distribution: str
    """Name and version of the installed package that it belongs to."""
    what: str
    advice: str

    def __str__(self) -> str:
        return f"plugin {self.plugin} of {self.distribution}: {self.what}: {self.advice}"


@dataclass(frozen=True, slots=True)
class Registered(Generic[TypeT]):
    """A type that can be used in the settings, and where it comes from."""

    type: TypeT
    distribution: str
    version: str
    plugin: str


@dataclass(frozen=True, slots=True)
class Registry:
    """All types by the name that users write, and all that is wrong with plugins."""

    sources: Mapping[str, Registered[AnySourceType]]
    sinks: Mapping[str, Registered[AnySinkType]]
    notifiers: Mapping[str, Registered[AnyNotifierType]]
    problems: tuple[PluginProblem, ...] = ()
    clashes: Mapping[tuple[str, str], PluginProblem] = field(default_factory=dict)
    """The names that none has because several plugins claim them, as ``("sink", "s3")``; each of
    these problems is among ``problems`` too."""


def discover(
    entry_points: Iterable[EntryPoint] | None = None,
    builtins: Mapping[str, object] = MappingProxyType({}),
) -> Registry:
    """Load every plugin and return the types that can be used.

    ``entry_points`` are those of the group ``sinkwell`` in the environment unless given;
    ``builtins`` are the core's own plugins by name. Whatever a plugin does wrong, and be it
    ``SystemExit`` at import, becomes a problem of the registry; only ``KeyboardInterrupt`` ends
    the discovery.
    """
    found = _Discovery()
    version = metadata.version(_CORE)
    for name in builtins:
        found.add(_Origin(name, _CORE, version), partial(builtins.__getitem__, name))
    for entry_point in found.installed() if entry_points is None else entry_points:
        found.add(_origin(entry_point), entry_point.load)
    return found.registry()


@dataclass(frozen=True, slots=True)
class _Origin:
    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class _Discovery:
    """What was found so far."""

    def __init__(self) -> None:
        self._claims: dict[tuple[str, str], list[Registered[Any]]] = {}
        self._problems: list[PluginProblem] = []

    def installed(self) -> Iterator[EntryPoint]:
        """Yield the entry points of every distribution once, also when one of them is damaged.

        ``metadata.entry_points()`` would raise as soon as one file anywhere cannot be parsed.
        """
        seen = set()
        for distribution in metadata.distributions():
            try:
                entry_points = distribution.entry_points.select(group=hooks.NAMESPACE)
            except (TypeError, ValueError, KeyError):
                origin = _Origin("?", distribution.name or "?", distribution.version or "?")
                what = "its list of entry points is damaged, so its plugins stay unknown"
                self._report(origin, what, "install it again")
                continue
            if entry_points and distribution.name not in seen:
                seen.add(distribution.name)
                yield from entry_points

    def add(self, origin: _Origin, load: Callable[[], object]) -> None:
        """Load one plugin and note the types that it claims."""
        manager = self._tried(origin, partial(_admit, load, origin))
        if manager is None:
            return
        for kind in KINDS:
            for offered in self._tried(origin, partial(_returned_types, manager, kind)) or ():
                if self._tried(origin, partial(vet, kind, offered)):
                    claim = Registered(offered, origin.distribution, origin.version, origin.plugin)
                    self._claims.setdefault((kind.noun, offered.name), []).append(claim)

    def registry(self) -> Registry:
        """Sort what was claimed: a name belongs to its only claimant, or to nobody."""
        clashes = {
            (noun, name): _clash(noun, name, claims)
            for (noun, name), claims in self._claims.items()
            if len(claims) > 1
        }
        types: dict[str, dict[str, Registered[Any]]] = {kind.noun: {} for kind in KINDS}
        for (noun, name), claims in sorted(self._claims.items()):
            if len(claims) == 1:
                types[noun][name] = claims[0]
        return Registry(
            sources=types["source"],
            sinks=types["sink"],
            notifiers=types["notifier"],
            problems=(*self._problems, *clashes.values()),
            clashes=clashes,
        )

    def _tried(self, origin: _Origin, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except RefusedError as refused:
            self._report(origin, str(refused), refused.advice or _tell_authors(origin))
            return None

    def _report(self, origin: _Origin, what: str, advice: str) -> None:
        self._problems.append(PluginProblem(origin.plugin, str(origin), what, advice))


def _origin(entry_point: EntryPoint) -> _Origin:
    distribution = entry_point.dist
    if distribution is None:
        return _Origin(entry_point.name, "?", "?")
    return _Origin(entry_point.name, distribution.name or "?", distribution.version or "?")


def _tell_authors(owner: object) -> str:
    return f"report this to the authors of {owner}"


def _admit(load: Callable[[], object], origin: _Origin) -> pluggy.PluginManager:
    """Return a manager that knows this plugin alone, its hooks validated."""
    advice = f"reinstall {origin.distribution}, or report this to its authors"
    with strangers_code("cannot be imported", advice):
        plugin = load()
    manager = pluggy.PluginManager(hooks.NAMESPACE)
    manager.add_hookspecs(hooks)
    with strangers_code("cannot be registered"):
        try:
            manager.register(plugin, origin.plugin)
        except pluggy.PluginValidationError as error:
            what = " ".join(f"has a hook that does not fit: {error}".split())
            raise RefusedError(what) from error
    callers = manager.get_hookcallers(plugin) or []
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        unknown = next(caller.name for caller in callers if not caller.has_spec())
        close = get_close_matches(unknown, [kind.hook for kind in KINDS], n=1, cutoff=0)
        what = f'implements an unknown hook "{unknown}"; the nearest is "{close[0]}"'
        raise RefusedError(what) from error
    if not callers:
        raise RefusedError("implements no hook; each needs the mark @sinkwell.contract.hookimpl")
    return manager


def _returned_types(manager: pluggy.PluginManager, kind: Kind) -> list[Any]:
    with strangers_code(f"its hook {kind.hook} failed"):
        returned = getattr(manager.hook, kind.hook)()
        return [offered for types in returned for offered in types]


def _clash(noun: str, name: str, claims: list[Registered[Any]]) -> PluginProblem:
    owners = list(dict.fromkeys(f"{each.distribution} {each.version}" for each in claims))
    match owners:
        case [owner]:
            what, advice = f"claimed twice by {owner}", _tell_authors(owner)
        case [one, other]:
            what, advice = f"claimed by both {one} and {other}", "uninstall one"
        case _:
            what, advice = f"claimed by {' and '.join(owners)}", "uninstall all but one"
    strangers = dict.fromkeys(each.distribution for each in claims if each.distribution != _CORE)
    if _CORE in {each.distribution for each in claims} and strangers:
        advice = f"uninstall {' and '.join(strangers)}"
    plugins = ", ".join(dict.fromkeys(each.plugin for each in claims))
    return PluginProblem(plugins, ", ".join(owners), f'{noun} type "{name}" is {what}', advice)
