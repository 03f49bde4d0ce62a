"""Reading the settings: command line over environment over file over defaults."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sinkwell.plugins import Registered, Registry
from sinkwell.settings.convert import Converter
from sinkwell.settings.document import built_in, read
from sinkwell.settings.environment import EnvironmentText, near_misses, overlay, put
from sinkwell.settings.keys import check_keys, check_time_zone
from sinkwell.settings.model import (
    AlertsSettings,
    EventsSettings,
    IntakeSettings,
    LedgerSettings,
    LogSettings,
    RetrySettings,
    Route,
    ServerSettings,
    Settings,
    SpoolSettings,
)
from sinkwell.settings.places import KeyPath
from sinkwell.settings.problems import Report, section_title, suggestion
from sinkwell.settings.references import References
from sinkwell.settings.rules import (
    check_batches,
    check_doubts,
    check_durability,
    check_events,
    check_exposure,
    check_links,
    check_routes,
)

_FIXED: dict[str, type[msgspec.Struct]] = {
    "server": ServerSettings,
    "spool": SpoolSettings,
    "intake": IntakeSettings,
    "retry": RetrySettings,
    "ledger": LedgerSettings,
    "events": EventsSettings,
    "alerts": AlertsSettings,
    "log": LogSettings,
}
_NAMED = ("sources", "sinks", "notifiers")
_ALL = ("data_dir", "time_zone", *_FIXED, *_NAMED, "routes")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PUBLISHED = {"local": "sinkwell-local", "s3": "sinkwell-s3", "gcs": "sinkwell-gcs"}
"""The project's own sinks that are distributions of their own."""


def load(
    registry: Registry,
    *,
    path: Path | None,
    default_text: str | None,
    data_dir: Path | None,
    host: str | None,
    port: int | None,
    environ: Mapping[str, str],
) -> Settings:
    """Read, merge, resolve and check all settings.

    ``default_text`` stands in for the file when ``path`` is None. ``data_dir``, ``host`` and
    ``port`` are what the command line says.

    Raises ``SettingsError`` with every problem that was found.
    """
    document = read(path) if path is not None else built_in(default_text or "")
    report = Report(document.label, document.places)
    tree = document.tree
    written = tree.get("data_dir")
    if written and isinstance(written, str):
        tree["data_dir"] = str(document.base / written)
    overlay(tree, environ, report)
    options = {"data_dir": data_dir and str(data_dir), "server.host": host, "server.port": port}
    for name, value in options.items():
        if value is not None:
            option = name.rpartition(".")[2].replace("_", "-")
            put(tree, name.split("."), value, f"option --{option}", report)
    references = References(report, document.base, environ)
    loader = _Loader(registry, tree, report, Converter(report, references))
    sections = loader.sections()
    loader.check(sections)
    report.raise_errors()
    missed = near_misses(environ, _setting_paths(sections), references.used)
    return Settings(**sections, path=path, warnings=(*report.warnings, *missed))


