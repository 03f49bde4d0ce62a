"""What the kit for sinks works with: an open sink with real threads, and an eye on what it does."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import pytest

from sinkwell.contract import Blob, IfPresent, Receipt, Sink, SinkContext, SinkError, TransientError
from sinkwell.contract.sink import AnySinkType
from sinkwell.logs import secrets_in
from sinkwell.testing.kit import not_shown
from sinkwell.testing.sinks.destination import Destination, Fault
from sinkwell.testing.type_checks import convert

P = ParamSpec("P")
T = TypeVar("T")

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE

NAME = "tested"
"""How the sink under test is called in its messages."""

WRITERS = 16
"""How many put at once, and the threads of a sink under test."""

MIB = 1024 * 1024

_BEFORE = b"what stands before the payload\n"
_AFTER = b"what follows the payload" * 100
_HOSTILE_NAME = '../../é "x"\r\nx-forged: 1;\t' + "n" * 300
_SETTLES_WITHIN = 3.0
_LOOKS_EVERY = 0.02
_TRIES = 8
_THREADS_END_WITHIN = 30.0
_LONGEST_MESSAGE = 2000


class Bench:
    """One fresh place, and all that a test does with it."""

    def __init__(
        self,
        sink_type: AnySinkType,
        section: Mapping[str, object],
        destination: Destination,
        directory: Path,
        sinks_own: Path,
    ) -> None:
        self.sink_type = sink_type
        self.settings: Any = convert(sink_type.settings, dict(section))
        self.destination = destination
        self.secrets = [secret.reveal() for secret in secrets_in(self.settings)]
        self._directory = directory
        self._sinks_own = sinks_own
        self._numbers = count()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Sink]:
        """Open a sink as the core does, but with threads for all writers; close it at the end."""
        async with self.context() as context:
            sink = await self.sink_type.open(self.settings, context)
            try:
                yield sink
            finally:
                await sink.close()

    @asynccontextmanager
    async def context(self) -> AsyncIterator[SinkContext]:
        """Return what the core hands to a sink; at the end its threads have to end too."""
        executor = ThreadPoolExecutor(WRITERS, thread_name_prefix="sink")
        work: set[Future[Any]] = set()

        def run_blocking(
            function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
        ) -> Awaitable[T]:
            future = executor.submit(function, *args, **kwargs)
            work.add(future)
            future.add_done_callback(work.discard)
            return asyncio.wrap_future(future)

        try:
            yield SinkContext(NAME, run_blocking, self._sinks_own)
        finally:
            executor.shutdown(wait=False)
            await _ended(list(work))

    def blob(self, payload: bytes, **changes: Any) -> Blob:
        """Lay a file down as the spool may: with bytes around the payload, named with malice."""
        path = self._directory / f"blob-{next(self._numbers)}"
        path.write_bytes(_BEFORE + payload + _AFTER)
        blob = Blob(
            path,
            len(payload),
            hashlib.sha256(payload).hexdigest(),
            "application/octet-stream",
            offset=len(_BEFORE),
            name=_HOSTILE_NAME,
            labels={"label": "value", "größe": "a b\r\nc: d"},
        )
        return replace(blob, **changes)

    async def look(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the far side, in a thread of our own."""
        return await asyncio.to_thread(function, *args, **kwargs)

    async def keys(self) -> set[str]:
        """Return the keys of all objects that are there."""
        return set(await self.look(self.destination.keys))

    async def leftovers(self) -> list[str]:
        """Return what lies there and is no object."""
        return sorted(await self.look(self.destination.leftovers))

    async def holds(self, expected: Mapping[str, bytes]) -> None:
        """See that exactly these objects are there, complete, and nothing is left over."""
        assert await self.keys() == set(expected), "other objects are there than were put"
        for key, payload in expected.items():
            same(await self.look(self.destination.read, key), payload, key)
        assert await self.leftovers() == [], "something was left over"

    async def settles(self) -> None:
        """See that nothing is left over, at the latest when a moment has passed."""
        for _ in range(round(_SETTLES_WITHIN / _LOOKS_EVERY)):
            if not (left := await self.leftovers()):
                return
            await asyncio.sleep(_LOOKS_EVERY)
        pytest.fail(f"still left over {_SETTLES_WITHIN:.0f} s later: {left}")

    async def failure(self, call: Awaitable[object], what: str) -> SinkError:
        """See that a call ends in a ``SinkError`` that can be shown to anyone, and return it."""
        try:
            result = await call
        except SinkError as error:
            self.is_fit_to_show(error, what)
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is for
            _foreign(error, what)
        pytest.fail(f"{what} succeeded: it gave {str(result)[:200]}")

    async def outcome(
        self, call: Callable[[], Awaitable[Receipt]], what: str
    ) -> Receipt | SinkError:
        """Return a receipt, or the error that is final; "later" is tried again as the core does."""
        for _ in range(_TRIES):
            try:
                return await call()
            except TransientError as error:
                self.is_fit_to_show(error, what)
                await asyncio.sleep(0.02)
            except SinkError as error:
                self.is_fit_to_show(error, what)
                return error
            except Exception as error:  # noqa: BLE001 - as in failure()
                _foreign(error, what)
        pytest.fail(f"{what} was put off {_TRIES} times, with nothing wrong at the far side")

    def is_fit_to_show(self, error: SinkError, what: str) -> None:
        """See that an error has words for people and, with all its causes, no secret."""
        assert type(error) is not SinkError, f"{what}: {error!r} is none of the three SinkErrors"
        text = str(error)
        assert 0 < len(text.strip()) <= _LONGEST_MESSAGE, (
            f"{what}: the message of {type(error).__name__} has {len(text)} characters, "
            f"not 1 to {_LONGEST_MESSAGE}"
        )
        for each in _with_causes(error):
            self.hides_secrets(f"{each}\n{each!r}", f"{what}: the error {type(each).__name__}")

    def hides_secrets(self, text: str, what: str) -> None:
        """See that no secret of the settings stands in a text."""
        assert not any(secret in text for secret in self.secrets), f"{what} shows a secret"

    @asynccontextmanager
    async def within(self, fault: Fault) -> AsyncIterator[float | None]:
        """Make a fault, and end it whatever happens; one that cannot be made is not shown."""
        make = self.destination.faults().get(fault)
        if make is None:
            not_shown(f"the destination offers no Fault.{fault.name}")
        made = make()
        yielded = await self.look(made.__enter__)
        try:
            yield yielded
        except BaseException as error:
            try:
                await self.look(made.__exit__, None, None, None)
            except Exception as trouble:  # noqa: BLE001 - what came first is what matters
                error.add_note(f"ending Fault.{fault.name} then raised {trouble!r}")
            raise
        await self.look(made.__exit__, None, None, None)


