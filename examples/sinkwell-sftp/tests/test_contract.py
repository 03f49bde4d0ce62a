"""The sink keeps the contract: `pytest` prints a table of every promise."""

from pathlib import Path

import pytest
from sftp_place import Server, SftpDestination, section_of

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import Destination, SinkContract
from sinkwell_sftp import SFTP
from sinkwell_sftp.upload import PIECE


class TestSftp(SinkContract):
    part_size = PIECE

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return SFTP

    @pytest.fixture
    def section(self, server: Server, disk: Path) -> dict[str, object]:
        return section_of(server, disk / "root")

    @pytest.fixture
    def destination(self, server: Server, disk: Path) -> Destination:
        return SftpDestination(disk / "root", server)
