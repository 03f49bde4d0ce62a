"""What can be given out, and from where."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from sinkwell.contract import Sink


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file as far as someone who wants its bytes must know it."""

    file_id: str
    size: int
    sha256: str
    """Empty for a file that a callback points to, until it was fetched."""
    media_type: str
    name: str
    """Its original name or, where it had none, one made of the provider's id."""
    state: str
    in_spool: bool
    stored: tuple[tuple[str, str], ...]
    """Each sink that has it, with the key."""


Find = Callable[[str], Awaitable[SharedFile | None]]
"""Finds a file by its id."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A configured sink as one that files may be had from."""

    reads: bool
    presigns: bool
    opened: Callable[[], Sink | None]
    """Returns the open sink, None while there is none."""


Shelves = Mapping[str, Shelf]
"""All of them, by the sink's name."""
