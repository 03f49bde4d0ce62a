"""One test class for each mutant; run by ``test_sink_kit.py``, each for one test alone."""

import pytest
from contract.shelf import PIECE
from contract.shelf_room import ShelfRoom
from contract.sink_mutants.base import every_mutant

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import SinkContract


class OfShelf(ShelfRoom, SinkContract):
    part_size = PIECE

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return every_mutant()[type(self).__name__.removeprefix("Test")].type


globals().update({f"Test{name}": type(f"Test{name}", (OfShelf,), {}) for name in every_mutant()})
