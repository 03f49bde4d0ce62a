"""Fixtures that all tests may use."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gcs_support import gcs_place, gcs_stub
from instances import Instance
from object_servers import authority, fake_gcs, rclone, seaweedfs

__all__ = [
    "authority",
    "fake_gcs",
    "gcs_place",
    "gcs_stub",
    "rclone",
    "seaweedfs",
]  # fixtures live by being found here

# Hundreds of programs are started here. With compiled modules at hand, as where Sinkwell is
# installed, a start takes a third.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture
def make_instance(tmp_path: Path) -> Iterator[Callable[..., Instance]]:
    """Return a maker of instances, each in a directory of its own; all end with the test."""
    made: list[Instance] = []

    def make(**options: Any) -> Instance:
        options.setdefault("directory", tmp_path / f"instance-{len(made)}")
        made.append(Instance(**options))
        return made[-1]

    yield make
    for instance in made:
        instance.kill()


@pytest.fixture
def instance(make_instance: Callable[..., Instance]) -> Instance:
    """Return a running instance with one Shotbot source and one local sink."""
    running = make_instance()
    running.start()
    return running
