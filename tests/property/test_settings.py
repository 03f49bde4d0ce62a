"""Settings under hostile and odd input: lines are right, secrets stay hidden, nothing crashes."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from settings_support import REGISTRY

from sinkwell.settings import Settings, SettingsError, load
from sinkwell.settings.places import KeyPath, key_lines

# A busy machine is no failure.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What ends strings, comments, lists and lines, or looks as if it did.
TRAPS = ['"', '""', "'", "''", "[a]", "[[b]]", "x = 1", "# c", "\n", "{", "}", "[", "]", ",", "é"]
# Up to U+FFFF, so that JSON's way to quote a text is TOML's too.
PLAIN = st.characters(exclude_categories=["Cs", "Cc"], max_codepoint=0xFFFF)

names = st.sampled_from(["a", "b", "c", "x-1", "0", "a.b", "", " ", "[x]", "#", "=", '"', "'"]) | (
    st.text(PLAIN, max_size=5)
)


@st.composite
def basic_strings(draw: st.DrawFn) -> str:
    return json.dumps(draw(st.text(PLAIN)) + draw(st.sampled_from(["", "\n", "\\"])))


@st.composite
def long_basic_strings(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.sampled_from([*TRAPS, "\\\\", '\\"', "\\\n", "\\u00e9"])))
    return '"""' + "".join(pieces).replace('"""', '""\\"') + '"""'


@st.composite
def long_literal_strings(draw: st.DrawFn) -> str:
    pieces = draw(st.lists(st.sampled_from([*TRAPS, "\\"])))
    return "'''" + re.sub("'{3,}", "''", "".join(pieces)) + "'''"


