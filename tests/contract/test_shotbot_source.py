"""The source type ``shotbot`` keeps the contract of sources."""

import pytest
from contract.shotbot_double import ShotbotDouble

from sinkwell.contract.source import AnySourceType
from sinkwell.sources.shotbot import SHOTBOT
from sinkwell.testing import Provider, SourceContract


class TestShotbot(SourceContract):
    @pytest.fixture
    def source_type(self) -> AnySourceType:
        return SHOTBOT

    @pytest.fixture
    def section(self) -> dict[str, object]:
        return {"type": "shotbot", "secrets": list(ShotbotDouble.secrets)}

    @pytest.fixture
    def provider(self) -> Provider:
        return ShotbotDouble()
