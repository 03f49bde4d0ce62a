"""The event log over HTTP: long polling, and a stream that neither skips nor repeats."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import httpx
import pytest
from buses import House, make_house
from instances import SINKWELL, Instance

from sinkwell import samples
from sinkwell.bus import feed as feeding
from sinkwell.web.app import create_offline_app
from sinkwell.web.server import bind, bind_control, serving

IDS = re.compile(rb"^id: (\d+)$", re.MULTILINE)
MANY = 10_000
LISTENERS = 50
RECONNECTS = 50


class Served:
    """A bus whose events are served over TCP."""

    def __init__(self, house: House, port: int) -> None:
        self.house = house
        self.port = port
        self.url = f"http://127.0.0.1:{port}/api/v1"

    async def get(self, path: str, **wanted: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=30) as client:
            return await client.get(f"{self.url}{path}", params=wanted)

    @asynccontextmanager
    async def stream(
        self, query: str = "", last_event_id: int | None = None
    ) -> AsyncIterator[asyncio.StreamReader]:
        """Ask for the stream, and yield what comes after the headers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [f"GET /api/v1/events/stream{query} HTTP/1.1", "Host: 127.0.0.1"]
        if last_event_id is not None:
            lines.append(f"Last-Event-ID: {last_event_id}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"text/event-stream" in head
        try:
            yield reader
        finally:
            writer.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with make_house(tmp_path) as house:
        bus = await house.start()
        public = bind("127.0.0.1", 0)
        app = create_offline_app(house.ledger, bus)
        async with serving(app, public, bind_control(tmp_path), body_idle=30, grace=5):
            yield Served(house, public.getsockname()[1])
            bus.end_streams()


async def ids_up_to(reader: asyncio.StreamReader, last: int, found: list[int]) -> None:
    """Read a stream until an event has come, and note the positions of all that have."""
    rest = b""
    while not found or found[-1] < last:
        piece = await reader.read(1 << 18)
        assert piece, f"the stream ended after {found[-1:]}"
        whole, _, rest = (rest + piece).rpartition(b"\n")
        found += map(int, IDS.findall(whole))


async def test_ten_thousand_events_reach_fifty_listeners_and_a_slow_one_harms_nobody(
    served: Served,
) -> None:
    slow: list[int] = []

    async def listen() -> list[int]:
        found: list[int] = []
        async with served.stream("?after=0") as reader:
            ready.release()
            await ids_up_to(reader, MANY, found)
        return found

    ready = asyncio.Semaphore(0)
    async with served.stream("?after=0") as stuck:  # it reads nothing until the others are done
        listening = [asyncio.create_task(listen()) for _ in range(LISTENERS - 1)]
        for _ in listening:
            await ready.acquire()
        for _ in range(MANY // 100):
            await served.house.announce(100)
        async with asyncio.timeout(60):
            heard = await asyncio.gather(*listening)
        assert all(found == list(range(1, MANY + 1)) for found in heard)

        await ids_up_to(stuck, MANY, slow)
    assert slow == list(range(1, MANY + 1)), "the slow one reads on from the log"


async def test_fifty_reconnects_with_last_event_id_neither_skip_nor_repeat(
    served: Served,
) -> None:
    async def announce() -> None:
        for number in range(RECONNECTS * 20):
            await served.house.announce(1 + number % 3)
            await asyncio.sleep(0.001)

    found: list[int] = [0]
    announcing = asyncio.create_task(announce())
    for _ in range(RECONNECTS):
        async with served.stream(last_event_id=found[-1]) as reader:
            await ids_up_to(reader, found[-1] + 1, found)
    await announcing
    last = await served.house.ledger.last_position()
    async with served.stream(last_event_id=found[-1]) as reader:
        await ids_up_to(reader, last, found)

    assert found == list(range(last + 1))
    assert last >= RECONNECTS * 20


async def test_an_event_of_the_stream_has_id_type_and_the_event_itself(served: Served) -> None:
    await served.house.announce(3)
    async with served.stream("?last=1") as reader:
        text = (await reader.readuntil(b'"error":"number 2"}}\n\n')).decode()

    (event,) = (await served.get("/events", after=2)).json()
    lines = text.splitlines()
    assert "retry: 1000" in lines
    assert [x for x in lines if x.startswith(("id", "event"))] == ["id: 3", "event: sink.paused"]
    data = next(line for line in lines if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: ")) == event


async def test_a_stream_and_a_list_can_be_narrowed(served: Served) -> None:
    await served.house.announce(2, sink="archive")
    await served.house.announce(2, sink="mirror")

    async def positions(**wanted: Any) -> list[int]:
        return [event["position"] for event in (await served.get("/events", **wanted)).json()]

    assert await positions(sink="mirror") == [3, 4]
    assert await positions(sink=["mirror", "arch*"]) == [1, 2, 3, 4]
    assert await positions(type="sink.*", after=3) == [4]
    assert await positions(type="file.*") == []
    assert await positions(source="shotbot") == []
    assert await positions(limit=3) == [1, 2, 3]
    found: list[int] = []
    async with served.stream("?after=0&sink=mirror") as reader:
        await ids_up_to(reader, 4, found)
    assert found == [3, 4]


async def test_a_list_of_a_long_log_is_narrowed_alike(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeding, "_AT_ONCE", 3)
    for _ in range(5):
        await served.house.announce(4, sink="archive")
        await served.house.announce(1, sink="mirror")
    everything = (await served.get("/events")).json()
    assert len(everything) == 25

    for wanted in ({"sink": "mirror"}, {"sink": "m*"}, {"sink": "_irror"}, {"type": "sink.*"}):
        for after in (0, 4, 11, 21, 23, 25):
            for limit in (1, 3, 100):
                answer = await served.get("/events", **wanted, after=after, limit=limit)
                pattern = wanted.get("sink", "*")
                assert (
                    answer.json()
                    == [
                        event
                        for event in everything
                        if event["position"] > after and fnmatchcase(event["data"]["sink"], pattern)
                    ][:limit]
                )


async def test_long_polling_answers_as_soon_as_there_is_an_event(served: Served) -> None:
    began = time.monotonic()
    asking = asyncio.create_task(served.get("/events", wait=20, type="sink.*"))
    await asyncio.sleep(0.2)
    await served.house.announce()
    answer = await asking

    assert 0.15 < time.monotonic() - began < 5
    assert [event["position"] for event in answer.json()] == [1]
    began = time.monotonic()
    assert (await served.get("/events", after=1, wait=0.3)).json() == []
    assert time.monotonic() - began > 0.25


async def test_who_asks_for_what_retention_has_removed_is_told_where_to_go_on(
    served: Served,
) -> None:
    await served.house.announce(10)
    await served.house.ledger.outbox.forget_events(-1.0, 5, [])

    assert [e["position"] for e in (await served.get("/events")).json()] == [6, 7, 8, 9, 10]
    for path in ("/events", "/events/stream"):
        answer = await served.get(path, after=2)
        assert answer.status_code == 410
        assert answer.json()["type"].endswith("/events-gone")
        assert "after=5" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["-1", "abc", "1.5", "²"])
async def test_a_last_event_id_that_is_none_is_a_clear_400(served: Served, header: str) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(
            f"{served.url}/events/stream", headers={b"Last-Event-ID": header.encode()}
        )
    assert answer.status_code == 400
    assert "Last-Event-ID" in answer.json()["detail"]


def test_tail_shows_events_as_they_happen_through_a_restart(instance: Instance) -> None:
    instance.post("token1", samples.png("one"))
    instance.wait_drained()
    command = [*SINKWELL, "events", "tail", "--json", "--data-dir", str(instance.data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        found = [json.loads(tail.stdout.readline()) for _ in range(4)]
        instance.stop()
        instance.start()
        instance.post("token2", samples.png("two"))
        found += [json.loads(tail.stdout.readline()) for _ in range(4)]
        tail.terminate()

    assert found == instance.rows("events")
    assert [event["type"] for event in found[4:]] == [
        "callback.received", "file.accepted", "delivery.stored", "file.finished",
    ]  # fmt: skip


def test_an_open_stream_does_not_hold_up_the_end(instance: Instance) -> None:
    with httpx.stream("GET", f"{instance.url}/api/v1/events/stream", timeout=30) as answer:
        assert answer.status_code == 200
        began = time.monotonic()
        assert instance.stop() == 0
        assert time.monotonic() - began < 5
