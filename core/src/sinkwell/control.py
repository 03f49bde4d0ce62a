"""A data directory from outside: its ledger and the control socket of what runs on it."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

LEDGER_NAME = "ledger.sqlite3"
"""The ledger's file in a data directory, by which commands know one."""
_NAME = "control.sock"


@contextmanager
def control_address(data_dir: Path) -> Generator[str, None, None]:
    """Give an address of the socket that always fits: a plain path may have but 107 bytes."""
    fd = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{fd}/{_NAME}"
    finally:
        os.close(fd)
