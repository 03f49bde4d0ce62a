"""``sinkwell plugins``: what is installed, what failed, and names that will not do."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from instances import SINKWELL

from sinkwell.cli.skeleton import Skeleton

WIDE = "a summary that is wider than any screen, " * 10
GOOD = f"""
from sinkwell.contract import *

async def open(settings, context):
    raise UnusableError("not in this test")

@hookimpl
def sinkwell_sinks():
    able = frozenset({{Capability.READ, Capability.PRESIGN}})
    return [SinkType("wide", {WIDE + "[red]x"!r}, SinkSettings, open, able)]
"""


def plugins(
    *arguments: str, site: Path | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "COLUMNS": "60"}
    if site is not None:
        environ["PYTHONPATH"] = str(site)
    return subprocess.run(
        [*SINKWELL, "plugins", *arguments],
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def sell(site: Path, name: str, version: str, code: str) -> None:
    """Install a distribution of one module."""
    module = name.replace("-", "_")
    (site / f"{module}.py").write_text(code)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[sinkwell]\n{name} = {module}\n")


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """Return a place with a good plugin and a broken one."""
    sell(tmp_path, "sinkwell-wide", "1.4.2", GOOD)
    sell(tmp_path, "sinkwell-broken", "0.1", "import no_such_module_anywhere")
    return tmp_path


def test_built_in_types_are_listed_with_where_they_come_from() -> None:
    ran = plugins()

    assert ran.returncode == ("not loaded" in ran.stdout)
    rows = {line.split()[0]: line.split() for line in ran.stdout.splitlines() if line}
    assert rows["shotbot"][1:4] == ["source", "-", "sources"]
    assert rows["log"][1:5] == ["notifier", "-", "notifiers", "sinkwell"]
    assert rows["local"][1:6] == ["sink", "delete", "read", "local", "sinkwell-local"]


def test_a_stranger_is_listed_whole_and_a_broken_one_with_reason_and_advice(
    strangers: Path,
) -> None:
    ran = plugins(site=strangers)

    assert ran.returncode == 1
    (row,) = (line for line in ran.stdout.splitlines() if line.startswith("wide "))
    assert "presign read" in row
    assert "sinkwell-wide 1.4.2" in row
    assert f"{WIDE}[red]x" in row
    assert "✗ sinkwell-broken (sinkwell-broken 0.1)  cannot be imported: " in ran.stdout
    assert "No module named 'no_such_module_anywhere'" in ran.stdout
    assert "reinstall sinkwell-broken, or report this to its authors" in ran.stdout


def test_json_has_one_object_a_line_for_types_and_for_problems(strangers: Path) -> None:
    ran = plugins("--json", site=strangers)

    assert ran.returncode == 1
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    (wide,) = (row for row in rows if row.get("type") == "wide")
    assert wide == {
        "kind": "sink",
        "type": "wide",
        "summary": f"{WIDE}[red]x",
        "capabilities": ["presign", "read"],
        "plugin": "sinkwell-wide",
        "distribution": "sinkwell-wide",
        "version": "1.4.2",
    }
    (problem,) = (row for row in rows if row["plugin"] == "sinkwell-broken")
    assert problem["kind"] == "problem"
    assert problem["distribution"] == "sinkwell-broken 0.1"
    assert problem["what"].startswith("cannot be imported: ModuleNotFoundError")
    assert problem["advice"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("sinkwell-sftp", "sinkwell- is put before the name, so say only 'sftp'"),
        ("My_Store", "lower-case letters, digits and single dashes"),
        ("3d", "it begins with a lower-case letter"),
        ("a--b", "single dashes"),
        ("../up", "no name for a plugin"),
        ("sink", "says only what it is"),
        ("x" * 25, "longer than 24 letters"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Skeleton("sink", name)


def test_a_refused_name_leaves_nothing_and_is_a_wrong_call(tmp_path: Path) -> None:
    bad, taken = plugins("new", "My_Store", cwd=tmp_path), plugins("new", "local", cwd=tmp_path)

    assert (bad.returncode, taken.returncode) == (2, 2)
    assert "no name for a plugin" in bad.stderr
    assert "there is a sink type 'local' already, of sinkwell-local" in taken.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "sinkwell-mine").mkdir()
    kept = tmp_path / "sinkwell-mine" / "pyproject.toml"
    kept.write_text("mine")

    ran = plugins("new", "mine", cwd=tmp_path)

    assert ran.returncode == 1
    assert "is there already: name an empty place with --directory" in ran.stderr
    assert [path.name for path in kept.parent.iterdir()] == ["pyproject.toml"]
    assert kept.read_text() == "mine"
    assert plugins("new", "mine", "--directory", "other", cwd=tmp_path).returncode == 0
    assert (tmp_path / "other" / "src" / "sinkwell_mine" / "sink.py").exists()


def test_a_long_name_with_dashes_makes_importable_code() -> None:
    files = dict(Skeleton("notifier", "a-name-of-many-parts-2").files())

    package = Path("src/sinkwell_a_name_of_many_parts_2")
    assert {package / "notifier.py", package / "py.typed", Path("pyproject.toml")} <= files.keys()
    for path, text in files.items():
        assert "$" not in text
        if path.suffix == ".py":
            compile(text, str(path), "exec")
