"""The notifier type ``broker``: events to a message broker, by FastStream."""

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import structlog

from sinkwell.contract import (
    Event,
    Notifier,
    NotifierContext,
    NotifierSettings,
    NotifierType,
    Secret,
    TransientError,
    UnusableError,
)

if TYPE_CHECKING:  # imported where it is used: it is slow to load
    from sinkwell.notifiers.brokers import Link

_KINDS = {
    "amqp": "rabbit",
    "amqps": "rabbit",
    "kafka": "kafka",
    "mqtt": "mqtt",
    "mqtts": "mqtt",
    "nats": "nats",
    "redis": "redis",
    "rediss": "redis",
    "tls": "nats",
}

_ENDING = 1.0

log = structlog.get_logger()


class BrokerSettings(NotifierSettings, frozen=True, kw_only=True):
    """The keys of the section, beside those that every notifier has."""

    url: Secret
    """Where the broker is; a secret, as it may hold a password: ``nats://…``, ``redis://…``,
    ``kafka://…``, ``amqp://…``, ``mqtt://…``."""
    subject: str = "sinkwell.{type}"
    """The subject, topic, queue or stream of a message; ``{type}`` is the event's."""
    stream: str | None = None
    """For NATS, and needed there: the JetStream stream that must acknowledge each message."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind is None:
            raise ValueError(f"url must begin with one of {', '.join(_KINDS)} and ://")
        if (self.stream is not None) != (self.kind == "nats"):
            raise ValueError("stream is for NATS, and needed there: it acknowledges messages")
        if not self.subject or any(char.isspace() for char in self.subject):
            raise ValueError("subject must be a name without spaces")

    @property
    def kind(self) -> str | None:
        """Which broker it is, by the scheme of the URL."""
        return _KINDS.get(urlsplit(self.url.reveal()).scheme)


class UntakenError(Exception):
    """The broker has said, over a good connection, that it keeps a message nowhere, and why."""


class BrokerNotifier(Notifier):
    """Publishes events. A connection on which something failed is made anew for the next event."""

    def __init__(self, settings: BrokerSettings, context: NotifierContext) -> None:
        self._settings = settings
        self._whom = f"notifier {context.name!r}: the broker"
        self._link: Link | None = None
        self._connecting = asyncio.Lock()

    async def notify(self, event: Event) -> None:
        """Publish one event, and wait for the broker's word that it has it."""
        subject = self._settings.subject.replace("{type}", event.type)
        body = msgspec.json.encode(event.as_dict())
        try:
            async with asyncio.timeout(self._settings.timeout):
                link = await self._connected()
                await link.publish(subject, body, event)
        except ImportError as error:
            raise UnusableError(
                f"{self._whom} needs FastStream: pip install 'sinkwell[broker]'"
            ) from error
        except UntakenError as error:
            raise TransientError(f"{self._whom} did not take the message: {error}") from error
        except Exception as error:
            await self.close()
            # Not the text of the error: it may hold the URL.
            what = f"{self._whom} did not take the message: {type(error).__name__}"
            raise TransientError(what) from error

    async def close(self) -> None:
        """End the connection."""
        link, self._link = self._link, None
        if link is None:
            return
        try:
            async with asyncio.timeout(_ENDING):
                await link.stop()
        except Exception as error:  # noqa: BLE001 - what is broken cannot be ended in order
            log.debug("a connection to a broker broke", error=type(error).__name__)

    async def _connected(self) -> "Link":
        async with self._connecting:
            if self._link is None:
                # In a thread: a broker's library takes a second to load.
                await asyncio.to_thread(import_module, f"faststream.{self._settings.kind}")
                module = await asyncio.to_thread(import_module, "sinkwell.notifiers.brokers")
                url = self._settings.url.reveal()
                link: Link = module.make_link(self._settings.kind, url, self._settings.stream)
                self._link = link  # from here on ``close`` ends it, also half connected
                await link.connect()
            return self._link


async def _open(settings: BrokerSettings, context: NotifierContext) -> Notifier:
    return BrokerNotifier(settings, context)


BROKER = NotifierType(
    name="broker",
    summary="Publishes events to NATS, Kafka, RabbitMQ, Redis or MQTT, by FastStream.",
    settings=BrokerSettings,
    open=_open,
)
