"""The source type ``screenshotcenter`` keeps the contract of sources."""

import pytest
from contract.screenshotcenter_double import OtherHeader, ScreenshotCenterDouble

from sinkwell.contract.source import AnySourceType
from sinkwell.sources.screenshotcenter import SCREENSHOTCENTER
from sinkwell.testing import Provider, SourceContract


class TestScreenshotCenter(SourceContract):
    @pytest.fixture
    def source_type(self) -> AnySourceType:
        return SCREENSHOTCENTER

    @pytest.fixture
    def section(self) -> dict[str, object]:
        return {"type": "screenshotcenter", "secrets": list(ScreenshotCenterDouble.secrets)}

    @pytest.fixture
    def provider(self) -> Provider:
        return ScreenshotCenterDouble()


class TestTheOtherHeader(TestScreenshotCenter):
    @pytest.fixture
    def provider(self) -> Provider:
        return OtherHeader()
