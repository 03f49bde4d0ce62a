"""Settings from the environment: ``SINKWELL_SERVER__PORT=9000`` is ``port`` in ``[server]``."""

import tomllib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sinkwell.settings.places import KeyPath
from sinkwell.settings.problems import Problem, Report

_PREFIX = "SINKWELL_"
_SEPARATOR = "__"
_TOP_LEVEL = {"SINKWELL_DATA_DIR", "SINKWELL_TIME_ZONE"}


class EnvironmentText(str):
    """The value of a variable: a TOML value where that fits, else the text itself."""

    __slots__ = ()


def overlay(tree: dict[str, Any], environ: Mapping[str, str], report: Report) -> None:
    """Write what the environment sets into ``tree``, over what is there."""
    for variable, text in sorted(environ.items()):
        names = variable.removeprefix(_PREFIX).lower().split(_SEPARATOR)
        if variable.startswith(_PREFIX) and (len(names) > 1 or variable in _TOP_LEVEL):
            origin = f"environment variable {variable}"
            put(tree, names, EnvironmentText(text), origin, report)


def put(
    tree: dict[str, Any], names: Sequence[str], value: object, origin: str, report: Report
) -> None:
    """Put ``value`` into ``tree``, making the tables on the way, and note where it comes from.

    A name also means a key that is there already and differs in case or in ``-`` for ``_``.
    """
    path: KeyPath = ()
    table = tree
    for name in names[:-1]:
        key = _spelling(name, table)
        path = (*path, key)
        if key not in table:
            table[key] = {}
            report.moved(path, origin)
        if not isinstance(table[key], dict):
            report.error_at(origin, f'nothing can be set in "{key}", as it is no section')
            return
        table = table[key]
    key = _spelling(names[-1], table)
    table[key] = value
    report.moved((*path, key), origin)


def _spelling(name: str, table: Mapping[str, object]) -> str:
    if name in table:
        return name
    alike = (key for key in table if key.lower().replace("-", "_") == name)
    return next(alike, name)


def readings(value: object) -> Iterator[object]:
    """Yield a value as it may be understood: texts of the environment as TOML, then as text."""
    yield _reading(value, as_toml=True)
    yield _reading(value, as_toml=False)


def _reading(value: object, *, as_toml: bool) -> object:
    if isinstance(value, dict):
        return {key: _reading(item, as_toml=as_toml) for key, item in value.items()}
    if not isinstance(value, EnvironmentText):
        return value
    try:
        parsed = tomllib.loads(f"value = {value}") if as_toml else {}
    except ValueError:
        parsed = {}
    # A text of several lines may hold more than one value: then it is no value.
    return parsed["value"] if parsed.keys() == {"value"} else str(value)


def near_misses(
    environ: Iterable[str], settings: Iterable[KeyPath], referred_to: Container[str]
) -> Iterator[Problem]:
    """Yield a warning for each variable that sets nothing but looks as if it should.

    The likeness asked for is high: in a Kubernetes cluster a service named ``sinkwell`` gives
    every container ``SINKWELL_PORT``, ``SINKWELL_SERVICE_PORT`` and more.
    """
    names = [_SEPARATOR.join(map(str, path)).upper().replace("-", "_") for path in settings]
    alike = {name.replace(_SEPARATOR, "_"): name for name in names}
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX)
        if variable in {name, *_TOP_LEVEL} or _SEPARATOR in name:
            continue
        close = get_close_matches(name, alike, n=1, cutoff=0.9)
        if close and variable not in referred_to:
            advice = f"did you mean {_PREFIX}{alike[close[0]]}?"
            yield Problem(f"environment variable {variable}", "this sets nothing", advice)
