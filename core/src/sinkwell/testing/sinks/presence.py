"""What happens when the key is taken, by one writer and by many at once."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
from collections.abc import Sequence
from functools import partial

from sinkwell.contract import (
    Blob,
    Capability,
    IfPresent,
    Receipt,
    RejectedError,
    Sink,
    SinkError,
)
from sinkwell.testing.kit import in_loop
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, REFUSE, REPLACE, WRITERS, Bench, payload_of, same
from sinkwell.testing.sinks.reading import read

_SIZE = 2_000_000
_ROUNDS = 3
_CONTENTS = 4


class SinkPresence(SinkKit):
    """keep-if-same, replace and refuse."""

    @in_loop
    async def test_keep_if_same_keeps_other_bytes(self, bench: Bench) -> None:
        """keep-if-same: other bytes are a RejectedError, and what is there stays."""
        old = payload_of(5000, "old")
        others = [payload_of(5000, "new"), old[:-1], old + b"x", b"", old[:-1] + b"x"]
        async with bench.opened() as sink:
            await sink.put(bench.blob(old), "taken", if_present=KEEP)
            for other in others:
                what = f"putting {len(other)} other bytes with keep-if-same"
                put = sink.put(bench.blob(other), "taken", if_present=KEEP)
                _is(await bench.failure(put, what), RejectedError, what)
            await bench.holds({"taken": old})

    @in_loop
    async def test_replace(self, bench: Bench) -> None:
        """replace: the new bytes are there, whether more, fewer or as many."""
        async with bench.opened() as sink:
            for size, seed in ((5000, "old"), (5000, "new"), (9000, "more"), (10, "less"), (0, "")):
                payload = payload_of(size, seed)
                receipt = await sink.put(bench.blob(payload), "taken", if_present=REPLACE)
                assert receipt.size == size
                await bench.holds({"taken": payload})

    @in_loop
    async def test_refuse(self, bench: Bench) -> None:
        """refuse: a key that is taken is a RejectedError, even for the same bytes."""
        payload = payload_of(5000)
        async with bench.opened() as sink:
            await sink.put(bench.blob(payload), "taken", if_present=REFUSE)
            for each in (payload, payload_of(5000, "other")):
                what = "putting to a key that is taken, with refuse,"
                put = sink.put(bench.blob(each), "taken", if_present=REFUSE)
                _is(await bench.failure(put, what), RejectedError, what)
            await bench.holds({"taken": payload})

    @in_loop
    async def test_racing_with_the_same_bytes(self, bench: Bench) -> None:
        """16 writers of the same bytes: all get a receipt; with refuse exactly one does."""
        payload = payload_of(_SIZE)
        blob = bench.blob(payload)
        async with bench.opened() as sink:
            keys = [(f"same/{each.value}/{n}", each) for each in IfPresent for n in range(_ROUNDS)]
            for key, choice in keys:
                outcomes = await _race(bench, sink, [blob] * WRITERS, key, choice)
                expected = 1 if choice is REFUSE else WRITERS
                _counts(outcomes, expected, f"{choice.value}, the same bytes")
            await bench.holds({key: payload for key, _ in keys})

    @in_loop
    async def test_racing_to_keep(self, bench: Bench) -> None:
        """keep-if-same, 16 writers of 4 contents: one content wins, the rest is rejected."""
        blobs = [bench.blob(payload_of(_SIZE, n)) for n in range(_CONTENTS)]
        blobs *= WRITERS // _CONTENTS
        async with bench.opened() as sink:
            for number in range(_ROUNDS):
                outcomes = await _race(bench, sink, blobs, f"keep/{number}", KEEP)
                _counts(outcomes, WRITERS // _CONTENTS, "keep-if-same, 4 contents")
                await self._winner_stands(bench, f"keep/{number}", outcomes, blobs)

    @in_loop
    async def test_racing_to_be_first(self, bench: Bench) -> None:
        """refuse, 16 writers of 16 contents: one wins, the others are rejected."""
        blobs = [bench.blob(payload_of(_SIZE, n)) for n in range(WRITERS)]
        async with bench.opened() as sink:
            for number in range(_ROUNDS):
                outcomes = await _race(bench, sink, blobs, f"refuse/{number}", REFUSE)
                _counts(outcomes, 1, "refuse, 16 contents")
                await self._winner_stands(bench, f"refuse/{number}", outcomes, blobs)

    @in_loop
    async def test_racing_to_replace(self, bench: Bench) -> None:
        """replace, 16 writers: all get a receipt, readers see one complete content, never a mix."""
        contents = [payload_of(_SIZE + n, n) for n in range(WRITERS + 1)]
        blobs = [bench.blob(content) for content in contents[:WRITERS]]
        complete = set(contents)
        async with bench.opened() as sink:
            await sink.put(bench.blob(contents[-1]), "replaced", if_present=REPLACE)
            over = asyncio.Event()
            readers = [asyncio.create_task(_watch(bench, complete, over))]
            if Capability.READ in bench.sink_type.capabilities:
                readers.append(asyncio.create_task(_watch(bench, complete, over, sink)))
            try:
                for _ in range(_ROUNDS):
                    outcomes = await _race(bench, sink, blobs, "replaced", REPLACE)
                    _counts(outcomes, WRITERS, "replace")
            finally:
                over.set()
                results = await asyncio.gather(*readers, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException):
                    raise result
            whole = await bench.look(bench.destination.read, "replaced") in complete
            assert whole, "what is there now is none of the contents that were put"
            assert await bench.leftovers() == [], "something was left over"

    async def _winner_stands(
        self,
        bench: Bench,
        key: str,
        outcomes: Sequence[Receipt | SinkError],
        blobs: Sequence[Blob],
    ) -> None:
        digests = {each.sha256 for each in outcomes if isinstance(each, Receipt)}
        assert len(digests) == 1, "receipts were given for different bytes under one key"
        winner = next(blob for blob in blobs if blob.sha256 in digests)
        found = await bench.look(bench.destination.read, key)
        with winner.open() as file:
            same(found, file.read(), key)
        assert await bench.leftovers() == [], "something was left over"


async def _race(
    bench: Bench, sink: Sink, blobs: Sequence[Blob], key: str, choice: IfPresent
) -> list[Receipt | SinkError]:
    what = f"putting {key!r} with {len(blobs)} writers at once"
    puts = [bench.outcome(partial(sink.put, blob, key, if_present=choice), what) for blob in blobs]
    return await asyncio.gather(*puts)


async def _watch(
    bench: Bench, complete: set[bytes], over: asyncio.Event, sink: Sink | None = None
) -> None:
    while not over.is_set():
        if sink is None:
            try:
                found = await bench.look(bench.destination.read, "replaced")
            except Exception as error:
                raise AssertionError(
                    f"while it was replaced, the object was not there: {error!r}"
                ) from error
        else:
            found = await read(sink, "replaced")
        whole = found in complete
        assert whole, f"a reader saw {len(found)} bytes that nobody put like this"
        await asyncio.sleep(0.005)


def _counts(outcomes: Sequence[Receipt | SinkError], expected: int, what: str) -> None:
    receipts = sum(isinstance(each, Receipt) for each in outcomes)
    assert receipts == expected, f"{what}: {receipts} writers got a receipt, not {expected}"
    for each in outcomes:
        if not isinstance(each, Receipt):
            _is(each, RejectedError, what)


def _is(error: SinkError, expected: type[SinkError], what: str) -> None:
    assert isinstance(error, expected), (
        f"{what} gave {type(error).__name__}, not {expected.__name__}: {error}"
    )
