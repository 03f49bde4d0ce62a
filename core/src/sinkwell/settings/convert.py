"""From what TOML gave to the settings' types, key by key, so that every error is found.

msgspec converts the single values. Its messages are retold in the words of TOML and without the
value, as that may be a secret in the wrong place.
"""

import re
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from sinkwell.contract.settings import Secret, decode_custom
from sinkwell.settings.environment import readings
from sinkwell.settings.places import KeyPath
from sinkwell.settings.problems import Report, key_title, section_title, suggestion
from sinkwell.settings.references import References

StructT = TypeVar("StructT", bound=msgspec.Struct)

_WORDS = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a date with time",
    "float": "a number",
    "int": "a whole number",
    "object": "a table",
    "str": "text",
    "time": "a time of day",
}


class Converter:
    """Converts sections and values; what does not fit goes into the report."""

    def __init__(self, report: Report, references: References) -> None:
        self._report = report
        self._references = references

    def section(self, kind: type[StructT], written: object, path: KeyPath) -> StructT | None:
        """Return the section, or None when anything in it is wrong."""
        table = self.table(written, path)
        if table is None:
            return None
        errors_before = self._report.error_count
        fields = {each.encode_name: each for each in msgspec.structs.fields(kind)}
        for key in [key for key in table if key not in fields]:
            what = f'unknown key "{key}" in {section_title(path)}'
            self._report.error((*path, key), what, suggestion(key, fields, "valid keys"))
        for key, each in fields.items():
            if each.required and key not in table:
                self._report.error(path, f'{section_title(path)} needs the key "{key}"')
        values = {
            each.name: self.value(each.type, table[key], (*path, key))
            for key, each in fields.items()
            if key in table
        }
        if self._report.error_count > errors_before:
            return None
        return self._build(kind, values, path)

    def table(self, written: object, path: KeyPath) -> dict[str, Any] | None:
        """Return the keys of a section; None when it is no section at all."""
        reading = written if isinstance(written, dict) else next(readings(written))
        if isinstance(reading, dict):
            return reading
        header = section_title(path)
        what = f"{header} must be a section, found {_describe(reading)}"
        self._report.error(path, what, f"write its keys below a header {header}")
        return None

    def value(self, kind: Any, written: object, path: KeyPath) -> Any:
        """Return the value of one key, None when it is wrong."""
        if (nested := _struct_in(kind)) is not None:
            return self.section(nested, written, path)
        failures = []
        for reading in readings(written):
            try:
                # First whether it fits, then the secrets: following those is reported.
                msgspec.convert(reading, kind, dec_hook=_decode_discreetly)
                return msgspec.convert(reading, kind, dec_hook=partial(self._decode, path))
            except msgspec.ValidationError as error:
                failures.append((str(error), reading))
        failure, reading = failures[0]
        self._wrong(kind, failure, reading, path)
        return None

    def _decode(self, path: KeyPath, kind: type, value: object) -> object:
        if kind is Secret and isinstance(value, str):
            in_file = not self._report.is_moved(path)
            return self._references.resolve(value, path, in_file=in_file)
        return decode_custom(kind, value)

    def _wrong(self, kind: Any, failure: str, reading: object, path: KeyPath) -> None:
        advice = inner = ""
        if failure.startswith("Invalid"):  # the one sort of message that repeats the value
            choices = _choices(inspect.type_info(kind))
            what = f"expected one of {', '.join(choices)}"
            if not choices:
                sort = failure.partition(" '")[0]
                what = f"{sort.lower()}, found {_describe(reading)}"
            if close := get_close_matches(str(reading), choices, n=1):
                advice = f'did you mean "{close[0]}"?'
        else:
            body, _, inner = failure.partition(" - at `$")
            what = re.sub("`([^`]+)`", _in_words, body).replace(", got ", ", found ")
            what = what[0].lower() + what[1:]
        subject = key_title((*path[:-1], f"{path[-1]}{inner.rstrip('`')}"))
        self._report.error(path, f"{subject}: {what}", advice)

    def _build(self, kind: type[StructT], values: dict[str, Any], path: KeyPath) -> StructT | None:
        try:
            return kind(**values)
        except ValueError as error:
            key = str(error).partition(" ")[0]
            where = (*path, key) if key in values else path
            self._report.error(where, f"{section_title(path)}: {error}")
        except Exception as error:  # noqa: BLE001  # the class may be a stranger's
            what = f"{section_title(path)}: its settings class raised {type(error).__name__}"
            self._report.error(path, what, f"report this to the authors of {kind.__module__}")
        return None


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the struct that ``kind`` is, be it optional."""
    described = inspect.type_info(kind)
    if isinstance(described, inspect.UnionType) and described.includes_none:
        others = [each for each in described.types if not isinstance(each, inspect.NoneType)]
        described = others[0] if len(others) == 1 else described
    return described.cls if isinstance(described, inspect.StructType) else None


def _choices(described: inspect.Type) -> list[str]:
    """Return the values of the first enumeration in a type."""
    match described:
        case inspect.EnumType(cls=enum):
            return [str(member.value) for member in enum]
        case inspect.LiteralType(values=values):
            return [str(value) for value in values]
        case inspect.UnionType(types=types):
            return next(filter(None, map(_choices, types)), [])
        case inspect.CollectionType(item_type=item):
            return _choices(item)
    return []


def _decode_discreetly(kind: type, value: object) -> object:
    """Like ``decode_custom``, but the error tells what sort of value it was, not the value."""
    try:
        return decode_custom(kind, value)
    except ValueError as error:
        expected = str(error).partition(", got ")[0]
        raise ValueError(f"{expected}, found {_describe(value)}") from None


def _in_words(match: re.Match[str]) -> str:
    names = [name for name in match[1].split(" | ") if name != "null"]
    if all(name in _WORDS for name in names):
        return " or ".join(_WORDS[name] for name in names)
    return f'"{match[1]}"'


def _describe(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a negative number" if value < 0 else "a number"
        case "":
            return "empty text"
        case str():
            return "other text"
        case list():
            return "a list"
        case dict():
            return "a table"
    return f"a {type(value).__name__}"
