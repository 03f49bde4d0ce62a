"""The kit for notifiers passes what is sound, and a named test of it notices each mutant."""

import re

import pytest
from contract import notifier_mutants, notifier_mutants_faults
from contract.notifier_mutants import Kit
from contract.verdicts import Verdict, node, verdicts

from sinkwell.testing import NotifierContract

MODULES = (notifier_mutants, notifier_mutants_faults)
KITS: dict[str, tuple[str, type[Kit]]] = {
    name: (node(module, name), kit)
    for module in MODULES
    for name, kit in vars(module).items()
    if name.startswith("Test")
}
MUTANTS = {name: kit for name, (_, kit) in KITS.items() if kit.caught_by}


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


def test_a_sound_notifier_holds_every_promise(found: dict[str, Verdict]) -> None:
    mine = {test: each for test, each in found.items() if test.startswith("TestHttp::")}
    assert {test: each for test, each in mine.items() if each.stands != "held"} == {}
    assert {test.partition("::")[2] for test in mine} == promises()


def promises() -> set[str]:
    return {name for name in dir(NotifierContract) if name.startswith("test_")}


def test_every_promise_has_a_mutant_that_breaks_it() -> None:
    assert promises() == {mutant.caught_by for mutant in MUTANTS.values()}
