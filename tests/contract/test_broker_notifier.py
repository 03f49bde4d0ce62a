"""The notifier type ``broker`` keeps the contract on a real NATS and a real Redis."""

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest
import redis
from instances import free_port

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


class Server(Receiver):
    """A process that takes messages, and can be away."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.start()

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.01)
        raise AssertionError(f"{self.command()[0]} did not start")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def away(self) -> Iterator[None]:
        self.close()
        yield
        self.start()

    def faults(self) -> NotifierFaults:
        others = dict.fromkeys(NotifierFault, UNTOLD)
        return others | {NotifierFault.UNREACHABLE: self.away}


class Nats(Server):
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


class Redis(Server):
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


@pytest.mark.parametrize(
    ("keys", "said"),
    [({"url": "http://h"}, "url must begin"), ({"url": "nats://h"}, "stream is for NATS"),
     ({"url": "redis://h", "stream": "s"}, "stream is for NATS"),
     ({"url": "redis://h", "subject": "a b"}, "subject must be")],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(keys: Any, said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert({"type": "broker", **keys}, BrokerSettings, dec_hook=decode_custom)
