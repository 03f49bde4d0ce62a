"""The pages for authors of plugins: their code is what ``plugins new`` writes, and it works."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from documents import ROOT, blocks
from instances import SINKWELL, free_port

LONGEST = 120
PAGES = {"sink": "shelf", "source": "camera", "notifier": "pager"}
"""What each page writes, and the name that it gives it."""
FIRST_LINE = re.compile(r"# (\S+\.py)\n")
NOT_FOR_TESTS = "S,INP001,ARG,SLF001"


@dataclass(frozen=True)
class Written:
    """A plugin as the command wrote it, installed in a place of its own."""

    kind: str
    name: str
    root: Path
    site: Path
    said: str

    @property
    def environ(self) -> Mapping[str, str]:
        places = f"{self.root / 'src'}{os.pathsep}{self.site}"
        alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "MYPYPATH": "src"}
        return {**os.environ, "PYTHONPATH": places, **alone}

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd or self.root,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )


@pytest.fixture(scope="module", params=PAGES)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    kind, name = request.param, PAGES[request.param]
    place = tmp_path_factory.mktemp(kind)
    command = [*SINKWELL, "plugins", "new", name, "--kind", kind]
    ran = subprocess.run(command, cwd=place, capture_output=True, text=True, check=True)
    root = place / f"sinkwell-{name}"
    return Written(kind, name, root, installed(root, place / "site"), ran.stdout)


def installed(root: Path, site: Path) -> Path:
    """Make the metadata of an installation of what is in ``root``; return where that is."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = [f"{name} = {at}" for name, at in project["entry-points"]["sinkwell"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[sinkwell]", *lines, ""]))
    return site


def test_what_is_written_keeps_the_contract_as_it_is(written: Written) -> None:
    options = ("-q", "-p", "sinkwell.pytest_plugin", "-p", "no:cacheprovider", "-W", "error")
    ran = written.run(sys.executable, "-m", "pytest", *options)

    assert ran.returncode == 0, ran.stdout[-4000:]
    table = f"Test{written.name.capitalize()}: the {written.kind} contract"
    assert table in ran.stdout
    assert " 0 BROKEN" in ran.stdout


def test_it_says_what_to_do_next(written: Written) -> None:
    assert written.said.splitlines()[-4:] == [
        f"  cd sinkwell-{written.name}",
        "  pip install -e '.[test]'",
        "  pytest",
        "  sinkwell plugins",
    ]


def test_the_page_shows_what_is_written(written: Written) -> None:
    shown = {}
    for block in blocks(ROOT / f"docs/writing-a-{written.kind}.md"):
        if block.language == "python":
            first = FIRST_LINE.match(block.content)
            assert first, f"{block.place}: its first line does not name a file"
            shown[first[1]] = block.content[first.end() :]

    main = f"src/sinkwell_{written.name}/{written.kind}.py"
    assert {main, "tests/test_contract.py"} <= shown.keys()
    for path, content in shown.items():
        assert content == (written.root / path).read_text(), path


def test_what_is_written_is_clean(written: Written) -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    ruff = (str(Path(sys.executable).with_name("ruff")),)
    isolated = ("--isolated", "--no-cache", "--line-length", str(rules["line-length"]), ".")
    linted = written.run(
        *ruff,
        "check",
        "--select=ALL",
        f"--ignore={','.join(rules['lint']['ignore'])}",
        f"--target-version={rules['target-version']}",
        '--config=src=["src"]',
        '--config=lint.pydocstyle.convention="pep257"',
        f"--config=lint.per-file-ignores={{'tests/**'={json.dumps(NOT_FOR_TESTS.split(','))}}}",
        *isolated,
    )
    formatted = written.run(*ruff, "format", "--diff", *isolated)

    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert formatted.returncode == 0, formatted.stdout + formatted.stderr


def test_what_is_written_has_its_types(written: Written) -> None:
    strict = ("--strict", "--config-file=", "--explicit-package-bases")
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'written'}"
    ran = written.run(sys.executable, "-m", "mypy", *strict, cache, "src", "tests")

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_it_is_in_the_list_of_plugins(written: Written) -> None:
    ran = written.run(*SINKWELL, "plugins", "--json")

    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    (row,) = (row for row in rows if row.get("type") == written.name)
    assert row["kind"] == written.kind
    assert (row["plugin"], row["distribution"]) == (written.name, f"sinkwell-{written.name}")


def test_it_works_in_the_settings_of_a_real_sinkwell(written: Written, tmp_path: Path) -> None:
    readme = (written.root / "README.md").read_text()
    section = re.search(r"```toml\n(.*?)```", readme, re.DOTALL)
    assert section
    text = section[1].replace("/srv/files", str(tmp_path / "files"))
    others = '[sources.first]\ntype = "shotbot"\nsecrets = ["env:FIRST"]\n'
    others += f'[sinks.first]\ntype = "local"\nroot = "{tmp_path / "first"}"\n'
    config = tmp_path / "sinkwell.toml"
    config.write_text(f"[server]\nport = {free_port()}\n{others}{text}")
    names = re.findall(r'"env:([^"]+)"', config.read_text())
    secrets = [f"{name}=a-long-secret-0123456789" for name in names]
    options = ("check", "--json", "-c", str(config))
    ran = written.run("env", *secrets, *SINKWELL, *options, cwd=tmp_path)

    assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    said = [finding for finding in found if finding["area"] in {"settings", "sink mine"}]
    assert {finding["level"] for finding in said} == {"ok"}
    if written.kind == "sink":
        assert "a file was put, compared and removed" in said[-1]["what"]
