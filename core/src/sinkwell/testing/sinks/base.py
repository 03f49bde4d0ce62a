"""The fixtures of the kit for sinks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing.sinks.bench import MIB, Bench
from sinkwell.testing.sinks.destination import LARGE, Destination


class SinkKit:
    """The fixtures that a sink's author gives, and what follows from them."""

    kit = "sink"

    part_size: int | None = None
    """Where the sink cuts files into parts, in bytes; sizes around its multiples are tried."""

    @pytest.fixture
    def section(self) -> dict[str, object]:
        """Return a section of the settings."""
        raise NotImplementedError(
            "give a fixture section: the keys of [sinks.NAME] for a fresh, empty place"
        )

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        """Return the type that is put to the test."""
        raise NotImplementedError("give a fixture sink_type that returns your SinkType")

    @pytest.fixture
    def destination(self) -> Destination:
        """Return the far side as someone sees it who does not use the sink."""
        raise NotImplementedError("give a fixture destination that returns your Destination")

    @pytest.fixture
    def bench(
        self,
        sink_type: AnySinkType,
        section: dict[str, object],
        destination: Destination,
        tmp_path_factory: pytest.TempPathFactory,
    ) -> Iterator[Bench]:
        """Return the place, and files to put there; these are removed with the test."""
        directory: Path = tmp_path_factory.mktemp("blobs")
        sinks_own = tmp_path_factory.mktemp("sink")
        yield Bench(sink_type, section, destination, directory, sinks_own)
        for path in directory.iterdir():
            path.unlink()

    @property
    def part(self) -> int:
        """Where the sink cuts files, or may."""
        return self.part_size or 256 * 1024

    @property
    def large(self) -> int:
        """Bytes of a file that is several parts, and that faults strike in the middle."""
        return max(2 * LARGE, (self.part_size or 0) * 2 + MIB // 2)
