"""The notifier type ``chat`` keeps the contract of notifiers; many events are one message."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
from hooks import Hook

from sinkwell.contract import NotifierContext, UnusableError
from sinkwell.contract.events import DeliveryExhausted
from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.contract.settings import decode_custom
from sinkwell.notifiers.chat import CHAT, ChatSettings
from sinkwell.testing import (
    Arrival,
    NotifierContract,
    NotifierFault,
    NotifierFaults,
    NotOffered,
    Receiver,
)
from sinkwell.testing.notifiers.base import example

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")
"""Apprise asks the standard library for what it drops later."""


def messages(hook: Hook) -> list[str]:
    return [json.loads(post.body)["message"] for post in hook.taken]


class ChatReceiver(Receiver):
    """What Apprise posts to its own ``json://``."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def received(self) -> Sequence[Arrival]:
        return [Arrival(*message.split("\n")[0].split(" ")[:2]) for message in messages(self._hook)]

    def faults(self) -> NotifierFaults:
        untold = NotOffered("Apprise says that a message was not taken, not why")
        return {
            NotifierFault.UNREACHABLE: self._away,
            NotifierFault.BUSY: self._busy,
            NotifierFault.REFUSED: untold,
            NotifierFault.FORBIDDEN: untold,
            NotifierFault.GONE: untold,
            NotifierFault.HANG: partial(self._hook.behaving, does="hangs"),
        }

    @contextmanager
    def _busy(self) -> Iterator[None]:
        with self._hook.behaving(status=503):
            yield

    @contextmanager
    def _away(self) -> Iterator[None]:
        with self._hook.away():
            yield


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


class TestChat(NotifierContract):
    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        return CHAT

    @pytest.fixture
    def receiver(self, hook: Hook) -> Receiver:
        return ChatReceiver(hook)

    @pytest.fixture
    def section(self, hook: Hook) -> dict[str, object]:
        url = f"json://user:a-secret-of-chat@127.0.0.1:{hook.port}/"
        template = "{{ event.id }} {{ event.type }}\n{{ event.data | tojson }}"
        return {"type": "chat", "urls": [url], "template": template}


async def opened(hook: Hook, **keys: Any) -> Any:
    section = {"type": "chat", "urls": [f"json://127.0.0.1:{hook.port}/"], **keys}
    settings = msgspec.convert(section, ChatSettings, dec_hook=decode_custom)
    return await CHAT.open(settings, NotifierContext("team"))


async def test_many_events_are_one_message_that_counts_them(hook: Hook) -> None:
    notifier = await opened(hook)
    await notifier.notify_batch([example(DeliveryExhausted) for _ in range(37)])

    (message,) = messages(hook)
    first, *lines = message.splitlines()
    assert first.startswith("37 events within 1 min")
    assert sum(int(line.split(" times delivery.exhausted")[0]) for line in lines[:20]) >= 20
    assert len(lines) <= 21


async def test_one_event_is_a_message_of_its_own(hook: Hook) -> None:
    notifier = await opened(hook)
    await notifier.notify_batch([example(DeliveryExhausted, "x")])
    assert messages(hook)[0].startswith("delivery.exhausted: sink-x")


async def test_an_address_that_apprise_does_not_know_is_told_without_being_shown(
    hook: Hook,
) -> None:
    with pytest.raises(UnusableError, match="number 2 of urls") as raised:
        await opened(hook, urls=[f"json://127.0.0.1:{hook.port}", "nonsense://hunter2"])
    assert "hunter2" not in str(raised.value)
