"""The sink keeps the contract: `pytest` prints a table of every promise."""

import pytest

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import SinkContract
from sinkwell_sftp import SFTP
from sinkwell_sftp.upload import PIECE


class TestSftp(SinkContract):
    part_size = PIECE

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return SFTP
