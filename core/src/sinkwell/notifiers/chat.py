"""The notifier type ``chat``: messages to people, by Apprise (the extra ``sinkwell[chat]``)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from sinkwell.contract import (
    Duration,
    Event,
    Notifier,
    NotifierBatch,
    NotifierContext,
    NotifierSettings,
    NotifierType,
    Secret,
    TransientError,
    UnusableError,
)
from sinkwell.notifiers.formats import TemplateFormat

_TITLE = "Sinkwell"
_MOST_LINES = 20
_TEMPLATE = (
    "{{ event.type }}: {{ event.data.sink or event.data.source or event.subject }}"
    "{% if event.data.error %} ({{ event.data.error }}){% endif %}"
    "{% if event.data.link %} {{ event.data.link.url }}{% endif %}"
)


class ChatSettings(NotifierSettings, frozen=True, kw_only=True):
    """The keys of the section, beside those that every notifier has."""

    urls: tuple[Secret, ...]
    """Where messages go, as Apprise writes it: ``slack://…``, ``mailto://…``; each a secret."""
    template: str = _TEMPLATE
    """A Jinja template of the message for one event."""
    batch: NotifierBatch | None = NotifierBatch(max_events=1000, max_wait=Duration(60))
    """What comes within this time is one message: a digest, where it is more than one event."""
    concurrency: int = 1
    """How many messages are on their way at once, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.urls:
            raise ValueError("urls must name one address at least")
        try:
            TemplateFormat(self.template, "text/plain", strict=False)
        except ValueError as error:
            raise ValueError(f"template {error}") from None


class ChatNotifier(Notifier):
    """Sends each message to all addresses."""

    def __init__(self, apprise: Any, settings: ChatSettings, context: NotifierContext) -> None:
        self._apprise = apprise
        self._name = context.name
        self._template = TemplateFormat(settings.template, "text/plain", strict=False)

    async def notify(self, event: Event) -> None:
        """Send the message of one event."""
        await self._send(self._template.one(event).body.decode())

    async def notify_batch(self, events: Sequence[Event]) -> None:
        """Send one message of several events: the most frequent first, each kind on a line."""
        if len(events) == 1:
            await self.notify(events[0])
        else:
            await self._send(digest(events))

    async def close(self) -> None:
        """Nothing is held."""

    async def _send(self, text: str) -> None:
        if not await self._apprise.async_notify(body=text, title=_TITLE):
            raise TransientError(
                f"notifier {self._name!r}: one address at least took no message; "
                "the log of Apprise says which"
            )


def digest(events: Sequence[Event]) -> str:
    """Return a message of several events: how many of which, and what the newest one says."""
    counts: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], str] = {}
    for event in events:
        data = event.data
        where = getattr(data, "sink", None) or getattr(data, "source", None) or ""
        kind = (event.type, where)
        counts[kind] += 1
        newest[kind] = getattr(data, "error", "") or newest.get(kind, "")
    minutes = max(1, round((events[-1].time - events[0].time) / 60))
    lines = [f"{len(events)} events within {minutes} min"]
    for (name, where), count in counts.most_common(_MOST_LINES):
        line = f"{count} times {name}" + (f": {where}" if where else "")
        lines.append(line + (f" ({newest[name, where]})" if newest[name, where] else ""))
    if len(counts) > _MOST_LINES:
        lines.append(f"and {len(counts) - _MOST_LINES} other kinds")
    return "\n".join(lines)


async def _open(settings: ChatSettings, context: NotifierContext) -> Notifier:
    try:
        module = await asyncio.to_thread(import_module, "apprise")  # it is slow to load
    except ImportError as error:
        raise UnusableError(
            f"notifier {context.name!r} needs Apprise: pip install 'sinkwell[chat]'"
        ) from error
    apprise = module.Apprise()
    for number, url in enumerate(settings.urls, 1):
        if not apprise.add(url.reveal()):
            raise UnusableError(
                f"notifier {context.name!r}: Apprise does not understand number {number} of urls"
            )
    return ChatNotifier(apprise, settings, context)


CHAT = NotifierType(
    name="chat",
    summary="Sends messages to Slack, Teams, Discord, e-mail and others, by Apprise.",
    settings=ChatSettings,
    open=_open,
    batches=True,
)
