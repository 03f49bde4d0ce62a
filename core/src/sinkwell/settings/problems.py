"""Problems of the settings: where, what, and what to do; gathered so that all are shown at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sinkwell.settings.places import KeyPath


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. It never tells a value, only names of things."""

    place: str
    """``sinkwell.toml:12``, ``environment variable SINKWELL_SERVER__PORT``, ``option --port``."""
    message: str
    advice: str = ""

    def __str__(self) -> str:
        return "\n    ".join(filter(None, (f"{self.place}: {self.message}", self.advice)))


class SettingsError(Exception):
    """The settings cannot be used. Carries every problem that was found, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        title = (
            "the settings have a problem:" if count == 1 else f"{count} problems in the settings:"
        )
        return "\n".join((title, *map(str, self.problems)))


class Report:
    """Gathers errors and warnings while the settings are read."""

    def __init__(self, label: str, places: Mapping[KeyPath, str]) -> None:
        self._label = label
        self._places = dict(places)
        self._moved: set[KeyPath] = set()
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []

    @property
    def error_count(self) -> int:
        """How many errors there are so far."""
        return len(self._errors)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All warnings, in the order of their places."""
        return self._in_order(self._warnings)

    def error(self, path: KeyPath, message: str, advice: str = "") -> None:
        """Note what is wrong with the value at ``path``."""
        self.error_at(self.place(path), message, advice)

    def error_at(self, place: str, message: str, advice: str = "") -> None:
        """Note an error of something that has no path."""
        self._errors.append(Problem(place, message, advice))

    def warn(self, path: KeyPath, message: str, advice: str = "") -> None:
        """Note what is better done otherwise."""
        self._warnings.append(Problem(self.place(path), message, advice))

    def moved(self, path: KeyPath, place: str) -> None:
        """Remember that the value at ``path``, and all below it, comes from another place."""
        self._places = {
            known: where for known, where in self._places.items() if known[: len(path)] != path
        }
        self._places[path] = place
        self._moved.add(path)

    def is_moved(self, path: KeyPath) -> bool:
        """Tell whether ``path`` comes from another place than the settings file."""
        return any(path[:length] in self._moved for length in range(1, len(path) + 1))

    def place(self, path: KeyPath) -> str:
        """Say where ``path`` is written, or else what holds it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return self._label

    def raise_errors(self) -> None:
        """Raise ``SettingsError`` if there is any error."""
        if self._errors:
            raise SettingsError(self._in_order(self._errors))

    def _in_order(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        order = {place: rank for rank, place in enumerate(self._places.values())}
        return tuple(sorted(problems, key=lambda problem: order.get(problem.place, -1)))


def suggestion(word: str, valid: Iterable[str], plural: str) -> str:
    """Return the advice for a mistyped name: the nearest valid one, or all of them."""
    names = sorted(valid)
    if close := get_close_matches(word, names, n=1):
        return f'did you mean "{close[0]}"?'
    return f"{plural}: {', '.join(names)}" if names else f"there are no {plural}"


def section_title(path: KeyPath) -> str:
    """Name a section as it is written in TOML: ``[sinks.archive]``, ``[[routes]]``."""
    match path:
        case ():
            return "the settings"
        case (str(array), int()):
            return f"[[{array}]]"
        case _:
            return f"[{'.'.join(map(str, path))}]"


def key_title(path: KeyPath) -> str:
    """Name a key with its section: ``port in [server]``."""
    *section, key = path
    return f"{key} in {section_title(tuple(section))}" if section else str(key)
