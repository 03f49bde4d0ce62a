"""How each message broker is connected to and spoken to; imported when one is used."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sinkwell.contract import Event
from sinkwell.notifiers.broker import UntakenError

_PATIENCE = 3.0
"""For an acknowledgement, in seconds: a connection that broke unheard is not waited for longer."""


class Link(ABC):
    """A connection to a broker. Its methods raise whatever the broker's library does."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    async def connect(self) -> None:
        """Connect."""
        await self._broker.connect()

    @abstractmethod
    async def publish(self, subject: str, body: bytes, event: Event) -> None:
        """Send a message, and return once the broker has acknowledged it."""

    async def stop(self) -> None:
        """End the connection."""
        await self._broker.stop()


class NatsLink(Link):
    """A JetStream stream knows repeats by ``Nats-Msg-Id``, and acknowledges each message."""

    def __init__(self, url: str, stream: str | None) -> None:
        from faststream.nats import NatsBroker

        # It is ours to try again: the notification has a schedule.
        super().__init__(
            NatsBroker(
                url,
                logger=None,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
            )
        )
        self._stream = stream

    async def publish(self, subject: str, body: bytes, event: Event) -> None:
        headers = {"Nats-Msg-Id": event.id}
        await self._broker.publish(
            body, subject, headers=headers, stream=self._stream, timeout=_PATIENCE
        )


class RedisLink(Link):
    """An entry of a Redis stream: ``data`` is the event as JSON."""

    def __init__(self, url: str, _: str | None) -> None:
        from faststream.redis import RedisBroker

        quiet: Any = None  # as of the others, though its type does not say so
        super().__init__(RedisBroker(url, logger=quiet))

    async def connect(self) -> None:
        self._client = await self._broker.connect()

    async def publish(self, subject: str, body: bytes, event: Event) -> None:
        # FastStream's own publish wraps the body so that only FastStream reads it.
        await self._client.xadd(subject, {"id": event.id, "type": event.type, "data": body})


class RabbitLink(Link):
    """A persistent message to a queue that must be there; the broker confirms it."""

    def __init__(self, url: str, _: str | None) -> None:
        from faststream.rabbit import Channel, RabbitBroker

        # Else what goes to no queue would be confirmed as well, and be gone.
        channel = Channel(on_return_raises=True)
        super().__init__(RabbitBroker(url, logger=None, default_channel=channel))

    async def publish(self, subject: str, body: bytes, event: Event) -> None:
        from aio_pika.exceptions import PublishError

        try:
            await self._broker.publish(
                body,
                routing_key=subject,
                persist=True,
                timeout=_PATIENCE,
                content_type="application/json",
                message_id=event.id,
                message_type=event.type,
            )
        except PublishError as error:
            raise UntakenError(
                f"there is no queue {subject!r}; declare it, or name another as subject"
            ) from error


class KafkaLink(Link):
    """A record whose key is the event's subject, so that those of one file stay in order."""

    def __init__(self, url: str, _: str | None) -> None:
        from faststream.kafka import KafkaBroker

        super().__init__(KafkaBroker(urlsplit(url).netloc.split(","), logger=None, acks="all"))

    async def publish(self, subject: str, body: bytes, event: Event) -> None:
        await self._broker.publish(
            body, subject, key=event.subject.encode(), headers={"event-id": event.id}
        )


class MqttLink(Link):
    """A message with quality of service 1: the broker acknowledges it."""

    def __init__(self, url: str, _: str | None) -> None:
        from faststream.mqtt import MQTTBroker, QoS

        super().__init__(MQTTBroker(url, logger=None))
        self._qos = QoS.AT_LEAST_ONCE

    async def publish(self, subject: str, body: bytes, event: Event) -> None:
        await self._broker.publish(
            body, subject.replace(".", "/"), qos=self._qos, headers={"event-id": event.id}
        )


LINKS: dict[str, Callable[[str, str | None], Link]] = {
    "nats": NatsLink,
    "redis": RedisLink,
    "rabbit": RabbitLink,
    "kafka": KafkaLink,
    "mqtt": MqttLink,
}


def make_link(kind: str, url: str, stream: str | None) -> Link:
    """Make a link that is not connected yet. Raises ``ImportError`` without the library."""
    return LINKS[kind](url, stream)
