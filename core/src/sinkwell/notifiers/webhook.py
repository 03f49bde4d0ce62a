"""The notifier type ``webhook``: events posted to a URL, signed as Standard Webhooks says."""

from sinkwell.contract import Notifier, NotifierContext, NotifierType
from sinkwell.notifiers.webhook_settings import WebhookSettings


async def _open(settings: WebhookSettings, context: NotifierContext) -> Notifier:
    # Imported here: who has no webhook need not wait for aiohttp at each start.
    from sinkwell.notifiers.webhook_client import WebhookNotifier

    return WebhookNotifier(settings, context)


WEBHOOK = NotifierType(
    name="webhook",
    summary="Posts events to a URL, signed as Standard Webhooks says.",
    settings=WebhookSettings,
    open=_open,
    batches=True,
)
