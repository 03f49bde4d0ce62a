"""The documentation as tests read it: fenced blocks, tables, links."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    content: str
    place: str


@dataclass(frozen=True)
class Example:
    """A command of a ``console`` block, and what the document shows of its output."""

    command: str
    shown: str
    place: str

    def agrees(self, output: str) -> bool:
        """Tell whether the output is as shown; ``…`` stands for anything, spaces do not count."""
        words = (re.escape(word).replace("…", r"\S*?") for word in self.shown.split())
        pattern = r"\s+".join(".*?" if word == r"\S*?" else word for word in words)
        return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    text = path.read_text()
    return [
        Block(found["language"], found["content"], f"{path.name}:{_line(text, found.start())}")
        for found in _FENCE.finditer(text)
    ]


def prose(path: Path) -> str:
    """Return what a document says outside of its fenced blocks."""
    return _FENCE.sub("", path.read_text())


def examples(block: Block) -> Iterator[Example]:
    """Yield the commands of a ``console`` block: they follow ``$ ``."""
    for piece in re.split(r"^\$ ", block.content, flags=re.MULTILINE)[1:]:
        command, _, shown = piece.partition("\n")
        yield Example(command, shown.strip(), block.place)


def links(path: Path) -> list[str]:
    """Return the targets of the links that lead to other files of the project."""
    return [
        found["target"]
        for found in _LINK.finditer(path.read_text())
        if not found["target"].startswith("https://")
    ]


def tables(path: Path) -> dict[str, list[list[str]]]:
    """Return the rows of the tables below each heading, without their header."""
    parts = _HEADING.split(path.read_text())
    return {
        title.replace("`", ""): [
            [cell.strip() for cell in line.strip("|").split(" | ")]
            for line in text.splitlines()
            if line.startswith("| `")
        ]
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
