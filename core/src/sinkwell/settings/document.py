"""The settings file as it was written: its values and their places."""

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkwell.settings.places import KeyPath, key_lines
from sinkwell.settings.problems import Problem, SettingsError, section_title

_SYNTAX_ERROR = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|.*)\)", re.DOTALL)
_ADVICE = {
    "Cannot overwrite a value": "the same key or section is written above; keep one of them",
    "Invalid value": 'text is written in quotes: key = "text"',
}


@dataclass(frozen=True, slots=True)
class Document:
    """A settings text that is valid TOML."""

    label: str
    """How messages call it."""
    base: Path
    """What relative paths in it are relative to."""
    tree: dict[str, Any]
    places: dict[KeyPath, str]


def built_in(text: str) -> Document:
    """Return the text that stands in for a file; nobody can look up lines of it."""
    label = "built-in default"
    tree = _parse(text, label)
    return Document(label, Path(), tree, dict.fromkeys(key_lines(text), label))


def read(path: Path) -> Document:
    """Read a settings file. Raises ``SettingsError`` when that cannot be done."""
    label = str(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        advice = "create it, or name another one with --config"
        raise SettingsError([Problem(label, "there is no such file", advice)]) from None
    except OSError as error:
        raise SettingsError([Problem(label, f"cannot be read: {error.strerror}")]) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = Problem(f"{label}:{line}", "this is not UTF-8 text", "save the file as UTF-8")
        raise SettingsError([problem]) from None
    tree = _parse(text, label)
    places = {key: f"{label}:{line}" for key, line in key_lines(text).items()}
    return Document(label, path.parent, tree, places)


def _parse(text: str, label: str) -> dict[str, Any]:
    """Parse TOML. The error names the line and repeats nothing of it, save names of sections."""
    try:
        return tomllib.loads(text)
    except ValueError as error:  # most often a TOMLDecodeError
        match = _SYNTAX_ERROR.fullmatch(str(error))
        what = match["what"] if match else str(error)
        line = (match and match["line"]) or 1 + text.rstrip().count("\n")
        told = re.sub(r"\((['\"].*)\)", _section_in_words, what)
        message = f"this is not valid TOML: {told[0].lower()}{told[1:]}"
        raise SettingsError([Problem(f"{label}:{line}", message, _ADVICE.get(what, ""))]) from None


def _section_in_words(match: re.Match[str]) -> str:
    names: tuple[str, ...] = ast.literal_eval(f"({match[1]})")
    return section_title(names)
