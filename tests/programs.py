"""Programs and rights that some tests need beyond Python: never missing in silence.

Where ``CI`` is ``true`` a test fails for want of one; elsewhere it is skipped, with a reason that
names the command which lets it run.
"""

import os
import shutil
import subprocess
from typing import NoReturn

import pytest


def need(program: str, package: str | None = None) -> None:
    """Go on where ``program``, a name or a path, is installed; its package has the same name."""
    if shutil.which(program) is None:
        install = f"sudo apt-get install --yes {package or program}"
        _cannot_run(f"{program} is not installed", install)


def need_tracing() -> None:
    """Go on where strace is installed and may trace: some containers forbid it."""
    need("strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], check=False).returncode:
        _cannot_run("strace may not trace here", "docker run --cap-add SYS_PTRACE …")


def need_root() -> None:
    """Go on for root: no one else may mount a file system."""
    if os.geteuid():
        _cannot_run("mounting a small tmpfs is for root", "sudo make test")


def _cannot_run(lacking: str, cure: str) -> NoReturn:
    reason = f"{lacking}; it runs after: {cure}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
