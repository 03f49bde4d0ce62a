"""The control socket: how commands reach the instance that runs on a data directory."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_NAME = "control.sock"


@contextmanager
def control_address(data_dir: Path) -> Generator[str, None, None]:
    """Give an address of the socket that always fits: a plain path may have but 107 bytes."""
    fd = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{_NAME}"
    finally:
        os.close(fd)
