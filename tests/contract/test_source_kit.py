"""The kit for sources passes what is sound, and a named test of it notices each mutant."""

import re

import pytest
from contract import source_mutants, source_mutants_meaning
from contract.source_mutants import Kit
from contract.verdicts import Verdict, node, verdicts

from sinkwell.testing import SourceContract

MODULES = (source_mutants, source_mutants_meaning)
KITS: dict[str, tuple[str, type[Kit]]] = {
    name: (node(module, name), kit)
    for module in MODULES
    for name, kit in vars(module).items()
    if name.startswith("Test")
}
MUTANTS = {name: kit for name, (_, kit) in KITS.items() if kit.caught_by}
NOT_SHOWN = {
    "TestSigned": set(),
    "TestWhollySigned": {"test_a_false_proof_is_refused_early"},
    "TestBearer": {
        "test_what_the_proof_covers_cannot_be_altered",
        "test_an_expired_proof_is_refused",
        "test_a_proof_from_the_future_is_refused",
    },
}
"""What the sound ones cannot be put to the test with."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    nodes = [f"{at}::{kit.caught_by}" if kit.caught_by else at for at, kit in KITS.values()]
    return verdicts(nodes, tmp_path_factory.mktemp("verdicts") / "report.xml")


@pytest.mark.parametrize("name", MUTANTS)
def test_each_mutant_is_caught(name: str, found: dict[str, Verdict]) -> None:
    mutant = MUTANTS[name]
    verdict = found[f"{name}::{mutant.caught_by}"]
    assert verdict.stands == "broken"
    assert re.search(mutant.says, verdict.says), verdict.says


@pytest.mark.parametrize("name", NOT_SHOWN)
def test_sound_sources_hold_every_promise(name: str, found: dict[str, Verdict]) -> None:
    mine = {test: each for test, each in found.items() if test.startswith(f"{name}::")}
    assert len(mine) > 20
    broken = {test: each for test, each in mine.items() if each.stands in {"broken", "error"}}
    assert broken == {}
    shown = {test.partition("::")[2] for test, each in mine.items() if each.stands == "held"}
    assert promises() - shown == NOT_SHOWN[name]


def promises() -> set[str]:
    return {name for name in dir(SourceContract) if name.startswith("test_")}


def test_every_promise_has_a_mutant_that_breaks_it() -> None:
    assert promises() == {mutant.caught_by for mutant in MUTANTS.values()}
