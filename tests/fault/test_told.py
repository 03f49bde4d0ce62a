"""SIGKILL under load: every final outcome is told under one id, and nothing else is."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fault.judge import eventually
from fault.oracle import Oracle
from hooks import SECRET, Hook, Manner, Post
from instances import Instance
from standardwebhooks import Webhook

OUTCOMES = ("file.finished", "file.failed", "callback.provider_failed")
NOTIFIER = """
[notifiers.app]
type = "webhook"
url = "{url}"
secret = "env:HOOK_SECRET"
allow_networks = ["127.0.0.0/8"]
events = ["file.finished", "file.failed", "callback.provider_failed"]
schedule = ["100ms", "200ms", "400ms", "1s", "1s", "1s", "1s", "1s", "1s", "1s"]
"""
TOLD_WITHIN = 60.0


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


@pytest.mark.parametrize(
    "kills", [15, pytest.param(100, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])]
)
def test_every_outcome_is_told_through_kills_and_nothing_else(
    make_instance: Callable[..., Instance],
    hook: Hook,
    kills: int,
    figure: Callable[[str], None],
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chosen = random.Random(seed)
    hook.manner = lambda _: Manner(503 if chosen.random() < 0.05 else 204)
    instance = make_instance(
        extra_settings=NOTIFIER.format(url=hook.url), environ={"HOOK_SECRET": SECRET}
    )
    oracle = Oracle(instance, largest=20_000, failures_every=10)
    with oracle.posting():
        for _ in range(kills):
            instance.launch()
            instance.wait_ready()
            time.sleep(chosen.uniform(0, 0.6))
            instance.kill()
        instance.start()
        time.sleep(0.5)
    instance.wait_drained()

    expected = {e["id"]: e for e in instance.rows("events") if e["type"] in OUTCOMES}
    assert eventually(lambda: told(hook).keys() >= expected.keys(), TOLD_WITHIN), (
        f"{len(expected.keys() - told(hook).keys())} outcomes were not told\n{instance.log_text()}"
    )
    ids = {post.headers["webhook-id"]: post for post in hook.posts}
    assert ids.keys() == expected.keys(), "something was told that did not happen"
    for id_, post in ids.items():
        assert Webhook(SECRET).verify(post.body, post.headers) == expected[id_]
    outcomes = Counter(event["data"]["provider_id"] for event in expected.values())
    assert outcomes.keys() >= oracle.truth.promised.keys()
    assert set(outcomes.values()) == {1}, "each capture has one outcome, thus one id"
    assert eventually(lambda: states(instance) == {"sent": len(expected)}, TOLD_WITHIN)

    again = len(hook.taken) - len(expected)
    figure(
        f"seed {seed}: {kills} kills, {len(oracle.truth.promised)} callbacks answered 2xx, "
        f"{len(expected)} outcomes told, {again} of them again after a kill"
    )


def told(hook: Hook) -> dict[str, Post]:
    return {post.headers["webhook-id"]: post for post in hook.taken}


def states(instance: Instance) -> dict[str, Any]:
    (row,) = instance.ask("GET", f"{instance.url}/api/v1/notifiers").json()
    return dict(row["notifications"])
