"""The kit for sinks: a right one passes all of it, and each mutant fails the test that is named."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from contract.shelf import PIECE, shelf_type
from contract.shelf_room import ShelfRoom
from contract.sink_mutants.base import every_mutant

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import SinkContract

HERE = Path(__file__).parent
MUTANTS = every_mutant()


class TestShelf(ShelfRoom, SinkContract):
    part_size = PIECE

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return shelf_type()


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Put each mutant to its one test, without any other plugin; return what pytest says."""
    report = tmp_path_factory.mktemp("mutants") / "report.xml"
    module = HERE / "sink_mutants" / "classes.py"
    tests = [f"{module}::Test{name}::{mutant.test}" for name, mutant in MUTANTS.items()]
    options = ["-q", "--import-mode=importlib", "-c", os.devnull, f"--rootdir={HERE}"]
    options += ["-p", "sinkwell.pytest_plugin", "-p", "no:cacheprovider", f"--junitxml={report}"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found = {}
    for case in ET.parse(report).iter("testcase"):
        failure = case.find("failure")
        name = case.attrib["classname"].rpartition(".Test")[2]
        found[name] = "" if failure is None else failure.attrib["message"]
    return found


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught_by_the_test_that_is_named(verdicts: dict[str, str], name: str) -> None:
    mutant = MUTANTS[name]
    assert verdicts[name], f"{name} passes {mutant.test}"
    assert re.search(mutant.says, verdicts[name]), f"{mutant.test} says: {verdicts[name]}"


def test_there_are_mutants_for_all_that_the_kit_promises() -> None:
    promised = {name for name in dir(SinkContract) if name.startswith("test_")}
    assert promised - {mutant.test for mutant in MUTANTS.values()} == set()
