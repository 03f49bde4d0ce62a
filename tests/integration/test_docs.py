"""The documentation is true: every example of it is run."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import DOCUMENTS, ROOT, Block, Example, blocks, examples, links, prose
from instances import free_port

from sinkwell.cli.common import load_settings
from sinkwell.runtime import installed_plugins

LANGUAGES = {"toml", "console", "text", "python", "json"}
"""Of blocks: ``text`` is for reading only; ``python`` is run by test_writing_plugins.py,
``json`` looked at by tests/unit/test_docs.py."""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""Any secret is text; that of a webhook is base64 too."""
SERVES = ("make run", "sinkwell serve")
PATIENCE = 30.0
END = "--- end of output ---"

documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


class Reader:
    """Someone who does what a document says, command by command, in one shell."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._port = str(free_port())
        (directory / ".venv").symlink_to(sys.prefix)
        (directory / ".curlrc").write_text("silent\nshow-error\n")
        bin_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {
            **os.environ,
            "PATH": bin_first,
            "CURL_HOME": str(directory),
            "TMPDIR": str(directory),
            "SINKWELL_SERVER__PORT": self._port,
        }
        self._shell = self._start("bash", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._server: subprocess.Popen[str] | None = None

    def follow(self, example: Example) -> None:
        """Run a command and compare its output; a server is started and left running."""
        if example.command.startswith(SERVES):
            self._serve(example)
            return
        if example.command.startswith("sinkwell ledger"):
            self._stop_server()
        elif self._server is None:  # all but the README take a running instance for granted
            self._serve(Example("sinkwell serve", "Sinkwell is ready. …", example.place))
        self._run(example)

    def close(self) -> None:
        """End the shell and the server."""
        self._stop_server()
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        assert self._shell.stdout is not None
        self._shell.stdout.close()
        self._shell.wait(PATIENCE)

    def _run(self, example: Example) -> None:
        """Run a command, and again while its list does not show yet what it soon will."""
        until = time.monotonic() + PATIENCE
        fails = example.shown.startswith("error:")
        while True:
            status, output = self._ask(example.command.replace(":8080", f":{self._port}"))
            output = output.replace(f":{self._port}", ":8080")
            if (status != 0) is fails and example.agrees(output):
                return
            if time.monotonic() > until or not example.command.startswith("sinkwell "):
                report = f"{example.place}: $ {example.command}\n{output}\nexit code {status}"
                pytest.fail(f"{report}; shown is:\n{example.shown}", pytrace=False)

    def _ask(self, command: str) -> tuple[int, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{command}\nprintf '\\n{END} %s\\n' $?\n")
        self._shell.stdin.flush()
        lines = []
        while not (line := self._shell.stdout.readline()).startswith(END):
            assert line, f"the shell ended at: {command}"
            lines.append(line)
        return int(line.removeprefix(END)), "".join(lines)

    def _serve(self, example: Example) -> None:
        command = example.command.replace("make run", "sinkwell serve")
        said = self.directory / "said.txt"
        with said.open("w") as output:
            self._server = self._start("bash", "-c", f"exec {command}", stdout=output)
        until = time.monotonic() + PATIENCE
        while not example.agrees(text := said.read_text().replace(f":{self._port}", ":8080")):
            assert time.monotonic() < until, f"{example.place}: it said\n{text}"
            time.sleep(0.05)

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait(PATIENCE)
            self._server = None

    def _start(self, *command: str, **streams: object) -> subprocess.Popen[str]:
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # streams are as its own
            command,
            cwd=self.directory,
            env=self._environ,
            text=True,
            stderr=subprocess.STDOUT,
            **streams,
        )


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Return a reader in an empty directory."""
    reading = Reader(tmp_path)
    yield reading
    reading.close()


@documents
def test_every_block_says_what_it_is(path: Path) -> None:
    assert {block.language for block in blocks(path)} <= LANGUAGES


@documents
def test_every_command_does_what_the_document_shows(path: Path, reader: Reader) -> None:
    for block in blocks(path):
        if block.language == "toml":
            _save(block, reader.directory)
        if block.language == "console":
            for example in examples(block):
                reader.follow(example)


def _save(block: Block, directory: Path) -> None:
    """Save a settings example under the name that its first line gives."""
    name = re.match(r"# (?P<name>\S+\.toml)\n", block.content)
    assert name is not None, f"{block.place}: its first line is not '# NAME.toml'"
    (directory / name["name"]).write_text(block.content)


@documents
def test_every_settings_example_is_valid(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in blocks(path):
        if block.language == "toml":
            for kind, name in re.findall(r'"(env|file):([^"]+)"', block.content):
                if kind == "env":
                    monkeypatch.setenv(name, SECRET)
                else:
                    (tmp_path / name).write_text(SECRET)
                    (tmp_path / name).chmod(0o600)
            _save(block, tmp_path)
            settings = load_settings(installed_plugins(), tmp_path / "sinkwell.toml", None)
            assert settings.warnings == (), block.place


@documents
def test_every_link_leads_somewhere(path: Path) -> None:
    assert [target for target in links(path) if not (path.parent / target).exists()] == []


def test_every_document_is_reached_from_the_readme() -> None:
    linked = {(ROOT / target).resolve() for target in links(ROOT / "README.md")}

    assert set(ROOT.glob("docs/*.md")) <= linked


def test_every_target_that_is_told_of_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {
        target
        for path in DOCUMENTS
        for target in re.findall(r"^(?:\$ )?make ([a-z-]+)", "\n".join(_code(path)), re.MULTILINE)
    }

    assert told <= targets
    assert {"run", "test", "check", "bench", "soak", "docs"} <= targets


def _code(path: Path) -> Iterator[str]:
    """Yield what a document sets as code: in blocks, but for programs, and in backticks."""
    yield from (block.content for block in blocks(path) if block.language != "python")
    yield from (found + " " for found in re.findall(r"`([^`\n]+)`", prose(path)))


def test_the_version_stands_in_one_place() -> None:
    version = (ROOT / "VERSION").read_text().strip()
    said = subprocess.run(
        [shutil.which("sinkwell", path=str(Path(sys.executable).parent)) or "", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout.strip() == f"sinkwell {version}"
    for member in (ROOT / "core", *ROOT.glob("plugins/*")):
        project = tomllib.loads((member / "pyproject.toml").read_text())["project"]
        assert project["dynamic"] == ["version"], member