class _Loader:
    def __init__(
        self, registry: Registry, tree: dict[str, Any], report: Report, converter: Converter
    ) -> None:
        self._types: dict[str, Mapping[str, Registered[Any]]] = {
            "sources": registry.sources,
            "sinks": registry.sinks,
            "notifiers": registry.notifiers,
        }
        self._registry = registry
        self._tree = tree
        self._report = report
        self._converter = converter

    def sections(self) -> dict[str, Any]:
        """Convert everything; what is in error is None, or missing among the named sections."""
        for key in [key for key in self._tree if key not in _ALL]:
            advice = suggestion(key, _ALL, "valid ones")
            self._report.error((key,), f'unknown key or section "{key}"', advice)
        sections: dict[str, Any] = {}
        if "data_dir" in self._tree:
            sections["data_dir"] = self._data_dir(self._tree["data_dir"])
        if "time_zone" in self._tree:
            written = self._tree["time_zone"]
            sections["time_zone"] = self._converter.value(str, written, ("time_zone",))
        for name, kind in _FIXED.items():
            sections[name] = self._converter.section(kind, self._tree.get(name, {}), (name,))
        for group in _NAMED:
            sections[group] = dict(self._named(group))
        sections["routes"] = tuple(self._routes(self._tree.get("routes", [])))
        return sections

    def check(self, sections: Mapping[str, Any]) -> None:
        """Check what holds between sections, as far as each of them is fine."""
        if sections["server"] is not None:
            check_exposure(self._report, sections["server"])
            check_links(
                self._report,
                sections["server"],
                sections["notifiers"],
                sections["sinks"],
                self._registry,
            )
        if sections["ledger"] is not None:
            check_durability(self._report, sections["ledger"])
        sources, sinks = self._names("sources"), self._names("sinks")
        check_routes(self._report, sections["routes"], sources, sinks)
        check_events(self._report, sections["notifiers"], sources, sinks)
        check_batches(self._report, sections["notifiers"], self._registry)
        check_doubts(self._report, sections["sources"])
        if sections.get("time_zone") is not None:
            check_time_zone(self._report, sections["time_zone"])
        named = sections["sources"], sections["sinks"], sections["routes"]
        check_keys(self._report, *named, self._registry)

    def _names(self, group: str) -> list[str]:
        """Return what is configured, whether it is in order or not."""
        sections = self._tree.get(group)
        return list(sections) if isinstance(sections, dict) else []

    def _data_dir(self, written: object) -> Path | None:
        text = self._converter.value(str, written, ("data_dir",))
        if text == "":
            self._report.error(("data_dir",), "data_dir is empty", "name a directory")
        return Path(text) if text else None

    def _named(self, group: str) -> Iterator[tuple[str, Any]]:
        """Yield the sections of a group that are in order."""
        sections = self._converter.table(self._tree.get(group, {}), (group,)) or {}
        for name, written in sections.items():
            path = (group, name)
            if not isinstance(written, dict | EnvironmentText):
                what = f'[{group}] holds named sections only, and "{name}" is none'
                self._report.error(path, what, f"write a header such as [{group}.main] above it")
                continue
            if not _NAME.fullmatch(name):
                what = f"the name in {section_title(path)} cannot be used"
                advice = "1 to 63 lower-case letters, digits, - and _, first a letter or digit"
                self._report.error(path, what, advice)
            section = self._converter.table(written, path)
            registered = self._type_of(group, section, path) if section is not None else None
            if registered is not None:
                converted = self._converter.section(registered.type.settings, section, path)
                if converted is not None:
                    yield name, converted

    def _type_of(
        self, group: str, section: dict[str, Any], path: KeyPath
    ) -> Registered[Any] | None:
        types = self._types[group]
        kind = group.removesuffix("s")
        if "type" not in section:
            what = f'{section_title(path)} needs the key "type"'
            self._report.error(path, what, f"{kind} types: {', '.join(types)}")
            return None
        name = self._converter.value(str, section["type"], (*path, "type"))
        if name is not None and name not in types:
            self._report.error((*path, "type"), *self._absence(kind, name, types))
        return types.get(name)

    def _absence(self, kind: str, name: str, types: Mapping[str, object]) -> tuple[str, str]:
        """Say why there is no such type, and what to do."""
        if clash := self._registry.clashes.get((kind, name)):
            return clash.what, clash.advice
        what = f'{kind} type "{name}" '
        for problem in self._registry.problems:
            if problem.plugin == name or problem.distribution.startswith(f"sinkwell-{name} "):
                where = f"its plugin, of {problem.distribution}, {problem.what}"
                return f"{what}is not available: {where}", problem.advice
        if kind == "sink" and name in _PUBLISHED:
            return f"{what}is not installed", f"pip install {_PUBLISHED[name]}"
        return f"{what}does not exist", suggestion(name, types, f"{kind} types")

    def _routes(self, written: object) -> Iterator[Route | None]:
        """Convert each route; the places of those in error are kept, as their numbers count."""
        if not isinstance(written, list):
            self._report.error(("routes",), "routes are sections, not a value", "write [[routes]]")
            return
        for index, route in enumerate(written):
            yield self._converter.section(Route, _with_lists(route), ("routes", index))


def _with_lists(route: object) -> object:
    """Let one text stand for a list, where a route has lists."""
    if not isinstance(route, dict):
        return route
    when = route.get("when")
    if isinstance(when, dict):
        when = _listed(when, "media_type", "domain", "status")
        if isinstance(labels := when.get("labels"), dict):
            when["labels"] = _listed(labels, *labels)
        route = route | {"when": when}
    return _listed(route, "source", "sinks")


def _listed(table: dict[str, Any], *keys: str) -> dict[str, Any]:
    return table | {key: [table[key]] for key in keys if isinstance(table.get(key), str)}


def _setting_paths(sections: Mapping[str, Any]) -> Iterator[KeyPath]:
    """Yield the path of each setting that could be written."""
    yield ("data_dir",)
    yield ("time_zone",)
    kinds: dict[KeyPath, type[msgspec.Struct]] = {(name,): kind for name, kind in _FIXED.items()}
    for group in _NAMED:
        kinds |= {(group, name): type(section) for name, section in sections[group].items()}
    for path, kind in kinds.items():
        for each in msgspec.structs.fields(kind):
            yield (*path, each.encode_name)
