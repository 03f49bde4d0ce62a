"""The notifier type ``webhook`` keeps the contract of notifiers, in each of its formats."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import pytest
from hooks import LOOPBACK, PRIVATE_KEY, SECRET, Hook

from sinkwell.contract.notifier import AnyNotifierType
from sinkwell.notifiers.webhook import WEBHOOK
from sinkwell.testing import (
    Arrival,
    NotifierContract,
    NotifierFault,
    NotifierFaults,
    NotOffered,
    Receiver,
)

RETRY_AFTER = 7.0


class HookReceiver(Receiver):
    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def received(self) -> Sequence[Arrival]:
        return [Arrival(post.headers["webhook-id"]) for post in self._hook.taken]

    def faults(self) -> NotifierFaults:
        never = "HTTP has no word for never: each 4xx is tried again, as receivers are mended"
        return {
            NotifierFault.UNREACHABLE: self._away,
            NotifierFault.BUSY: self._busy,
            NotifierFault.REFUSED: NotOffered(never),
            NotifierFault.FORBIDDEN: partial(self._behaving, status=403),
            NotifierFault.GONE: partial(self._behaving, status=410),
            NotifierFault.HANG: partial(self._behaving, does="hangs"),
        }

    def _behaving(self, **manner: object) -> AbstractContextManager[None]:
        return self._hook.behaving(**manner)

    @contextmanager
    def _busy(self) -> Iterator[float]:
        headers = (("Retry-After", f"{RETRY_AFTER:g}"),)
        with self._hook.behaving(status=429, headers=headers):
            yield RETRY_AFTER

    @contextmanager
    def _away(self) -> Iterator[None]:
        with self._hook.away():
            yield


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


class Kit(NotifierContract):
    @pytest.fixture
    def notifier_type(self) -> AnyNotifierType:
        return WEBHOOK

    @pytest.fixture
    def receiver(self, hook: Hook) -> Receiver:
        return HookReceiver(hook)


class TestStandard(Kit):
    @pytest.fixture
    def section(self, hook: Hook) -> dict[str, object]:
        return {
            "type": "webhook",
            "url": hook.url,
            "secret": SECRET,
            "signing_key": PRIVATE_KEY,
            "allow_networks": LOOPBACK,
        }


class TestTemplate(Kit):
    @pytest.fixture
    def section(self, hook: Hook) -> dict[str, object]:
        return {
            "type": "webhook",
            "url": hook.url,
            "format": "template",
            "template": "{{ event.type }}: {{ event.data | tojson }}",
            "content_type": "text/plain",
            "allow_networks": LOOPBACK,
        }
