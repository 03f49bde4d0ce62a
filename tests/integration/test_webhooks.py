"""Webhooks of a real instance: verified by the official JavaScript library, minded by commands."""

import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hooks import PRIVATE_KEY, SECRET, Hook
from instances import Instance

from sinkwell import samples

NODE = Path(__file__).parent.parent / "javascript"
SETTINGS = """
[notifiers.app]
type = "webhook"
url = "{url}"
secret = "env:HOOK_SECRET"
signing_key = "env:HOOK_KEY"
allow_networks = ["127.0.0.0/8"]
events = ["file.*"]
schedule = ["50ms", "50ms"]
"""
ENVIRON = {"HOOK_SECRET": SECRET, "HOOK_KEY": PRIVATE_KEY}
MakeInstance = Callable[..., Instance]


@pytest.fixture(scope="module")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the official library for JavaScript is installed."""
    npm = shutil.which("npm")
    assert npm is not None, "node and npm are needed: make system-tools"
    place = tmp_path_factory.mktemp("javascript")
    for name in ("package.json", "package-lock.json", "receiver.mjs"):
        shutil.copy(NODE / name, place)
    done = subprocess.run(
        [npm, "ci", "--no-audit", "--no-fund"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return place


class NodeReceiver:
    """A Node process that takes what the official library verifies."""

    def __init__(self, place: Path, secret: str) -> None:
        self._process = subprocess.Popen(
            ["node", "receiver.mjs", secret], cwd=place, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{self._process.stdout.readline().strip()}/hooks"
        self.taken: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.taken.put(line.strip())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()


def test_the_official_javascript_library_verifies_what_is_sent(
    make_instance: MakeInstance, javascript: Path
) -> None:
    receiver = NodeReceiver(javascript, SECRET)
    try:
        instance = make_instance(extra_settings=SETTINGS.format(url=receiver.url), environ=ENVIRON)
        instance.start()
        instance.post("token1", samples.png("☃"))
        taken = {receiver.taken.get(timeout=20) for _ in range(2)}
        wait_for(lambda: {row["state"] for row in instance.rows("notifications")} == {"sent"})
    finally:
        receiver.close()

    wanted = [e["id"] for e in instance.rows("events") if e["type"].startswith("file.")]
    assert taken == set(wanted)


def test_the_official_javascript_library_refuses_another_secret(
    make_instance: MakeInstance, javascript: Path
) -> None:
    receiver = NodeReceiver(javascript, "whsec_c29tZSBvdGhlciBzZWNyZXQgYWx0b2dldGhlcg==")
    try:
        instance = make_instance(extra_settings=SETTINGS.format(url=receiver.url), environ=ENVIRON)
        instance.start()
        done = instance.run("notifiers", "test", "app")
    finally:
        receiver.close()

    assert done.returncode == 1
    assert "answered 401" in done.stderr
    assert "No matching signature found" in done.stderr
    assert "does the other side know this secret?" in done.stderr


def test_commands_show_test_and_enable_notifiers(make_instance: MakeInstance, hook: Hook) -> None:
    instance = make_instance(extra_settings=SETTINGS.format(url=hook.url), environ=ENVIRON)
    instance.start()
    (row,) = instance.rows("notifiers")
    assert (row["id"], row["type"], row["state"]) == ("app", "webhook", "working")
    published = instance.ask("GET", f"{instance.url}/.well-known/webhook-keys").json()
    assert published == {"keys": row["public_keys"]}

    done = instance.run("notifiers", "test", "app")
    assert done.returncode == 0, done.stderr
    assert hook.taken[-1].event["type"] == "notifier.test"
    assert hook.taken[-1].headers["webhook-id"] in done.stdout
    unknown = instance.run("notifiers", "test", "nobody")
    assert (unknown.returncode, "no notifier 'nobody'" in unknown.stderr) == (1, True)

    with hook.behaving(status=410):
        instance.post("token1", samples.png("one"))
        instance.wait_drained()
        wait_for(lambda: instance.rows("notifiers")[0]["state"] == "disabled")
    assert "answered 410" in instance.rows("notifiers")[0]["trouble"]
    assert "is enabled again" in instance.run("notifiers", "enable", "app").stdout
    wait_for(lambda: instance.rows("notifiers")[0]["notifications"] == {"sent": 2})


def test_commands_list_and_replay_notifications(make_instance: MakeInstance, hook: Hook) -> None:
    instance = make_instance(extra_settings=SETTINGS.format(url=hook.url), environ=ENVIRON)
    instance.start()
    with hook.behaving(status=500):
        instance.post("token1", samples.png("one"))
        wait_for(lambda: len(instance.rows("notifications", "--state", "exhausted")) == 2)
    rows = instance.rows("notifications")
    assert [row["event_type"] for row in rows] == ["file.finished", "file.accepted"]
    assert rows[0]["error"] == "notifier 'app': 127.0.0.1 answered 500"

    assert "is due again" in instance.run("notifications", "replay", rows[0]["id"]).stdout
    wait_for(lambda: [post.event["id"] for post in hook.taken] == [rows[0]["event_id"]])
    again = instance.run("notifications", "replay", "--type", "file.*", "--since", "2020-01-01")
    assert "2 notifications are due again" in again.stdout
    wait_for(lambda: len(hook.taken) == 3)
    assert instance.run("notifications", "replay", "app:999").returncode == 1
    assert instance.run("notifications", "replay").returncode == 2

    wait_for(lambda: {row["state"] for row in instance.rows("notifications")} == {"sent"})
    instance.stop()
    offline = instance.run("notifications", "replay", rows[0]["id"])
    assert "is due again" in offline.stdout, "no instance needs to run"


def wait_for(condition: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something is so; each look is a command, so there is no rest between."""
    done = threading.Event()
    timer = threading.Timer(within, done.set)
    timer.start()
    try:
        while not condition():
            assert not done.is_set(), f"it was not so within {within:g} s"
    finally:
        timer.cancel()
