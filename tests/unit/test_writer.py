"""Group commit: what waits together shares one transaction, and fails alone."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from ledgers import ENGINES
from sqlalchemy import Connection, Engine, event, text

from sinkwell.contract.events import SinkPaused
from sinkwell.ledger import eventlog
from sinkwell.ledger.writer import Writer
from sinkwell.outage import LedgerUnavailableError


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    with ENGINES[request.param](tmp_path) as engine:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE notes (number INTEGER PRIMARY KEY, note TEXT)"))
        yield engine


@pytest.fixture
def commits(engine: Engine) -> list[None]:
    """Grow by one with every commit."""
    counted: list[None] = []
    event.listen(engine, "commit", lambda _: counted.append(None))
    return counted


@asynccontextmanager
async def writing(engine: Engine) -> AsyncIterator[Writer]:
    writer = Writer(engine)
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.close)


class Gate:
    """A command that holds the writer up, so that what follows waits together."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, _: Connection, arguments: Sequence[None]) -> Sequence[None]:
        self.reached.set()
        assert self.opened.wait(30)
        return [None] * len(arguments)

    @asynccontextmanager
    async def held_up(self, writer: Writer) -> AsyncIterator[None]:
        holding = asyncio.ensure_future(writer.write(self, None))
        await asyncio.to_thread(self.reached.wait, 30)
        try:
            yield
            await asyncio.sleep(0.01)  # the tasks made in the block come to their write
        finally:
            self.opened.set()
            await holding


def note(connection: Connection, numbers: Sequence[int]) -> Sequence[str]:
    """Write rows; a negative number is an error of this function, a repeat one of the database."""
    for number in numbers:
        connection.execute(text("INSERT INTO notes VALUES (:n, 'x')"), {"n": abs(number)})
        if number < 0:
            raise ValueError(f"{number} is negative")
    return [f"noted {number}" for number in numbers]


