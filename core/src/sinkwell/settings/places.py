"""Where in a TOML text each key stands. ``tomllib`` reads values and tells no lines."""

import re
import tomllib
from bisect import bisect_left

KeyPath = tuple[str | int, ...]
"""The way from the root to a key: ``("sinks", "archive", "bucket")``, ``("routes", 0, "key")``."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY_PART = re.compile(
    r"""[ \t]*(?: (?P<bare>[A-Za-z0-9_-]+)
                | (?P<basic>"(?:\\.|[^"\\])*")
                | '(?P<literal>[^']*)' )
        [ \t]*(?P<dot>\.?)""",
    re.VERBOSE,
)
_VALUE_PIECE = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?:"{0,2})   # up to two more quotes belong to the text
      | \'\'\'.*?\'\'\'(?:'{0,2})
      | "(?:\\.|[^"\\])*"
      | '[^']*'
      | (?P<comment>\#[^\n]*)
      | (?P<open>[\[{])
      | (?P<close>[\]}])
      | (?P<end>\n)
      | [^"'#\[\]{}\n]+''',
    re.VERBOSE | re.DOTALL,
)


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of every table and key of a valid TOML text.

    A table stands where its header is, or else at the first key or header that implies it. Of
    what is inside a value (an inline table, a list) nothing is told: the key that holds it
    stands for it.
    """
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[KeyPath, int] = {}
        self._tables_in: dict[KeyPath, int] = {}
        """How many ``[[tables]]`` an array has so far."""

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip_blank():
            line = bisect_left(self._newlines, self._position) + 1
            if self._text.startswith("[[", self._position):
                table = self._array_header(line)
            elif self._text.startswith("[", self._position):
                table = self._header(line)
            else:
                self._note(table, self._key(), line)
                self._skip_value()
        return self._lines

    def _skip_blank(self) -> bool:
        """Go to the next statement, and tell whether there is one."""
        self._take(_BLANK)
        return self._position < len(self._text)

    def _header(self, line: int) -> KeyPath:
        self._position += len("[")
        *parents, last = self._key()
        self._position += len("]")
        path = (*self._note((), parents, line), last)
        self._lines[path] = line  # its own header tells more than an earlier one that implied it
        return path

    def _array_header(self, line: int) -> KeyPath:
        self._position += len("[[")
        *parents, last = self._key()
        self._position += len("]]")
        array = (*self._note((), parents, line), last)
        self._lines.setdefault(array, line)
        index = self._tables_in.get(array, 0)
        self._tables_in[array] = index + 1
        self._lines[*array, index] = line
        return (*array, index)

    def _note(self, table: KeyPath, parts: list[str], line: int) -> KeyPath:
        """Note a key, dotted or not, and the tables that it implies."""
        path = table
        for part in parts:
            path = (*path, part)
            self._lines.setdefault(path, line)
            path = self._newest(path)
        return path

    def _newest(self, path: KeyPath) -> KeyPath:
        """Within an array of tables a header means the newest one."""
        count = self._tables_in.get(path)
        return path if count is None else (*path, count - 1)

    def _key(self) -> list[str]:
        parts = []
        while True:
            match = self._take(_KEY_PART)
            if (basic := match["basic"]) is not None:
                parts.append(str(tomllib.loads(f"key = {basic}")["key"]))
            else:
                parts.append(match["bare"] or match["literal"] or "")
            if not match["dot"]:
                return parts

    def _skip_value(self) -> None:
        """Go behind ``= value``: to the end of the line on which all its brackets are closed."""
        depth = 0
        while self._position < len(self._text):
            piece = self._take(_VALUE_PIECE).lastgroup
            depth += (piece == "open") - (piece == "close")
            if piece == "end" and depth == 0:
                return

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self._text, self._position)
        if match is None:
            raise ValueError(f"no TOML at character {self._position}")
        self._position = match.end()
        return match
