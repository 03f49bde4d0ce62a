"""The command line: help, and what ends with which exit code."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from instances import SECRET, SINKWELL, Instance

from sinkwell import samples
from sinkwell.cli import COMMANDS, main


def sinkwell(
    *arguments: str, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*SINKWELL, *arguments],
        cwd=cwd,
        env={**os.environ, "SHOTBOT_SECRET": SECRET, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def commands() -> Iterator[tuple[str, ...]]:
    """Yield every command that there is, with those inside others."""
    for name in COMMANDS:
        yield (name,)
        command = main.resolve_command(click.Context(main), [name])[1]
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


@pytest.mark.parametrize("command", [*commands()], ids=" ".join)
def test_every_command_explains_itself_and_all_its_options(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(main, [*command, "--help"], env={"COLUMNS": "100"})

    assert shown.exit_code == 0
    assert f"sinkwell {' '.join(command)}" in shown.output.replace("main", "sinkwell")
    found: Any = main
    for name in command:
        found = found.resolve_command(click.Context(found), [name])[1]
    assert found.help
    undescribed = [
        option.name
        for option in found.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert undescribed == []


def test_help_is_quick_as_it_imports_neither_web_nor_database() -> None:
    script = """
import sys
from sinkwell.cli import main
main(["--help"], standalone_mode=False)
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )

    imported = done.stdout.partition("imported: ")[2].split()
    assert "rich_click" in imported
    assert {"litestar", "sqlalchemy", "uvicorn", "httpx", "alembic"} & {*imported} == set()


def test_check_is_fine_with_the_embedded_default(tmp_path: Path) -> None:
    done = sinkwell("check", cwd=tmp_path)

    assert done.returncode == 0
    assert "✗" not in done.stdout
    assert list((tmp_path / "sinkwell-data" / "files").rglob("sinkwell-check*")) == []


def test_check_fails_with_1_when_a_sink_does_not_work(tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("no directory")
    environ = {"SINKWELL_SINKS__LOCAL__ROOT": str(tmp_path / "in-the-way")}

    for_eyes = sinkwell("check", cwd=tmp_path, **environ)
    for_programs = sinkwell("check", "--json", cwd=tmp_path, **environ)

    assert (for_eyes.returncode, for_programs.returncode) == (1, 1)
    assert re.search(r"✗ sink local .*in-the-way", for_eyes.stdout)
    findings = [msgspec.json.decode(line) for line in for_programs.stdout.splitlines()]
    assert all(set(found) == {"area", "level", "what", "advice"} for found in findings)
    assert [found["area"] for found in findings if found["level"] == "failed"] == ["sink local"]


def test_a_mistyped_setting_ends_with_2_and_names_its_line_and_the_nearest_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "sinkwell.toml").write_text(
        '[sources.shotbot]\ntype = "shotbot"\nsecrets = ["env:SHOTBOT_SECRET"]\n'
        '[sinks.disk]\ntype = "local"\nroot = "files"\nconcurency = 4\n'
    )

    for command in ("check", "serve"):
        done = sinkwell(command, "--config", "sinkwell.toml", cwd=tmp_path)
        assert done.returncode == 2
        assert "sinkwell.toml:7:" in done.stderr
        assert 'did you mean "concurrency"?' in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["files", "--stat"], ["nothing"], ["files", "--limit", "0"], ["serve", "--port", "x"]],
)
def test_a_wrong_call_ends_with_2(arguments: list[str], tmp_path: Path) -> None:
    done = sinkwell(*arguments, cwd=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error" in done.stderr


@pytest.mark.parametrize("command", ["files", "deliveries", "events"])
def test_a_list_of_a_place_without_a_ledger_ends_with_1_and_says_what_to_do(
    command: str, tmp_path: Path
) -> None:
    done = sinkwell(command, cwd=tmp_path)

    assert done.returncode == 1
    assert "--data-dir" in done.stderr
    assert list(tmp_path.iterdir()) == [], "looking makes nothing"


def test_a_retry_that_cannot_be_ends_with_1_and_says_why(instance: Instance) -> None:
    instance.post("token1", samples.png("retry"))
    instance.wait_drained()
    (delivery,) = instance.rows("deliveries")

    unknown = instance.run("deliveries", "retry", "d0")
    gone = instance.run("deliveries", "retry", delivery["id"])

    assert (unknown.returncode, gone.returncode) == (1, 1)
    assert "there is no delivery d0" in unknown.stderr
    assert "retention" in gone.stderr


def test_a_rejected_delivery_is_tried_again_on_request(
    make_instance: Callable[..., Instance],
) -> None:
    instance = make_instance(environ={"SINKWELL_SINKS__LOCAL__KEY": "{token}.{ext}"})
    instance.start()
    picture = samples.png("ours")
    instance.root.mkdir(exist_ok=True)
    (instance.root / "token1.png").write_bytes(samples.png("someone else's"))
    instance.post("token1", picture)
    instance.wait_drained()
    (rejected,) = instance.rows("deliveries", "--state", "rejected")
    assert rejected["error"]
    (instance.root / rejected["key"]).unlink()

    done = instance.run("deliveries", "retry", rejected["id"])

    assert (done.returncode, done.stdout) == (0, f"{rejected['id']} is due again at sink local\n")
    instance.wait_drained()
    assert instance.stored() == {"token1.png": picture}


def test_a_second_serve_on_one_data_directory_ends_with_1_and_names_the_first(
    instance: Instance,
) -> None:
    assert instance.process is not None

    done = instance.run("serve", "--port", "0")

    assert done.returncode == 1
    assert f"another Sinkwell (process {instance.process.pid}) runs on" in done.stderr


def test_a_port_that_is_taken_ends_with_1_and_says_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = sinkwell("serve", "--port", str(taken.getsockname()[1]), cwd=tmp_path)

    assert done.returncode == 1
    assert "Choose another with --port" in done.stderr