def notes(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT number FROM notes ORDER BY number")).scalars())


async def test_commands_that_wait_together_share_one_commit(
    engine: Engine, commits: list[None]
) -> None:
    handed: list[list[int]] = []

    def remember(_: Connection, numbers: Sequence[int]) -> Sequence[int]:
        handed.append(list(numbers))
        return [number * 2 for number in numbers]

    async with writing(engine) as writer:
        async with Gate().held_up(writer):
            waiting = [asyncio.ensure_future(writer.write(remember, n)) for n in range(100)]
        results = await asyncio.gather(*waiting)

    assert len(commits) == 2, "the gate's, and one for all"
    assert handed == [list(range(100))], "in their order, and together, for bulk statements"
    assert results == [number * 2 for number in range(100)], "to each caller its own"


async def test_commands_of_different_kinds_share_a_commit_too(
    engine: Engine, commits: list[None]
) -> None:
    def double(_: Connection, numbers: Sequence[int]) -> Sequence[int]:
        return [number * 2 for number in numbers]

    async with writing(engine) as writer:
        async with Gate().held_up(writer):
            mixed = [
                asyncio.ensure_future(writer.write(note if n % 2 else double, n)) for n in range(10)
            ]
        results = await asyncio.gather(*mixed)

    assert len(commits) == 2
    assert results == [f"noted {n}" if n % 2 else n * 2 for n in range(10)]


@pytest.mark.parametrize(
    ("bad", "error"), [(-7, ValueError), (3, LedgerUnavailableError)], ids=["function", "database"]
)
async def test_a_command_that_fails_does_not_take_the_others_with_it(
    engine: Engine, bad: int, error: type[Exception]
) -> None:
    numbers = [1, 2, 3, bad, 4, 5]
    async with writing(engine) as writer:
        async with Gate().held_up(writer):
            waiting = [asyncio.ensure_future(writer.write(note, number)) for number in numbers]
        results = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(results[3], error)
    assert [result for result in results if isinstance(result, str)] == [
        f"noted {number}" for number in (1, 2, 3, 4, 5)
    ]
    assert notes(engine) == [1, 2, 3, 4, 5], "nothing of the one that failed, all of the others"


async def test_what_one_caller_writes_keeps_its_order(engine: Engine) -> None:
    written: list[int] = []

    def remember(_: Connection, numbers: Sequence[int]) -> Sequence[None]:
        written.extend(numbers)
        return [None] * len(numbers)

    async with writing(engine) as writer:

        async def one_after_another() -> None:
            for number in range(50):
                await writer.write(remember, number)

        others = asyncio.gather(*(writer.write(note, number) for number in range(50)))
        await asyncio.gather(one_after_another(), others)

    assert written == list(range(50))


async def test_a_cancelled_caller_harms_nothing(engine: Engine) -> None:
    async with writing(engine) as writer:
        async with Gate().held_up(writer):
            waiting = [asyncio.ensure_future(writer.write(note, number)) for number in range(6)]
            await asyncio.sleep(0.01)
            waiting[2].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        after = await writer.write(note, 100)

    assert isinstance(results[2], asyncio.CancelledError)
    assert [r for r in results if isinstance(r, str)] == [f"noted {n}" for n in (0, 1, 3, 4, 5)]
    assert after == "noted 100"
    assert notes(engine) == [0, 1, 2, 3, 4, 5, 100], "it was written, only nobody waited for it"


async def test_a_patient_command_shares_the_commit_of_the_next_that_is_not(
    engine: Engine, commits: list[None]
) -> None:
    async with writing(engine) as writer:
        patient = [
            asyncio.ensure_future(writer.write(note, number, patience=30.0)) for number in range(5)
        ]
        await asyncio.sleep(0.05)
        assert not commits
        await writer.write(note, 5)
        await asyncio.gather(*patient)

    assert len(commits) == 1


async def test_a_patient_command_waits_no_longer_than_it_said(engine: Engine) -> None:
    async with writing(engine) as writer, asyncio.timeout(10):
        await writer.write(note, 1, patience=0.05)

    assert notes(engine) == [1]


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_full_disk_is_said_and_passes(engine: Engine) -> None:
    def fill(connection: Connection, sizes: Sequence[int]) -> Sequence[None]:
        for size in sizes:
            connection.execute(text("INSERT INTO notes (note) VALUES (:x)"), {"x": "x" * size})
        return [None] * len(sizes)

    async with writing(engine) as writer:
        _pragma(engine, "max_page_count = 40")
        with pytest.raises(LedgerUnavailableError, match=r"cannot be written: .*full"):
            await writer.write(fill, 1_000_000)
        assert notes(engine) == []

        _pragma(engine, "max_page_count = 100000")
        await writer.write(fill, 1_000_000)
        assert len(notes(engine)) == 1


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_a_database_that_became_read_only_is_said_and_passes(engine: Engine) -> None:
    async with writing(engine) as writer:
        _pragma(engine, "query_only = on")
        with pytest.raises(LedgerUnavailableError, match=r"cannot be written: .*readonly"):
            await writer.write(note, 1)

        _pragma(engine, "query_only = off")
        assert await writer.write(note, 1) == "noted 1"


async def test_closing_writes_what_waits_and_takes_no_more(engine: Engine) -> None:
    writer = Writer(engine)
    async with Gate().held_up(writer):
        waiting = [asyncio.ensure_future(writer.write(note, n, patience=60.0)) for n in range(20)]
        await asyncio.sleep(0.01)
        closing = asyncio.ensure_future(asyncio.to_thread(writer.close))
    await closing

    assert await asyncio.gather(*waiting) == [f"noted {number}" for number in range(20)]
    assert notes(engine) == list(range(20))
    with pytest.raises(LedgerUnavailableError, match="closed"):
        await writer.write(note, 21)


async def test_listeners_are_woken_once_for_a_commit_that_wrote_events(engine: Engine) -> None:
    woken: list[None] = []
    fact = SinkPaused(sink="archive", error="no such bucket")
    announced: list[eventlog.Announced] = [("archive", 1.0, fact)]
    async with writing(engine) as writer:
        writer.on_events = lambda: woken.append(None)
        await writer.write(note, 1)
        assert not woken
        async with Gate().held_up(writer):
            waiting = [
                asyncio.ensure_future(writer.write(eventlog.announce, announced)) for _ in range(9)
            ]
        await asyncio.gather(*waiting)
        await writer.write(note, 2)

    assert len(woken) == 1


async def test_more_than_one_commit_holds_is_written_all_the_same(engine: Engine) -> None:
    async with writing(engine) as writer:
        async with Gate().held_up(writer):
            waiting = [asyncio.ensure_future(writer.write(note, n)) for n in range(1500)]
        await asyncio.gather(*waiting)

    assert len(notes(engine)) == 1500


def test_a_caller_whose_loop_ended_harms_nobody(engine: Engine) -> None:
    writer = Writer(engine)
    gate = Gate()

    async def leave() -> None:
        holding = asyncio.ensure_future(writer.write(gate, None))
        await asyncio.to_thread(gate.reached.wait, 30)
        holding.cancel()

    asyncio.run(leave())
    gate.opened.set()

    assert asyncio.run(writer.write(note, 1)) == "noted 1"
    writer.close()


def _pragma(engine: Engine, pragma: str) -> None:
    """Set it on the writing connection, of which there is only one."""
    with closing(engine.raw_connection()) as connection:
        connection.cursor().execute(f"PRAGMA {pragma}")
