"""Senders that take their time: they are ended, and nobody else waits for them."""

import asyncio
import contextlib
import select
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Self

import pytest
from instances import Instance
from intake_support import (
    Answer,
    assert_problem,
    connect,
    descriptors,
    forget_peak,
    half_written,
    head,
    memory,
    read_answer,
    request,
    running,
    shotbot,
    within,
)

from sinkwell import samples
from sinkwell.intake import body
from sinkwell.intake.body import paced
from sinkwell.intake.limits import IntakeLimits
from sinkwell.intake.refusals import Refusal

MIB = 1024 * 1024
IDLE, HEADERS, RATE, TOTAL = 3.0, 10.0, 10.0, 12.0
"""Seconds after which each kind of attack must be ended; two of them are no settings."""
SLACK = 3.0
QUICK_ENOUGH = 0.3
"""Seconds that are no harm however quick it was before: the machine has others to serve."""

SETTINGS = f"""
[intake]
idle_timeout = {IDLE}
total_timeout = {TOTAL}
"""


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with running(tmp_path_factory.mktemp("slow"), SETTINGS) as running_instance:
        yield running_instance


# --- many at once -----------------------------------------------------------------------------


@dataclass
class Attacker:
    """One connection that sends ``drip`` every second, and when and how it was ended."""

    connection: socket.socket
    drip: bytes
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    answer: Answer | None = None

    def press_on(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.sendall(self.drip)

    def look_up(self) -> None:
        self.ended = time.monotonic() - self.began
        self.answer = read_answer(self.connection)
        self.connection.close()


def attackers(instance: Instance, number: int, opening: bytes, drip: bytes = b"") -> list[Attacker]:
    made = [Attacker(connect(instance), drip) for _ in range(number)]
    for each in made:
        each.connection.sendall(opening)
    return made


def press_on(crowd: list[Attacker]) -> None:
    """Have each send its drip every second until all are ended, or should long have been."""
    next_drip = time.monotonic()
    give_up = next_drip + TOTAL + 4 * SLACK
    while (left := [each for each in crowd if each.ended is None]) and next_drip < give_up:
        if time.monotonic() >= next_drip:
            for each in left:
                each.press_on()
            next_drip += 1
        poll = select.poll()
        by_number = {each.connection.fileno(): each for each in left}
        for number in by_number:
            poll.register(number, select.POLLIN)
        for number, _ in poll.poll(1000 * max(0.0, next_drip - time.monotonic())):
            by_number[number].look_up()


class GoodClients:
    """Clients that post small callbacks one after the other, and note how long each takes."""

    NUMBER = 4
    tokens = count()

    def __init__(self, instance: Instance) -> None:
        self.latencies: list[float] = []
        self._instance = instance
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(self.NUMBER)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def p99(self) -> float:
        return sorted(self.latencies)[len(self.latencies) * 99 // 100]

    def _post(self) -> None:
        with connect(self._instance) as connection:
            while not self._stop.is_set():
                sent = request(shotbot(f"good{next(self.tokens)}", samples.png("good", 20, 20)))
                began = time.monotonic()
                connection.sendall(sent)
                answer = read_answer(connection)
                self.latencies.append(time.monotonic() - began)
                assert answer is not None
                assert answer.status == 200
                self._stop.wait(0.005)


def test_good_clients_are_served_among_four_hundred_that_stall(instance: Instance) -> None:
    whole = request(shotbot("slow", samples.sized(samples.png("slow"), 400_000)))
    with GoodClients(instance) as before:
        time.sleep(4)
    open_before, memory_before = descriptors(instance), memory(instance)
    forget_peak(instance)

    drip = attackers(instance, 200, whole[:1000], b"x")
    half = attackers(instance, 200, head(1000)[:60], b"")
    rest = attackers(instance, 20, whole[:300_000])
    steady = attackers(instance, 20, whole[:1000], b"x" * 4096)
    with GoodClients(instance) as meanwhile:
        press_on([*drip, *half, *rest, *steady])

    grown = memory(instance, "VmHWM") - memory_before
    print(
        f"\np99 {1000 * before.p99:.0f} ms before and {1000 * meanwhile.p99:.0f} ms meanwhile, of "
        f"{len(before.latencies)} and {len(meanwhile.latencies)}; {grown / MIB:.1f} MiB more"
    )
    assert_ended(half, HEADERS, "request-timeout", "headers within 10 seconds")
    assert_ended(rest, IDLE, "too-slow", "no more bytes came within 3 seconds")
    assert_ended(drip, RATE, "too-slow", "fewer than 1024 bytes came a second")
    assert_ended(steady, TOTAL, "too-slow", "it took more than 12 seconds")
    assert meanwhile.p99 <= max(3 * before.p99, QUICK_ENOUGH)
    assert grown < 100 * MIB
    assert half_written(instance) == []
    assert within(10, lambda: descriptors(instance) <= open_before + 5)


def assert_ended(crowd: list[Attacker], after: float, slug: str, reason: str) -> None:
    for each in crowd:
        assert each.ended is not None, f"somebody was never ended by {slug}: {reason}"
        assert after - 0.5 < each.ended < after + SLACK, reason
        assert each.answer is not None, f"no answer said {slug}: {reason}"
        assert reason in assert_problem(each.answer, 408, slug)["detail"]


# --- one, watched closely ---------------------------------------------------------------------

LIMITS = IntakeLimits(idle_timeout=0.5, total_timeout=1.5, min_rate=1000, max_file_size=1000)


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_RATE_GRACE", 0.1)


def sender(size: int, every: float, number: int = 10**6) -> Callable[[], AsyncIterator[bytes]]:
    """Return what sends ``number`` chunks of ``size`` bytes, one every so many seconds."""

    async def send() -> AsyncIterator[bytes]:
        for _ in range(number):
            await asyncio.sleep(every)
            yield b"x" * size
        yield b""

    return send


async def read(
    send: Callable[[], AsyncIterator[bytes]], limits: IntakeLimits, think: float = 0.0
) -> int:
    """Read all and return the size, taking ``think`` seconds with each chunk."""
    chunks, size = send(), 0
    async for chunk in paced(lambda: anext(chunks), limits):
        size += len(chunk)
        await asyncio.sleep(think)
    return size


async def refusal_of(
    send: Callable[[], AsyncIterator[bytes]], limits: IntakeLimits = LIMITS
) -> Refusal:
    with pytest.raises(Refusal) as raised:
        await read(send, limits)
    return raised.value


async def test_a_body_that_keeps_pace_is_read_whole(no_grace: None) -> None:
    assert await read(sender(200, 0.02, 10), LIMITS) == 2000


async def test_a_pause_ends_a_body() -> None:
    refusal = await refusal_of(sender(1, 10))
    assert (refusal.status, refusal.detail) == (408, "no more bytes came within 0.5 seconds")


async def test_a_body_that_never_ends_is_ended() -> None:
    began = time.monotonic()
    refusal = await refusal_of(sender(1, 0.05))
    assert (refusal.status, refusal.detail) == (408, "it took more than 1.5 seconds")
    assert 1.4 < time.monotonic() - began < 4


async def test_too_few_bytes_a_second_end_a_body(no_grace: None) -> None:
    refusal = await refusal_of(sender(10, 0.05))
    assert (refusal.status, refusal.detail) == (408, "fewer than 1000 bytes came a second")


async def test_too_many_bytes_end_a_body() -> None:
    limits = IntakeLimits(max_file_size=1, max_fields_size=0, max_parts=0)
    refusal = await refusal_of(sender(1, 0, 2), limits)
    assert refusal.status == 413


async def test_no_rate_asks_for_none(no_grace: None) -> None:
    limits = IntakeLimits(idle_timeout=1, min_rate=0)
    assert await read(sender(1, 0.03, 10), limits) == 10


async def test_our_own_slowness_is_not_the_senders(no_grace: None) -> None:
    limits = IntakeLimits(idle_timeout=0.5, total_timeout=30, min_rate=1000)
    assert await read(sender(50, 0.001, 3), limits, think=0.6) == 150
