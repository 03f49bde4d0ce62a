"""The notifier type ``broker``: the contract on NATS and Redis; RabbitMQ and MQTT; all real."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aio_pika
import msgspec
import nats
import pytest
import redis
import zmqtt
from instances import free_port

from sinkwell.contract import Notifier, NotifierContext, TransientError
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.contract.settings import decode_custom
from sinkwell.notifiers.broker import BROKER, BrokerSettings
from sinkwell.testing import (
    Arrival,
    NotifierContract,
    NotifierFault,
    NotifierFaults,
    NotOffered,
    Receiver,
)
from sinkwell.testing.kit import in_loop
from sinkwell.testing.notifiers.base import Talk, example

UNTOLD = NotOffered("a broker takes a message or it does not")


class Server:
    """A process that takes messages, and can be away."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.start()

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise AssertionError(f"{self.command()[0]} did not start")

    def close(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @contextmanager
    def away(self) -> Iterator[None]:
        self.close()
        yield
        self.start()

    def faults(self) -> NotifierFaults:
        others = dict.fromkeys(NotifierFault, UNTOLD)
        return others | {NotifierFault.UNREACHABLE: self.away}


class Nats(Server, Receiver):
    def command(self) -> list[str]:
        program = Path(sys.executable).with_name("nats-server")
        place = ["-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.directory)]
        return [str(program), "-js", *place]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def make_stream(self) -> None:
        async def make() -> None:
            client = await nats.connect(self.url)
            await client.jetstream().add_stream(name="events", subjects=["sinkwell.>"])
            await client.close()

        asyncio.run(make())

    def received(self) -> Sequence[Arrival]:
        async def read() -> list[Arrival]:
            client = await nats.connect(self.url)
            stream = client.jetstream()
            count = (await stream.stream_info("events")).state.messages
            found = [await stream.get_msg("events", at) for at in range(1, count + 1)]
            await client.close()
            events = [msgspec.json.decode(message.data or b"") for message in found]
            return [Arrival(event["id"], event["type"]) for event in events]

        found: list[Arrival] = in_a_thread(read)
        return found


class Redis(Server, Receiver):
    def command(self) -> list[str]:
        program = shutil.which("redis-server")
        assert program is not None, "redis-server is needed: make system-tools"
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.directory)]
        return [program, *place, "--appendonly", "yes", "--save", ""]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def received(self) -> Sequence[Arrival]:
        with redis.Redis(port=self.port) as client:
            entries: Any = client.xrange("events")
        events = [msgspec.json.decode(fields[b"data"]) for _, fields in entries]
        return [Arrival(event["id"], event["type"]) for event in events]


class Rabbit(Server):
    def __init__(self, directory: Path) -> None:
        self.names_port = free_port()
        super().__init__(directory)

    def close(self) -> None:
        super().close()
        # It has started a server of names that outlives it.
        subprocess.run(["epmd", "-port", str(self.names_port), "-kill"], check=False)

    def command(self) -> list[str]:
        program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        assert program.exists(), "rabbitmq-server is needed: make system-tools"
        environ = {
            "HOME": self.directory,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self.names_port,
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.directory / "none",
            "RABBITMQ_LOG_BASE": self.directory,
            "RABBITMQ_MNESIA_BASE": self.directory,
            "RABBITMQ_NODENAME": "sinkwell@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
        }
        return ["env", *(f"{name}={value}" for name, value in environ.items()), str(program)]

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"


class Mosquitto(Server):
    def command(self) -> list[str]:
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
        assert program is not None, "mosquitto is needed: make system-tools"
        settings = self.directory / "mosquitto.conf"
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
        return [program, "-c", str(settings)]

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


def in_a_thread(read: Any) -> Any:
    """Run a coroutine beside the loop that runs already."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, read()).result()


class Kit(NotifierContract):
    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        return BROKER


class TestNats(Kit):
    @pytest.fixture
    def receiver(self, tmp_path: Path) -> Iterator[Receiver]:
        server = Nats(tmp_path)
        server.make_stream()
        yield server
        server.close()

    @pytest.fixture
    def section(self, receiver: Nats) -> dict[str, object]:
        return {"type": "broker", "url": receiver.url, "stream": "events"}

    @in_loop
    async def test_a_repeat_keeps_its_id(self, talk: Talk) -> None:
        """An event that is told twice is one message: JetStream knows it by its id."""
        event = example()
        async with talk.opened() as notifier:
            await talk.tell(notifier, event)
            await talk.tell(notifier, event)
        assert [each.event_id for each in await talk.heard([event])] == [event.id]


class TestRedis(Kit):
    @pytest.fixture
    def receiver(self, tmp_path: Path) -> Iterator[Receiver]:
        server = Redis(tmp_path)
        yield server
        server.close()

    @pytest.fixture
    def section(self, receiver: Redis) -> dict[str, object]:
        return {"type": "broker", "url": receiver.url, "subject": "events"}


@asynccontextmanager
async def opened(url: str, **keys: object) -> AsyncIterator[Notifier]:
    section = {"type": "broker", "url": url, **keys}
    settings = msgspec.convert(section, BrokerSettings, dec_hook=decode_custom)
    notifier = await BROKER.open(settings, NotifierContext("app"))
    yield notifier
    await notifier.close()


async def test_a_message_for_rabbitmq_stays_in_its_queue_and_is_refused_without_one(
    tmp_path: Path,
) -> None:
    server, event = Rabbit(tmp_path), example()
    try:
        async with opened(server.url, subject="events") as notifier:
            with pytest.raises(TransientError, match="there is no queue 'events'; declare it"):
                await notifier.notify(event)
            client = await aio_pika.connect(server.url)
            queue = await (await client.channel()).declare_queue("events", durable=True)

            await notifier.notify(event)

            message = await queue.get()
            await client.close()
        assert message is not None
        assert message.delivery_mode is aio_pika.DeliveryMode.PERSISTENT
        assert (message.message_id, message.type) == (event.id, event.type)
        assert message.body == msgspec.json.encode(event.as_dict())
    finally:
        server.close()


async def test_a_message_for_mqtt_reaches_who_subscribed(tmp_path: Path) -> None:
    server, event = Mosquitto(tmp_path), example()
    try:
        async with (
            zmqtt.create_client("127.0.0.1", server.port, version="5.0") as client,
            client.subscribe("sinkwell/#", qos=zmqtt.QoS.AT_LEAST_ONCE) as subscription,
            opened(server.url) as notifier,
        ):
            await notifier.notify(event)
            message = await asyncio.wait_for(subscription.get_message(), 10)
        assert message.topic == "sinkwell/file/finished"
        assert message.payload == msgspec.json.encode(event.as_dict())
        server.close()
        async with opened(server.url, timeout="2s") as notifier:
            with pytest.raises(TransientError):
                await notifier.notify(event)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("keys", "said"),
    [({"url": "http://h"}, "url must begin"), ({"url": "nats://h"}, "stream is for NATS"),
     ({"url": "redis://h", "stream": "s"}, "stream is for NATS"),
     ({"url": "redis://h", "subject": "a b"}, "subject must be")],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(keys: Any, said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"type": "broker", **keys}, BrokerSettings, dec_hook=decode_custom)
