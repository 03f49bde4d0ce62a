"""Runs chosen tests of a kit in a pytest of their own, and tells how each ended."""

import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

HERE = Path(__file__).parent
LONGEST = 120


@dataclass(frozen=True, slots=True)
class Verdict:
    stands: str
    """``held``, ``broken``, ``not shown``, or ``error`` for what broke outside of the test."""
    says: str = ""


def node(module: ModuleType, test: str) -> str:
    """Return how pytest calls a ``Class`` or ``Class::test`` of a module."""
    return f"{module.__file__}::{test}"


def verdicts(nodes: Iterable[str], report: Path) -> dict[str, Verdict]:
    """Return how each test ended, by ``Class::test``. No plugin but the kits' own is there."""
    options = ["-q", "--import-mode=importlib", "-c", os.devnull, f"--rootdir={HERE}"]
    options += ["-W", "error", "-p", "sinkwell.pytest_plugin", "-p", "no:cacheprovider"]
    options += ["--tb=short", f"--junitxml={report}"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *nodes],
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert ended.returncode in {0, 1}, ended.stdout[-3000:] + ended.stderr[-3000:]
    cases = ET.parse(report).iter("testcase")
    return {_name(case): _verdict(case) for case in cases}


def _name(case: ET.Element) -> str:
    owner = case.attrib["classname"].rpartition(".")[2]
    return f"{owner}::{case.attrib['name']}"


def _verdict(case: ET.Element) -> Verdict:
    for tag, stands in (("error", "error"), ("failure", "broken"), ("skipped", "not shown")):
        if (found := case.find(tag)) is not None:
            return Verdict(stands, f"{found.attrib.get('message')}\n{found.text}")
    return Verdict("held")
