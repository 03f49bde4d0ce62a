"""Types that are wrong whatever their sink does: one fault each."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from contract.shelf import Shelf, ShelfSettings, shelf_type
from contract.sink_mutants.base import MUTANTS, Mutant

from sinkwell.contract import (
    Blob,
    Capability,
    Finding,
    IfPresent,
    KeyLimits,
    Policy,
    Receipt,
    Sink,
    SinkContext,
    Stat,
)


class OnlyPuts(Sink):
    """A shelf that offers nothing beyond what every sink has."""

    def __init__(self, settings: ShelfSettings, context: SinkContext) -> None:
        shelf = Shelf(settings, context)
        shelf.open_place()
        self.shelf = shelf

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        return await self.shelf.put(blob, key, if_present=if_present)

    async def stat(self, key: str) -> Stat | None:
        return await self.shelf.stat(key)

    async def check(self) -> Sequence[Finding]:
        return await self.shelf.check()

    async def close(self) -> None:
        await self.shelf.close()


class Unexplained(ShelfSettings, frozen=True, kw_only=True):
    """Settings with a key that nobody explains."""

    depth: int = 1


class Lenient(ShelfSettings, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Settings that take anything."""


class Outlandish(ShelfSettings, frozen=True, kw_only=True):
    """Settings with a key that no section can hold."""

    depth: Path = Path()
    """How far down."""


class Absurd(ShelfSettings, frozen=True, kw_only=True):
    """Settings whose default nobody could write."""

    depth: int = "one"  # type: ignore[assignment]  # that is what is wrong with it
    """How many books stand behind each other."""


async def open_only_puts(settings: ShelfSettings, context: SinkContext) -> Sink:
    return OnlyPuts(settings, context)


async def examine_untidily(settings: ShelfSettings, context: SinkContext) -> Sequence[Finding]:
    (Path(settings.root) / "objects" / "sample").write_text("sample")
    return [Finding("ok", f"sink {context.name!r} can be written to")]


async def find_nothing(_: ShelfSettings, __: SinkContext) -> Sequence[Finding]:
    return []


def tell_all(settings: ShelfSettings) -> Policy:
    return Policy(f"let {settings.secret.reveal()} in")


RIGHT = shelf_type()
DECLARED = "test_capabilities_are_declared"
MUTANTS |= {
    "DeclaresWhatItLacks": Mutant(
        replace(RIGHT, open=open_only_puts), DECLARED, "the sink has no method read"
    ),
    "HasWhatItDoesNotDeclare": Mutant(
        shelf_type(capabilities={Capability.READ, Capability.DELETE}),
        DECLARED,
        "the sink has a method presign",
    ),
    "ExplainsNothing": Mutant(
        replace(RIGHT, settings=Unexplained), "test_settings_are_explained", "depth"
    ),
    "TakesUnknownKeys": Mutant(
        replace(RIGHT, settings=Lenient), "test_settings_are_checked", "an unknown key was taken"
    ),
    "HasNoSchema": Mutant(
        replace(RIGHT, settings=Outlandish), "test_settings_have_a_schema", "Path"
    ),
    "HasAnAbsurdDefault": Mutant(
        replace(RIGHT, settings=Absurd), "test_defaults_are_values", "Expected `int`"
    ),
    "TakesShorterKeys": Mutant(
        replace(RIGHT, key_limits=KeyLimits(key=500)),
        "test_key_limits_are_true",
        "key_limits.key is 500",
    ),
    "ExaminesUntidily": Mutant(
        replace(RIGHT, examine=examine_untidily), "test_examination", "other objects are there"
    ),
    "ExaminesNothing": Mutant(
        replace(RIGHT, examine=find_nothing), "test_examination", "found nothing at all"
    ),
    "TellsItsSecretInAPolicy": Mutant(
        replace(RIGHT, policy=tell_all), "test_policy", "the policy shows a secret"
    ),
    "SaysTooMuch": Mutant(
        replace(RIGHT, summary="Files\non a shelf."), "test_name_and_summary", "more than one line"
    ),
}
