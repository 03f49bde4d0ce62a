"""The far side fails in every way that its author can make, and works again."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
import time
from collections.abc import Awaitable, Iterable
from typing import TypeVar

import pytest

from sinkwell.contract import (
    Capability,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell.testing.kit import in_loop, not_shown
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, REPLACE, Bench, payload_of, same
from sinkwell.testing.sinks.destination import Fault
from sinkwell.testing.sinks.reading import read

T = TypeVar("T")

_OUTAGES = (Fault.UNREACHABLE, Fault.BUSY, Fault.FORBIDDEN, Fault.GONE)
_NO_PUT = (*_OUTAGES, Fault.FULL)
_CANCELLED_WITHIN = 3.0
_HUNG_FOR = 0.3


class SinkFaults(SinkKit):
    """Each fault in its class of error, and all well again with the same open sink."""

    @in_loop
    async def test_unreachable(self, bench: Bench) -> None:
        """A far side that does not answer is a TransientError; then puts work again."""
        await self._gives(bench, Fault.UNREACHABLE, TransientError)

    @in_loop
    async def test_busy(self, bench: Bench) -> None:
        """A far side that is busy is a TransientError; then puts work again."""
        await self._gives(bench, Fault.BUSY, TransientError)

    @in_loop
    async def test_retry_after(self, bench: Bench) -> None:
        """The time to wait that a busy far side names is the error's retry_after."""
        async with bench.opened() as sink, bench.within(Fault.BUSY) as asked:
            if asked is None:
                not_shown("the destination's Fault.BUSY yields no time to wait")
            put = sink.put(bench.blob(b"x"), "busy", if_present=KEEP)
            error = await bench.failure(put, "putting to a busy far side")
            assert isinstance(error, TransientError), f"it gave {error!r}"
            assert error.retry_after is not None, f"retry_after is lost; asked were {asked:g} s"
            assert abs(error.retry_after - asked) <= 1, (
                f"retry_after is {error.retry_after:g} s; asked were {asked:g} s"
            )

    @in_loop
    async def test_full(self, bench: Bench) -> None:
        """A far side that is full is an UnusableError; then puts work again."""
        await self._gives(bench, Fault.FULL, UnusableError)

    @in_loop
    async def test_forbidden(self, bench: Bench) -> None:
        """A far side that forbids writing is an UnusableError; then puts work again."""
        await self._gives(bench, Fault.FORBIDDEN, UnusableError)

    @in_loop
    async def test_gone(self, bench: Bench) -> None:
        """A far side that is gone is an UnusableError; back again, puts work again."""
        await self._gives(bench, Fault.GONE, UnusableError)

    @in_loop
    async def test_refused(self, bench: Bench) -> None:
        """A file that the far side does not take is a RejectedError; others are taken."""
        await self._gives(bench, Fault.REFUSED, RejectedError)

    @in_loop
    async def test_cut(self, bench: Bench) -> None:
        """A put that breaks in the middle is a TransientError and invisible; the next succeeds."""
        await self._gives(bench, Fault.CUT, TransientError)

    @in_loop
    async def test_hang(self, bench: Bench) -> None:
        """A put that hangs ends soon when cancelled, and leaves nothing or the complete object."""
        payload = payload_of(self.large)
        async with bench.opened() as sink:
            async with bench.within(Fault.HANG):
                put = asyncio.ensure_future(sink.put(bench.blob(payload), "hung", if_present=KEEP))
                await asyncio.sleep(_HUNG_FOR)
                assert not put.done(), "Fault.HANG is there, and a put ended"
                assert "hung" not in await bench.keys(), "what is not complete is visible"
                put.cancel()
                began = time.monotonic()
                await asyncio.wait([put], timeout=_CANCELLED_WITHIN)
                assert put.done(), f"a cancelled put goes on for {time.monotonic() - began:.0f} s"
            await bench.settles()
            if "hung" in await bench.keys():
                same(await bench.look(bench.destination.read, "hung"), payload, "hung")
            await sink.put(bench.blob(payload), "hung", if_present=KEEP)
            await bench.holds({"hung": payload})

    @in_loop
    async def test_a_failed_replace_keeps_the_old(self, bench: Bench) -> None:
        """Where replacing fails, the old object stays as it was."""
        old, new = payload_of(5000, "old"), payload_of(self.large, "new")
        faults = _made(bench, (Fault.CUT, Fault.REFUSED, Fault.FULL))
        async with bench.opened() as sink:
            for fault in faults:
                key = f"replace/{fault.value}"
                await sink.put(bench.blob(old), key, if_present=KEEP)
                blob = bench.blob(new)
                async with bench.within(fault):
                    put = sink.put(blob, key, if_present=REPLACE)
                    await bench.failure(put, f"replacing under Fault.{fault.name}")
                same(await bench.look(bench.destination.read, key), old, key)

    @in_loop
    async def test_trouble_is_not_absence(self, bench: Bench) -> None:
        """While the far side fails, stat and read never say that an object is not there."""
        faults = _made(bench, _OUTAGES)
        readable = Capability.READ in bench.sink_type.capabilities
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"there"), "there", if_present=KEEP)
            for fault in faults:
                async with bench.within(fault):
                    under = f"under Fault.{fault.name}"
                    found = await _or_trouble(bench, sink.stat("there"), f"stat {under}")
                    assert found is not None, f"stat is None {under}"
                    if readable:
                        content = await _or_trouble(bench, read(sink, "there"), f"read {under}")
                        assert isinstance(content, SinkError) or content == b"there"
            assert await sink.stat("there") is not None, "stat finds nothing when all is well again"

    @in_loop
    async def test_check_tells_of_trouble(self, bench: Bench) -> None:
        """While puts fail, check() ends in a failed finding (or a SinkError); then all is well."""
        faults = _made(bench, _NO_PUT)
        async with bench.opened() as sink:
            for fault in faults:
                what = f"check under Fault.{fault.name}"
                async with bench.within(fault):
                    try:
                        findings = list(await sink.check())
                    except SinkError as error:
                        bench.is_fit_to_show(error, what)
                    else:
                        levels = [each.level for each in findings]
                        assert levels[-1:] == ["failed"], f"{what} found no failure: {levels}"
                        bench.hides_secrets(repr(findings), what)
                levels = [each.level for each in await sink.check()]
                assert "failed" not in levels, f"after Fault.{fault.name} check() still fails"
            await bench.settles()
            await bench.holds({})

    async def _gives(self, bench: Bench, fault: Fault, expected: type[SinkError]) -> None:
        """Put before, within and after a fault, with one open sink."""
        what = f"putting {self.large} bytes under Fault.{fault.name}"
        payload, before = payload_of(self.large), payload_of(5000)
        async with bench.opened() as sink:
            await sink.put(bench.blob(before), "before", if_present=KEEP)
            blob = bench.blob(payload)
            for _ in range(2):
                async with bench.within(fault):
                    error = await bench.failure(sink.put(blob, "key", if_present=KEEP), what)
                assert isinstance(error, expected), (
                    f"{what} gave {type(error).__name__}, not {expected.__name__}: {error}"
                )
                assert await bench.keys() == {"before"}, f"{what} failed, and left an object"
            await sink.put(blob, "key", if_present=KEEP)
            await bench.settles()
            await bench.holds({"before": before, "key": payload})


def _made(bench: Bench, wanted: Iterable[Fault]) -> list[Fault]:
    """Return those of the faults that the author can make; with none it is not shown."""
    faults = [fault for fault in wanted if fault in bench.destination.faults()]
    if not faults:
        names = ", ".join(fault.name for fault in wanted)
        not_shown(f"the destination offers none of {names}")
    return faults


async def _or_trouble(bench: Bench, call: Awaitable[T], what: str) -> T | SinkError:
    """Return what a call gives, or its error, which must not say that there is nothing."""
    try:
        return await call
    except SinkError as error:
        bench.is_fit_to_show(error, what)
        if isinstance(error, RejectedError):
            pytest.fail(f"{what} says that there is nothing: {error}")
        return error
