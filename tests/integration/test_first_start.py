"""``sinkwell serve`` without settings: what it prints and what it makes."""

import shutil
import stat
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from instances import SINKWELL

from sinkwell import samples


def _first_start(directory: Path) -> subprocess.Popen[str]:
    """Start without settings, and read until the welcome's last line, the one with curl."""
    return subprocess.Popen(
        [*SINKWELL, "serve", "--port", "0"],
        cwd=directory,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _curl_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return next(line.strip() for line in process.stdout if line.strip().startswith("curl "))


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=30)


@pytest.mark.parametrize("name", ["plain", "with 'quotes' and $pace [bold]"])
def test_the_printed_curl_line_works_as_it_stands(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    process = _first_start(directory)
    try:
        done = subprocess.run(
            _curl_line(process),
            shell=True,
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        until = time.monotonic() + 30
        files = directory / "sinkwell-data" / "files"
        while not (found := list(files.rglob("*.png"))) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        _end(process)

    assert "callback_id" in msgspec.json.decode(done.stdout)
    assert [path.read_bytes() for path in found] == [samples.png("sinkwell")]


def test_the_secret_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    secret = tmp_path / "sinkwell-data" / "shotbot.secret"
    kept = []
    for _ in range(2):
        process = _first_start(tmp_path)
        _curl_line(process)
        _end(process)
        kept.append(secret.read_text())

    assert kept[0] == kept[1]
    assert len(kept[0]) >= 32
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    shutil.rmtree(secret.parent)
    process = _first_start(tmp_path)
    _curl_line(process)
    _end(process)
    assert secret.read_text() != kept[0], "another place, another secret"
