"""What the tests of the kit for notifiers have in common."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import msgspec
import pytest
from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    LiteralType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from sinkwell.contract import Event, Fact, Notifier, NotifierContext
from sinkwell.contract.events import FACTS
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.ids import new_id
from sinkwell.testing.kit import not_shown, own_time
from sinkwell.testing.notifiers.receiver import Arrival, NotifierFault, Receiver
from sinkwell.testing.sources.requests import NotOffered
from sinkwell.testing.type_checks import convert

LONGEST_BLOCK = 1.0
LONGEST_HANG = 3.0
_TIME = 1_900_000_000.0
_positions = count(1)


class NotifierKit:
    """The fixtures that a notifier's author gives, and what follows from them."""

    kit = "notifier"
    patience = 2.0
    """Seconds that an event may take to the receiver after ``notify`` has returned."""
    longest_call = 10.0
    """Seconds that ``notify`` may take while nothing is wrong."""

    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        """Return the type that is put to the test."""
        raise NotImplementedError("give a fixture notifier_type that returns your NotifierType")

    @pytest.fixture
    def section(self) -> dict[str, object]:
        """Return a section of the settings."""
        raise NotImplementedError("give a fixture section: the settings as users write them")

    @pytest.fixture
    def receiver(self) -> Receiver:
        """Return somebody who listens where the section says."""
        raise NotImplementedError("give a fixture receiver that returns your Receiver")

    @pytest.fixture
    def talk(
        self, notifier_type: AnyNotifierType, section: dict[str, object], receiver: Receiver
    ) -> "Talk":
        """Return all three, ready for use."""
        return Talk(
            notifier_type,
            section,
            receiver,
            patience=self.patience,
            longest_call=self.longest_call,
        )


class Talk:
    """A notifier and who listens to it."""

    def __init__(
        self,
        notifier_type: AnyNotifierType,
        section: dict[str, object],
        receiver: Receiver,
        *,
        patience: float,
        longest_call: float,
    ) -> None:
        self.settings = convert(notifier_type.settings, section)
        self._type = notifier_type
        self._receiver = receiver
        self._patience = patience
        self._longest_call = longest_call

    async def open(self) -> Notifier:
        """Open a notifier, as the core does."""
        async with asyncio.timeout(self._longest_call):
            return await self._type.open(self.settings, NotifierContext("kit"))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Notifier]:
        """Open a notifier for a while."""
        notifier = await self.open()
        try:
            yield notifier
        finally:
            async with asyncio.timeout(self._longest_call):
                await notifier.close()

    async def tell(self, notifier: Notifier, event: Event) -> None:
        """Tell an event. A notifier that neither answers nor raises fails the test."""
        deadline = asyncio.timeout(self._longest_call)
        try:
            async with deadline:
                await notifier.notify(event)
        except TimeoutError:
            if not deadline.expired():
                raise
            pytest.fail(f"notify of {event.type} gave no answer in {self._longest_call:g} s")

    def can_have(self, fault: NotifierFault) -> bool:
        """Tell whether a fault can be brought about."""
        return not isinstance(self._receiver.faults().get(fault), NotOffered | None)

    @contextmanager
    def fault(self, fault: NotifierFault) -> Iterator[float | None]:
        """Bring a fault about. It ends by itself soon, so that who blocks the loop is not stuck."""
        begin = self._receiver.faults().get(fault)
        if begin is None:
            not_shown(f"the receiver has no way to bring about {fault.name}")
        if isinstance(begin, NotOffered):
            not_shown(begin.reason)
        stack = ExitStack()
        named_time = stack.enter_context(begin())
        timer = threading.Timer(LONGEST_HANG, stack.close)
        timer.start()
        try:
            yield named_time
        finally:
            timer.cancel()
            timer.join()
            stack.close()  # not as a context: what was raised is no business of the receiver

    async def heard(self, events: Sequence[Event]) -> list[Arrival]:
        """Return what arrived of these events, once all of it did or patience is over."""
        wanted = {event.id for event in events}
        for _ in range(int(self._patience / 0.01)):
            if len(self.arrivals(wanted)) >= len(events):
                break
            await asyncio.sleep(0.01)
        return self.arrivals(wanted)

    def arrivals(self, ids: set[str]) -> list[Arrival]:
        """Return what has arrived of events with these ids."""
        return [each for each in self._receiver.received() if each.event_id in ids]


def example(fact: type[Fact] = FACTS["file.finished"], text: str = "") -> Event:
    """Make an event of a type; ``text`` is part of each text that it holds."""
    position = next(_positions)
    values = _value("", type_info(fact), f"{text}{position}")
    return Event(
        position=position,
        id=new_id("e"),
        type=fact.TYPE,
        time=_TIME + position,
        subject=f"{text}subject-{position}",
        data=msgspec.convert(values, fact),
    )


def _value(name: str, described: Type, text: str) -> Any:
    match described:
        case StructType(fields=fields):
            return {each.name: _value(each.name, each.type, text) for each in fields}
        case StrType():
            return f"{name}-{text}"
        case IntType():
            return 3
        case FloatType():
            return 12.5
        case BoolType():
            return True
        case LiteralType(values=values):
            return values[0]
        case UnionType(types=types):
            return _value(name, types[0], text)
        case DictType():
            return {f"{name}-one": f"one-{text}", f"{name}-two": f"two-{text}"}
        case VarTupleType(item_type=item):
            return [_value(f"{name}-{each}", item, text) for each in ("one", "two")]
    raise NotImplementedError(f"no example of {name}, a {described}")


@asynccontextmanager
async def loop_watched(what: str) -> AsyncIterator[None]:
    """See that nobody holds up the event loop meanwhile."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while True:
            since = own_time()
            await asyncio.sleep(0.01)
            longest = max(longest, own_time() - since)

    heart = asyncio.create_task(beat())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        await asyncio.sleep(0.02)
        heart.cancel()
    assert longest < LONGEST_BLOCK, (
        f"{what} held up the event loop for {longest:.1f} s: whatever blocks belongs in a thread"
    )
