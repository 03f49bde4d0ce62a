"""Receivers that behave badly, twenty times each: every event arrives, under one id, on record."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from buses import House, be_quick, make_house, plan_for
from hooks import LOOPBACK, SECRET, Hook, Manner, Post
from standardwebhooks import Webhook

from sinkwell.bus.bus import ConfiguredNotifier
from sinkwell.contract import NotifierContext
from sinkwell.contract.settings import decode_custom
from sinkwell.notifiers.webhook import WEBHOOK
from sinkwell.notifiers.webhook_settings import WebhookSettings

TIMES = 20
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"status": 500, "body": b"it broke"},
    "429 with Retry-After": {"status": 429, "headers": (("Retry-After", "1"),)},
    "302": {"status": 302, "headers": (("Location", "/elsewhere"),)},
    "hangs": {"does": "hangs"},
    "huge answer": {"status": 500, "does": "sends for ever"},
    "reset": {"does": "resets"},
}


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    be_quick(monkeypatch)
    async with make_house(tmp_path) as house:
        yield house


def webhook(hook: Hook, **options: Any) -> ConfiguredNotifier:
    section = {"type": "webhook", "url": hook.url, "secret": SECRET, "timeout": 1.0}
    keys = {**section, "allow_networks": LOOPBACK, "concurrency": TIMES}
    settings = msgspec.convert(keys, WebhookSettings, dec_hook=decode_custom)

    async def open_webhook() -> Any:
        return await WEBHOOK.open(settings, NotifierContext("app"))

    plan = {"open": open_webhook, "concurrency": TIMES, "timeout": 1.0, "waits": (0.05,) * 20}
    return plan_for(None, **{**plan, **options})  # type: ignore[arg-type]  # it opens its own


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_event_arrives_after_a_fault(house: House, hook: Hook, fault: str) -> None:
    met: set[str] = set()

    def first_bad_then_good(post: Post) -> Manner:
        known = post.headers["webhook-id"] in met
        met.add(post.headers["webhook-id"])
        return Manner() if known else Manner(**FAULTS[fault])

    hook.manner = first_bad_then_good
    await house.start(webhook(hook))
    await house.announce(TIMES)
    await house.until_states(*["sent"] * TIMES)

    events = await house.ledger.events_after(0, 1000)
    assert Counter(post.headers["webhook-id"] for post in hook.taken) == Counter(
        event.id for event in events
    )
    assert len(hook.posts) == 2 * TIMES, "nothing else was called, as a redirect's target is"
    for post in hook.taken:
        Webhook(SECRET).verify(post.body, post.headers)
    for each in await house.notifications():
        first, second = await house.ledger.outbox.list_attempts("app", each.position)
        assert (first.outcome, second.outcome) == ("transient", "sent")
        if fault.startswith("429"):
            assert second.started_at - first.ended_at > 0.95
    assert await house.ledger.outbox.troubles() == {}


async def test_an_endpoint_that_says_that_it_is_gone_is_called_no_more(
    house: House, hook: Hook
) -> None:
    bus = await house.start(webhook(hook, concurrency=1))
    worker = bus.workers["app"]
    for number in range(1, TIMES + 1):
        with hook.behaving(status=410):
            await house.announce()
            await house.until(lambda: worker.disabled is not None)
        assert len(hook.posts) == 2 * number - 1
        assert await house.ledger.outbox.enable("app")
        worker.enable()
        await house.until_states(*["sent"] * number, type="sink.paused")

    types = Counter(await house.event_types())
    assert types["notifier.disabled"] == types["notifier.enabled"] == TIMES
