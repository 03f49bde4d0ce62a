"""What a mutant is: a sink that is wrong in one way, and the test of the kit that must find it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from contract.shelf import Shelf, shelf_type

from sinkwell.contract.sink import AnySinkType


@dataclass(frozen=True)
class Mutant:
    """One wrong type, the kit's test that finds it, and what it says (a regular expression)."""

    type: AnySinkType
    test: str
    says: str


MUTANTS: dict[str, Mutant] = {}
"""All that were entered so far, by name."""


def every_mutant() -> dict[str, Mutant]:
    """Return the mutants of all subjects."""
    for subject in ("bytes", "keys", "faults", "manners", "types"):
        import_module(f"contract.sink_mutants.of_{subject}")
    return MUTANTS


def caught_by(test: str, says: str) -> Callable[[type[Shelf]], type[Shelf]]:
    """Enter a kind of shelf as a mutant."""

    def enter(kind: type[Shelf]) -> type[Shelf]:
        MUTANTS[kind.__name__] = Mutant(shelf_type(kind), test, says)
        return kind

    return enter
