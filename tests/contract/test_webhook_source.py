"""The source type ``webhook`` keeps the contract of sources, with every preset and scheme."""

import pytest
from contract.webhook_doubles import BY_SETTINGS, PRESETS, WebhookDouble

from sinkwell.contract.source import AnySourceType
from sinkwell.sources.webhook import WEBHOOK
from sinkwell.sources.webhook.presets import PRESETS as KNOWN
from sinkwell.testing import SourceContract


class WebhookContract(SourceContract):
    double: WebhookDouble

    @pytest.fixture
    def source_type(self) -> AnySourceType:
        return WEBHOOK

    @pytest.fixture
    def section(self) -> dict[str, object]:
        secrets = {"secrets": list(self.double.secrets)} if self.double.secrets else {}
        return {"type": "webhook", **secrets, **self.double.section}

    @pytest.fixture
    def provider(self) -> WebhookDouble:
        return self.double


for name, make in PRESETS.items():
    if name == "gotenberg-events":  # brings no files, which the kit asks for; see test_presets.py
        continue
    title = f"TestPreset{name.title().replace('-', '')}"
    globals()[title] = type(title, (WebhookContract,), {"double": make()})

for name, make in BY_SETTINGS.items():
    title = f"TestScheme{name.title().replace('-', '')}"
    globals()[title] = type(title, (WebhookContract,), {"double": make(), "mutations": 500})


def test_every_preset_is_played() -> None:
    assert [*PRESETS] == [*KNOWN]
