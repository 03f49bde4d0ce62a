"""What the run needs beyond the project: environments of its own, made on first use.

They live in the cache directory, from the pinned lists in ``recipes/``; the project's own
environment is left alone.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

PINNED = Path(__file__).parent / "recipes"


class MissingError(Exception):
    """Something is not installed here; ``cure`` is the command that changes that."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}; it runs after: {cure}")


def need_program(name: str, cure: str) -> None:
    """Raise ``MissingError`` where ``name`` is not on the path."""
    if shutil.which(name) is None:
        raise MissingError(f"{name} is not installed", cure)


def python_environment(cache: Path, name: str) -> Path:
    """Return the ``bin`` directory of the environment made of ``recipes/NAME.txt``."""
    pinned = PINNED / f"{name}.txt"
    place = cache / name
    if _is_current(place, pinned):
        return place / "bin"
    print(f"making the environment {name} …", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", str(place)])
    pip = [str(place / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "install", "--requirement", str(pinned)])
    _mark_current(place, pinned)
    return place / "bin"


def node_environment(cache: Path, name: str) -> Path:
    """Return a directory with the script of ``recipes/NAME`` and its node_modules."""
    need_program("npm", "sudo apt-get install --yes nodejs npm")
    source = PINNED / name
    place = cache / name
    lock = source / "package-lock.json"
    place.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        shutil.copy(file, place)
    if not _is_current(place, lock):
        print(f"making the environment {name} …", flush=True)
        _run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], place)
        _mark_current(place, lock)
    return place


def _run(command: list[str], cwd: Path | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, check=False, text=True, capture_output=True, timeout=600
    )
    if done.returncode:
        raise MissingError(
            f"{' '.join(command)} failed: {done.stderr[-1500:]}", "make bench, again"
        )


def _is_current(place: Path, pinned: Path) -> bool:
    mark = place / ".made-from"
    return mark.exists() and mark.read_text() == _digest(pinned)


def _mark_current(place: Path, pinned: Path) -> None:
    (place / ".made-from").write_text(_digest(pinned))


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def make_certificates(cache: Path, place: Path) -> None:
    """Write an authority, ``ca.pem``, and what it vouches for, ``chain.pem`` and ``key.pem``."""
    python = python_environment(cache, "tools") / "python"
    _run([str(python), "-m", "trustme", "--quiet", "-i", "127.0.0.1", "-d", str(place)])
    for made, name in (("client.pem", "ca"), ("server.pem", "chain"), ("server.key", "key")):
        (place / made).rename(place / f"{name}.pem")