@st.composite
def lists_of(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    gaps = st.sampled_from(["", " ", "\n", "# ] [ \" ''' \n", "\n\n  # x = 1\n"])
    inner = "".join(
        f"{draw(gaps)}{item}{draw(gaps)}," for item in draw(st.lists(items, max_size=3))
    )
    return f"[{inner}{draw(gaps)}]"


@st.composite
def inline_tables_of(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    written = draw(st.lists(items, max_size=3))
    return f"{{ {', '.join(f'k{index} = {item}' for index, item in enumerate(written))} }}"


values = st.recursive(
    st.sampled_from(["1", "-0.5", "true", "1979-05-27T07:32:00Z", "0xff", "'#'", "'['", "inf"])
    | basic_strings()
    | long_basic_strings()
    | long_literal_strings(),
    lambda items: lists_of(items) | inline_tables_of(items),
    max_leaves=5,
)


class Writer:
    """Writes a random TOML document, and notes on which line it puts what."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.text = ""
        self.lines: dict[KeyPath, int] = {}
        self.keys((), set())
        self.tables((), ())

    def keys(self, table: KeyPath, taken: set[str]) -> None:
        """Write keys into the table that is open, some of them dotted."""
        dotted: dict[str, set[str]] = {}
        for parts in self.draw(st.lists(st.lists(names, min_size=1, max_size=3), max_size=3)):
            first, *rest = parts
            if first in taken and (not rest or rest[0] in dotted.get(first, {rest[0]})):
                continue
            taken.add(first)
            if rest:
                dotted.setdefault(first, set()).add(rest[0])
            line = self.line()
            for length in range(1, len(parts) + 1):
                self.lines.setdefault((*table, *parts[:length]), line)
            self.text += f"{self.key(parts)}={self.space()}{self.draw(values)}"
            self.end_line()

    def tables(self, table: KeyPath, header: tuple[str, ...]) -> set[str]:
        """Write tables into ``table``, which headers call ``header``; return their names."""
        if len(header) > 1:
            return set()
        children = self.draw(st.lists(names, max_size=2, unique=True))
        present = {key[len(table)] for key in self.lines if key[: len(table)] == table != key}
        for name in [name for name in children if name not in present]:
            path, called = (*table, name), (*header, name)
            if self.draw(st.booleans()):
                for index in range(self.draw(st.integers(1, 3))):
                    self.header("[[", called, "]]", (*path, index))
                    self.keys((*path, index), set())
                    self.tables((*path, index), called)
            elif self.draw(st.booleans()):
                self.header("[", called, "]", path)
                self.keys(path, set())
                self.tables(path, called)
            else:
                taken = self.tables(path, called)  # so that they imply this one
                if not taken or self.draw(st.booleans()):
                    self.header("[", called, "]", path)
                    self.keys(path, taken)
        return {str(key[len(table)]) for key in self.lines if key[: len(table)] == table != key}

    def header(self, opening: str, names: tuple[str, ...], closing: str, path: KeyPath) -> None:
        line = self.line()
        for length in range(1, len(path)):
            self.lines.setdefault(path[:length], line)
        self.lines[path] = line
        self.text += f"{opening}{self.key(list(names))}{closing}"
        self.end_line()

    def key(self, parts: list[str]) -> str:
        return ".".join(f"{self.space()}{self.quoted(part)}{self.space()}" for part in parts)

    def quoted(self, name: str) -> str:
        ways = [json.dumps(name), json.dumps(name, ensure_ascii=False)]
        if re.fullmatch(r"[A-Za-z0-9_-]+", name):
            ways.append(name)
        if "'" not in name:
            ways.append(f"'{name}'")
        return self.draw(st.sampled_from(ways))

    def space(self) -> str:
        return self.draw(st.sampled_from(["", " ", "\t "]))

    def end_line(self) -> None:
        self.text += self.draw(st.sampled_from(["", " ", "# [x]", ' # a = """'])) + "\n"
        self.text += self.draw(st.sampled_from(["", "\n", "  \n", "# x = 1\n[", "#'''\n"])).rstrip(
            "["
        )
        self.text += self.space()

    def line(self) -> int:
        return self.text.count("\n") + 1


@st.composite
def documents(draw: st.DrawFn) -> Writer:
    return Writer(draw)


def keys_of(tree: object, path: KeyPath = ()) -> Iterator[KeyPath]:
    children: list[tuple[str | int, Any]] = []
    if isinstance(tree, dict):
        children = list(tree.items())
    elif isinstance(tree, list):
        children = list(enumerate(tree))
    for key, value in children:
        yield (*path, key)
        yield from keys_of(value, (*path, key))


@patient
@given(documents(), st.booleans())
def test_every_key_of_a_random_document_is_found_on_its_line(document: Writer, crlf: bool) -> None:
    text = document.text.replace("\n", "\r\n") if crlf else document.text
    found = key_lines(text)
    assert found == document.lines
    for path in keys_of(tomllib.loads(text)):  # what is inside a value is found by its key
        assert any(path[:length] in found for length in range(1, len(path) + 1))
    assert document.lines.keys() <= set(keys_of(tomllib.loads(text)))


TEXT = """
data_dir = "d"
[server]
port = 1
admin_token = "env:T"
[sources.cam]
type = "camera"
secrets = ["env:T"]
[sinks.disk]
type = "disk"
root = "r"
timeout = "3s"
[[routes]]
source = "*"
sinks = ["disk"]
"""


def load_built_in(text: str, environ: Mapping[str, str]) -> Settings:
    return load(
        REGISTRY,
        path=None,
        default_text=text,
        data_dir=None,
        host=None,
        port=None,
        environ=environ,
    )


@pytest.mark.parametrize(
    "line",
    [
        "[server]\nport = {}",
        "[server]\nhost = [{}]",
        "[intake]\nidle_timeout = {}",
        "[intake]\nmax_file_size = {}",
        "[log]\nlevel = {}",
        "[ledger]\nurl = {}",
        '[sources.cam]\ntype = "camera"\nsecrets = {}',
        '[sources.cam]\ntype = "camera"\nsecrets = [{}, 3]',
        '[sources.cam]\ntype = "camera"\nfetch = {{ headers = {{ x = [{}] }} }}',
        "[server]\nadmin_token = {} 3",
    ],
)
@patient
@given(noise=st.tuples(st.text(PLAIN, max_size=9), st.text(PLAIN, max_size=9)))
@example(noise=("', got `", ""))
@example(noise=(" - at `$", "`"))
@example(noise=("$[0]", "`"))
def test_an_error_never_repeats_a_value(line: str, noise: tuple[str, str]) -> None:
    value = f"{noise[0]}hunter2{noise[1]}"
    assume(not value.startswith("sqlite"))  # that would be right in one of the places
    with pytest.raises(SettingsError) as raised:
        load_built_in(line.format(json.dumps(value)), {})
    assert "hunter2" not in str(raised.value)


@patient
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@example("1")
@example("[1, 2]")
@example("{ a = 1 }")
@example("x\n[server]\nport = 3")
def test_a_token_in_the_environment_is_taken_as_it_is(text: str) -> None:
    try:
        quoted = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        quoted = {}
    expected = quoted["value"] if isinstance(quoted.get("value"), str) else text
    environ = {"SINKWELL_SERVER__ADMIN_TOKEN": text}
    if expected and not expected.startswith(("env:", "file:")) and len(quoted) < 2:
        token = load_built_in("", environ).server.admin_token
        assert token is not None
        assert token.reveal() == expected


@patient
@given(
    start=st.integers(0, len(TEXT)),
    length=st.integers(0, 20),
    inserted=st.text(st.sampled_from("abx019.,-_=[]{}\"'# \n\t\\\0\ufeffé"), max_size=6),
)
def test_a_damaged_file_gives_settings_or_a_settings_error(
    start: int, length: int, inserted: str
) -> None:
    damaged = TEXT[:start] + inserted + TEXT[start + length :]
    told = ""
    try:
        load_built_in(damaged, {"T": "hunter2"})
    except SettingsError as error:
        told = str(error)
    assert "hunter2" not in told


@patient
@given(
    st.dictionaries(
        st.lists(
            st.sampled_from(["SERVER", "SINKS", "DISK", "ROUTES", "0", "TYPE", "LOG", "", "x"]),
            max_size=4,
        ).map(lambda parts: "SINKWELL_" + "__".join(parts)),
        st.sampled_from(["", "1", "x", "[]", "{}", "{ type = 'disk' }", "disk", "[[", "\n"]),
        max_size=4,
    )
)
def test_a_strange_environment_gives_settings_or_a_settings_error(
    environ: dict[str, str],
) -> None:
    told = ""
    try:
        load_built_in(TEXT, {**environ, "T": "hunter2"})
    except SettingsError as error:
        told = str(error)
    assert "hunter2" not in told
