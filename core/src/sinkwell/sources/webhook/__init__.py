"""The source type ``webhook``: any provider's callbacks, by settings alone or by a preset."""

from sinkwell.contract import Source, SourceContext, SourceType
from sinkwell.sources.webhook.settings import WebhookSettings
from sinkwell.sources.webhook.source import Webhook


def _open(settings: WebhookSettings, _: SourceContext) -> Source:
    return Webhook(settings)


WEBHOOK = SourceType(
    name="webhook",
    summary="Callbacks of any service, by settings: multipart, raw, JSON with a link or Base64.",
    settings=WebhookSettings,
    open=_open,
    default_key="{source}/{yyyy}/{mm}/{dd}/{id}.{ext}",
)
