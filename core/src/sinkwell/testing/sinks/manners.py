"""How a sink behaves beside its neighbours: many at once, cancelled, checked, closed."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
import gc
import threading
from collections.abc import Awaitable
from itertools import pairwise

from sinkwell.contract import Finding, Sink
from sinkwell.testing.kit import in_loop, own_time
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, MIB, Bench, payload_of, resident, same

_MANY = 48
_CANCELLED_WITHIN = 3.0
_MOMENTS = (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064)
_LARGE = 64 * MIB + 1
_HELD_AT_MOST = 48 * MIB
_BEAT = 0.002
_LONGEST_PAUSE = 0.03
_TRIES = 5


class SinkManners(SinkKit):
    """Nobody else notices that it works."""

    @in_loop
    async def test_many_at_once(self, bench: Bench) -> None:
        """48 files of many sizes put at once all arrive as they are."""
        sizes = [0, 1, 1000, 100_000, self.part + 1, 3000]
        contents = {f"many/{n % 7}/{n}": payload_of(sizes[n % 6], n) for n in range(_MANY)}
        async with bench.opened() as sink:
            puts = [
                sink.put(bench.blob(payload), key, if_present=KEEP)
                for key, payload in contents.items()
            ]
            for receipt in await asyncio.gather(*puts):
                assert receipt.size == len(contents[receipt.key]), "a receipt is another file's"
            await bench.holds(contents)

    @in_loop
    async def test_cancelled_puts(self, bench: Bench) -> None:
        """A put cancelled at any moment ends soon and leaves nothing or the complete object."""
        payload = payload_of(self.large)
        blob = bench.blob(payload)
        keys = [f"cancelled/{n}" for n in range(len(_MOMENTS))]
        async with bench.opened() as sink:
            for key, moment in zip(keys, _MOMENTS, strict=True):
                put = asyncio.ensure_future(sink.put(blob, key, if_present=KEEP))
                await asyncio.sleep(moment)
                put.cancel()
                await asyncio.wait([put], timeout=_CANCELLED_WITHIN)
                assert put.done(), f"a cancelled put still goes on after {_CANCELLED_WITHIN:.0f} s"
                if not put.cancelled():
                    put.result()
                for found in await bench.keys():
                    same(await bench.look(bench.destination.read, found), payload, found)
        await bench.settles()
        async with bench.opened() as sink:
            await asyncio.gather(*[sink.put(blob, key, if_present=KEEP) for key in keys])
        await bench.holds(dict.fromkeys(keys, payload))

    @in_loop
    async def test_the_loop_is_not_blocked(self, bench: Bench) -> None:
        """While a large file is put, compared, looked at and checked, others get their turn."""
        blob = bench.blob(payload_of(_LARGE))
        blocked: dict[str, float] = {}
        async with bench.opened() as sink:
            for number in range(_TRIES):  # another process may have held us up the first time
                key = f"large/{number}"
                calls = {
                    "put": sink.put(blob, key, if_present=KEEP),
                    "put of what is there": sink.put(blob, key, if_present=KEEP),
                    "stat": sink.stat(key),
                    "check": sink.check(),
                }
                blocked = {what: await _pause(call) for what, call in calls.items()}
                blocked = {what: pause for what, pause in blocked.items() if pause}
                if not blocked:
                    return
        told = ", ".join(f"{what} for {pause:.2f} s" for what, pause in blocked.items())
        raise AssertionError(f"nobody else got a turn, the loop is blocked by {told}")

    @in_loop
    async def test_memory_stays_flat(self, bench: Bench) -> None:
        """A file of 64 MB is never held in memory as a whole."""
        blob = bench.blob(payload_of(_LARGE))
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"small"), "small", if_present=KEEP)
            gc.collect()
            before = resident()
            over = threading.Event()
            watching = asyncio.create_task(asyncio.to_thread(_watch_memory, over))
            try:
                await sink.put(blob, "large", if_present=KEEP)
                await sink.put(blob, "large", if_present=KEEP)
            finally:
                over.set()
                most = await watching
        grown = (most - before) / MIB
        assert most - before <= _HELD_AT_MOST, f"memory grew by {grown:.0f} MB during a put of 64"

    @in_loop
    async def test_check(self, bench: Bench) -> None:
        """check() finds that all is well, says so, and leaves everything as it was."""
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"here"), "a/b", if_present=KEEP)
            for _ in range(2):
                _is_well(bench, list(await sink.check()))
                await bench.holds({"a/b": b"here"})

    @in_loop
    async def test_checks_at_once(self, bench: Bench) -> None:
        """Checks at once, and beside puts, do not get in each other's way."""
        async with bench.opened() as sink:
            blobs = {f"beside/{n}": bench.blob(b"here") for n in range(4)}
            puts = [sink.put(blob, key, if_present=KEEP) for key, blob in blobs.items()]
            checks = [sink.check() for _ in range(4)]
            findings = (await asyncio.gather(asyncio.gather(*puts), asyncio.gather(*checks)))[1]
            for each in findings:
                _is_well(bench, list(each))
            await bench.holds(dict.fromkeys(blobs, b"here"))

    @in_loop
    async def test_close_twice(self, bench: Bench) -> None:
        """A sink can be closed twice, used or not."""
        async with bench.opened() as sink:
            await sink.close()
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"x"), "key", if_present=KEEP)
            await sink.close()
            await sink.close()

    @in_loop
    async def test_opened_again(self, bench: Bench) -> None:
        """Opened again, it finds what was put before."""
        blob = bench.blob(b"before")
        async with bench.opened() as sink:
            first = await sink.put(blob, "key", if_present=KEEP)
        async with bench.opened() as sink:
            found = await sink.stat("key")
            assert found is not None, "what was put before is not found"
            assert await sink.put(blob, "key", if_present=KEEP) == first
        await bench.holds({"key": b"before"})

    @in_loop
    async def test_two_sinks_in_one_place(self, bench: Bench) -> None:
        """Two sinks in one place see each other's objects; opening or closing one harms no put."""
        payload = payload_of(24 * MIB)
        async with bench.opened() as one:
            put = asyncio.ensure_future(one.put(bench.blob(payload), "large", if_present=KEEP))
            while not put.done():
                async with bench.opened() as other:
                    await _sees(other, "missing", there=False)
            await put
            async with bench.opened() as other:
                await _sees(other, "large", there=True)
                await other.put(bench.blob(b"x"), "small", if_present=KEEP)
            await _sees(one, "small", there=True)
            await one.put(bench.blob(b"y"), "last", if_present=KEEP)
        await bench.holds({"large": payload, "small": b"x", "last": b"y"})


async def _sees(sink: Sink, key: str, *, there: bool) -> None:
    found = await sink.stat(key)
    assert (found is not None) is there, f"of two sinks one sees {found} as {key!r}"


async def _pause(call: Awaitable[object]) -> float:
    """Return for how long nobody else got a turn during a call; 0 where that was a moment."""
    beats = [own_time()]

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT)
            beats.append(own_time())

    heart = asyncio.create_task(beat())
    await call
    heart.cancel()
    beats.append(own_time())
    longest = max(after - before for before, after in pairwise(beats))
    return longest if longest > max(_LONGEST_PAUSE, (beats[-1] - beats[0]) / 4) else 0.0


def _watch_memory(over: threading.Event) -> int:
    most = 0
    while not over.wait(0.002):
        most = max(most, resident())
    return most


def _is_well(bench: Bench, findings: list[Finding]) -> None:
    assert findings, "check() found nothing at all"
    for each in findings:
        assert isinstance(each, Finding), f"check() gave {each!r}, no Finding"
        assert each.level in {"ok", "warning"}, f"check() finds a failure: {each}"
        assert each.what.strip(), "a finding says nothing"
    bench.hides_secrets(repr(findings), "a finding")
