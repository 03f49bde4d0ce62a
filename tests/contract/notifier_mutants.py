"""Notifiers that break the contract, each in one way, and the test of the kit that notices.

``test_notifier_kit`` runs that test alone on each, and the whole kit on the sound one.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import msgspec
import pytest
from contract.http_notifier import (
    SECRET,
    HttpNotifier,
    HttpReceiver,
    HttpSettings,
    notifier_type,
)

from sinkwell.contract import (
    Event,
    NotifierContext,
)
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.ids import new_id
from sinkwell.testing import NotifierContract


class Kit(NotifierContract):
    patience = 0.3
    longest_call = 1.0
    notifier: ClassVar[type[HttpNotifier]] = HttpNotifier
    changes: ClassVar[dict[str, Any]] = {}
    """What else of the type is not as it should be."""
    caught_by: ClassVar[str] = ""
    """The test that must fail; none for the sound one."""
    says: ClassVar[str] = ""
    """What it must fail with, as a regular expression."""

    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        return replace(notifier_type(self.notifier), **self.changes)

    @pytest.fixture
    def receiver(self) -> Iterator[HttpReceiver]:
        receiver = HttpReceiver()
        yield receiver
        receiver.close()

    @pytest.fixture
    def section(self, receiver: HttpReceiver) -> dict[str, object]:
        return {"type": "http", "url": receiver.url, "secret": SECRET}


class TestHttp(Kit):
    pass


# --- what arrives -----------------------------------------------------------------------------


class LosesEvents(HttpNotifier):
    async def notify(self, event: Event) -> None:
        if not event.type.startswith("sink."):
            await super().notify(event)


class TestLosesEvents(Kit):
    notifier = LosesEvents
    caught_by = "test_every_type_arrives"
    says = "sink.paused did not arrive"


class SpeaksLatin(HttpNotifier):
    def encode(self, event: Event) -> bytes:
        return super().encode(event).decode().encode("latin-1")


class TestSpeaksLatin(Kit):
    notifier = SpeaksLatin
    caught_by = "test_any_text_arrives"
    says = "latin-1"


class GivesNewIds(HttpNotifier):
    def encode(self, event: Event) -> bytes:
        return super().encode(msgspec.structs.replace(event, id=new_id("e")))


class TestGivesNewIds(Kit):
    notifier = GivesNewIds
    caught_by = "test_every_type_arrives"
    says = "callback.received did not arrive"


class TellsOnce(HttpNotifier):
    def __init__(self, settings: HttpSettings, context: NotifierContext) -> None:
        super().__init__(settings, context)
        self.told: set[str] = set()

    async def notify(self, event: Event) -> None:
        if event.id not in self.told:
            await super().notify(event)
        self.told.add(event.id)


class TestTellsOnce(Kit):
    notifier = TellsOnce
    caught_by = "test_a_repeat_keeps_its_id"
    says = "assert"


class TellsLater(HttpNotifier):
    """It returns before the event has arrived, so nobody learns of a failure, or of the order."""

    def __init__(self, settings: HttpSettings, context: NotifierContext) -> None:
        super().__init__(settings, context)
        self.waiting: list[Event] = []
        self.calls: set[asyncio.Task[None]] = set()

    async def notify(self, event: Event) -> None:
        self.waiting.append(event)
        self.calls.add(asyncio.create_task(self.tell_last()))

    async def tell_last(self) -> None:
        await asyncio.sleep(0.05)
        await super().notify(self.waiting.pop())

    async def close(self) -> None:
        await asyncio.gather(*self.calls, return_exceptions=True)
        await super().close()


class TestTellsInAnyOrder(Kit):
    notifier = TellsLater
    caught_by = "test_order_is_kept"
    says = "assert"


class TestReturnsBeforeItIsTold(Kit):
    notifier = TellsLater
    caught_by = "test_unreachable_is_transient"
    says = "notify said nothing"


class SharesItsState(HttpNotifier):
    async def notify(self, event: Event) -> None:
        self.event = event
        await asyncio.sleep(0)
        await super().notify(self.event)


class TestSharesItsState(Kit):
    notifier = SharesItsState
    caught_by = "test_many_at_once"
    says = "Counter"


class SharesItsClient(HttpNotifier):
    clients: ClassVar[dict[Any, httpx.AsyncClient]] = {}

    def __init__(self, settings: HttpSettings, context: NotifierContext) -> None:
        super().__init__(settings, context)
        loop = asyncio.get_running_loop()
        self.client = self.clients.setdefault(loop, self.client)


class TestSharesItsClient(Kit):
    notifier = SharesItsClient
    caught_by = "test_several_are_independent"
    says = "the client has been closed"


class ThinksHard(HttpNotifier):
    def encode(self, event: Event) -> bytes:
        time.sleep(0.06)
        return super().encode(event)


class TestThinksHard(Kit):
    longest_call = 10.0
    notifier = ThinksHard
    caught_by = "test_the_loop_runs_on"
    says = "held up the event loop"


class ClosesOnce(HttpNotifier):
    async def close(self) -> None:
        if self.client.is_closed:
            raise RuntimeError("it is closed already")
        await super().close()


class TestClosesOnce(Kit):
    notifier = ClosesOnce
    caught_by = "test_close_may_be_repeated"
    says = "it is closed already"
