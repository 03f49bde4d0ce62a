"""Directories whose names outlive a power cut."""

import os
from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory, and those above it that lack, for its owner alone; durably.

    Raises ``OSError`` when that cannot be done.
    """
    missing = [lacking for lacking in (path, *path.parents) if not lacking.exists()]
    for lacking in reversed(missing):
        lacking.mkdir(mode=0o700, exist_ok=True)
        sync_directory(lacking.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises ``OSError``."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
