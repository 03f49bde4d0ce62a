"""The page about the S3 store for tests is true: its example runs, its tables are complete."""

import ast
import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

from documents import ROOT, blocks, tables

from sinkwell.testing.s3 import FAULTS, S3Behaviour

PAGE = ROOT / "docs/s3-for-tests.md"


def test_its_example_passes(tmp_path: Path) -> None:
    (example,) = [block for block in blocks(PAGE) if block.language == "python"]
    name = re.match(r"# (\S+\.py)\n", example.content)
    assert name
    (tmp_path / name[1]).write_text(example.content)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(
        command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


def test_every_behaviour_is_there_with_its_default() -> None:
    told = {name.strip("`"): default for name, default, _ in tables(PAGE)["How it behaves"]}
    fields = {field.name: field.default for field in dataclasses.fields(S3Behaviour)}
    assert {name: ast.literal_eval(default.strip("`")) for name, default in told.items()} == fields


def test_every_fault_is_there() -> None:
    told = {name for row in tables(PAGE)["Faults"] for name in re.findall(r"`([^`]+)`", row[0])}
    codes = {name for name in FAULTS if re.fullmatch(r"[A-Z]\w+", name)}
    assert {name for name in told if not name.startswith('"')} == FAULTS.keys() - codes
    assert {name.strip('"') for name in told if name.startswith('"')} < codes
