"""``sinkwell demo``: what a newcomer sees, and that nothing of it stays."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from instances import SINKWELL

TODAY = r"\d{4}/\d\d/\d\d"
FATES = (
    rf"a PNG +200 +stored as screenshots/{TODAY}/demo1\.png",
    rf"a JPEG +200 +stored as screenshots/{TODAY}/demo2\.jpg",
    rf"a WebP +200 +stored as screenshots/{TODAY}/demo3\.webp",
    rf"a PDF +200 +stored as screenshots/{TODAY}/demo4\.pdf",
    r"the PNG again +200 +duplicate",
    r"a wrong secret +403 +refused",
    r"status=ERR +200 +recorded as failed by the provider \(ERR\)",
)


def environ(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(tmp_path)}


def run_demo(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, env=environ(tmp_path), timeout=120, check=False
    )


def processes_in(directory: Path) -> list[str]:
    """Return the command lines of processes that were told of a directory."""
    told = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended just now
    return [line for line in told if str(directory) in line]


def test_the_demo_shows_what_became_of_each_callback_and_leaves_nothing(tmp_path: Path) -> None:
    done = run_demo(tmp_path, *SINKWELL, "demo")

    assert done.returncode == 0, done.stderr
    for fate in FATES:
        assert re.search(f"^{fate}", done.stdout, re.MULTILINE), done.stdout
    assert re.search(r"├── demo1\.png  \d+\.\d kB\n", done.stdout)
    assert re.search(r"└── demo4\.pdf  \d+ B\n", done.stdout)
    assert done.stdout.splitlines()[-1].startswith("Next: make run ")
    assert "\x1b" not in done.stdout, "a pipe is no place for colours"
    assert list(tmp_path.iterdir()) == []
    assert processes_in(tmp_path) == []


def test_the_demo_is_not_moved_by_the_settings_of_the_users_own_instance(tmp_path: Path) -> None:
    hostile = {"SINKWELL_SERVER__PORT": "1", "SINKWELL_SINKS__LOCAL__ROOT": "/proc/nowhere"}

    done = subprocess.run(
        [*SINKWELL, "demo"],
        env={**environ(tmp_path), **hostile},
        capture_output=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_a_kept_demo_can_be_looked_into(tmp_path: Path) -> None:
    done = run_demo(tmp_path, *SINKWELL, "demo", "--keep")

    told = re.search(r"sinkwell files --data-dir (\S+)", done.stdout)
    assert told is not None, done.stdout
    listed = run_demo(tmp_path, *SINKWELL, "files", "--json", "--data-dir", told[1])
    assert len(listed.stdout.splitlines()) == 4
    assert processes_in(tmp_path) == []


def test_an_instance_that_does_not_start_ends_the_demo_with_its_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        script = (
            "from sinkwell.cli import main, throwaway;"
            f"throwaway._free_port = lambda: {taken.getsockname()[1]};"
            "main(['demo'])"
        )
        done = run_demo(tmp_path, sys.executable, "-c", script)

    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1" in done.stderr
    assert "error: the instance ended with exit code 1" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_stored_file_of_other_bytes_fails_the_demo(tmp_path: Path) -> None:
    script = """
from sinkwell.cli import demo, main

def show_and_tamper(outcomes, root, show=demo._show):
    show(outcomes, root)
    picture = next(root.rglob("*.png"))
    picture.write_bytes(picture.read_bytes()[:-1] + b"!")

demo._show = show_and_tamper
main(["demo"])
"""
    done = run_demo(tmp_path, sys.executable, "-c", script)

    assert done.returncode == 1
    assert "are not those that were sent" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_interrupted_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    demo = subprocess.Popen(
        [*SINKWELL, "demo"],
        env=environ(tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not processes_in(tmp_path) and time.monotonic() < until:
        time.sleep(0.02)
    assert processes_in(tmp_path), "its instance never started"

    demo.send_signal(number)

    assert demo.wait(30) != 0
    assert list(tmp_path.iterdir()) == []
    assert processes_in(tmp_path) == []
