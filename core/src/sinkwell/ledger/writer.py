"""The one writing connection, in a thread of its own, with group commit.

Commands that wait together share one transaction and one fsync: that is where the speed is, as
a commit costs thousands of times what a row costs. A command is a function with one argument;
commands of one function are handed to it together, so that it may use bulk statements.

When a transaction fails, each of its commands is tried again alone, so that one that cannot be
written does not take the others with it.
"""

import asyncio
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from sinkwell.ledger.database import unavailable
from sinkwell.ledger.eventlog import APPENDED
from sinkwell.outage import LedgerUnavailableError

A = TypeVar("A")
R = TypeVar("R")

Function = Callable[[Connection, Sequence[A]], Sequence[R]]
"""Carries out commands of one kind within a transaction; one result for each argument."""

_MOST_TOGETHER = 512
_GATHERING = 0.010
"""How long, in seconds, a commit waits for company when the one before had some: PostgreSQL's
``commit_delay`` and ``commit_siblings``. A commit costs as much as the work of several callbacks,
and a sender that is alone never waits."""


@dataclass(slots=True)
class _Command:
    function: Function[Any, Any]
    argument: object
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: object = None
    error: Exception | None = None
    patient: bool = False


class Writer:
    """Runs commands in the order in which they come, as many in one commit as wait."""

    def __init__(self, engine: Engine) -> None:
        """Start the thread."""
        self.on_events: Callable[[], None] | None = None
        """Called, in a loop's thread, after each commit that wrote events."""
        self._waiting: list[_Command] = []
        self._commit_by = math.inf
        self._condition = threading.Condition()
        self._closed = False
        self._connection = engine.connect()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    async def write(self, function: Function[A, R], argument: A, *, patience: float = 0.0) -> R:
        """Carry out one command; what this returns is committed and durable.

        ``patience`` is how long, in seconds, the command may wait for others to share a commit
        with: with any that comes meanwhile and has less of it.

        Raises ``LedgerUnavailableError`` when the database cannot be written now, and whatever
        the function raised; either way nothing of the command was written.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        with self._condition:
            if self._closed:
                raise LedgerUnavailableError("the ledger is closed")
            command = _Command(function, argument, future, loop, patient=patience > 0)
            self._waiting.append(command)
            commit_by = time.monotonic() + patience
            if commit_by < self._commit_by:
                self._commit_by = commit_by
                self._condition.notify()
        return await future

    def close(self) -> None:
        """Carry out what waits, then end the thread and the connection."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        crowded = False
        while True:
            self._until_due()
            if crowded:
                time.sleep(_GATHERING)
            with self._condition:
                if not self._waiting:
                    return
                batch = self._waiting[:_MOST_TOGETHER]
                del self._waiting[: len(batch)]
                self._commit_by = 0.0 if self._waiting else math.inf
            crowded = sum(not command.patient for command in batch) > 1
            if not self._commit(batch) and len(batch) > 1:
                for command in batch:
                    self._commit([command])
            self._answer(batch, self._connection.info.pop(APPENDED, False))

    def _until_due(self) -> None:
        with self._condition:
            while not self._closed and (wait := self._commit_by - time.monotonic()) > 0:
                self._condition.wait(None if wait == math.inf else wait)

    def _commit(self, batch: list[_Command]) -> bool:
        """Carry out commands in one transaction; on failure, note the error in each."""
        kinds: dict[Function[Any, Any], list[_Command]] = defaultdict(list)
        for command in batch:
            command.error = None
            kinds[command.function].append(command)
        try:
            with self._connection.begin():
                for function, commands in kinds.items():
                    results = function(self._connection, [c.argument for c in commands])
                    for command, result in zip(commands, results, strict=True):
                        command.result = result
        except DBAPIError as error:
            self._fail(batch, unavailable(error, "written"))
            return False
        except Exception as error:  # noqa: BLE001 - it belongs to the command's caller
            self._fail(batch, error)
            return False
        return True

    @staticmethod
    def _fail(batch: list[_Command], error: Exception) -> None:
        for command in batch:
            command.error = error

    def _answer(self, batch: list[_Command], events: bool) -> None:
        for loop in {command.loop for command in batch}:
            mine = [command for command in batch if command.loop is loop]
            try:
                loop.call_soon_threadsafe(self._resolve, mine, events)
            except RuntimeError:
                if not loop.is_closed():
                    raise

    def _resolve(self, batch: list[_Command], events: bool) -> None:
        for command in batch:
            if command.future.cancelled():
                continue
            if command.error is not None:
                command.future.set_exception(command.error)
            else:
                command.future.set_result(command.result)
        if events and self.on_events is not None:
            self.on_events()