async def _ended(work: Sequence[Future[Any]]) -> None:
    """See that the sink's threads come to an end: what they write may not appear later."""
    for future in work:
        await asyncio.wait([asyncio.wrap_future(future)], timeout=_THREADS_END_WITHIN)
        if not future.done():
            pytest.fail(f"{_THREADS_END_WITHIN:.0f} s after it was closed a thread still works")


def payload_of(size: int, seed: object = 0) -> bytes:
    """Return bytes that look like chance and are always the same."""
    return random.Random(f"{seed} {size}").randbytes(size)  # noqa: S311 - it repeats, by design


def same(found: bytes, expected: bytes, key: str) -> None:
    """Compare bytes without ever printing them."""
    if found == expected:
        return
    at, most = 0, max(len(found), len(expected))
    for step in (MIB, 1024, 1):  # ever finer, as it may be far in
        while at < most and found[at : at + step] == expected[at : at + step]:
            at += step
    pytest.fail(
        f"{key!r} holds {len(found)} bytes, put were {len(expected)}; they differ from byte {at} on"
    )


def _foreign(error: Exception, what: str) -> NoReturn:
    pytest.fail(f"{what} raised {type(error).__name__}: {error}, which is no SinkError")


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    seen: set[int] = set()
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def resident() -> int:
    """Return how much memory of this process is its own, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
