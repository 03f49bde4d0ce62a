"""A callback that is sent again is answered as before, and delivered to nowhere, however late."""

import hmac
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from instances import Instance
from intake_support import ask, count, spooled, within
from ledgers import START, MovedClock, make_acceptance, make_ledger
from link_server import LinkServer, answer, link_server

from sinkwell.ledger.closing import Retention
from sinkwell.samples import png

SECRET = "replayed-secret-0123456789"
SETTINGS = """
[server]
port = {port}

[sources.signed]
type = "webhook"
transport = "json"
secrets = ["env:SIGNED_SECRET"]
file = "file"
id = "id"
authentication = {{ scheme = "hmac", header = "X-Signature" }}
fetch.allow_hosts = ["127.0.0.1"]
fetch.allow_networks = ["127.0.0.1/32"]

[sources.nameless]
type = "webhook"
transport = "raw"
secrets = ["env:SIGNED_SECRET"]
id = "header:X-Id"
authentication = {{ scheme = "hmac", header = "X-Signature" }}

[sinks.local]
type = "local"
root = "{root}"

[spool]
retention = 0
failed_retention = 0

[events]
retention = "1s"
"""
A_DAY = 86_400.0


@pytest.fixture
def links() -> Iterator[LinkServer]:
    with link_server() as server:
        yield server


def send(instance: Instance, source: str, body: bytes, **headers: str) -> httpx.Response:
    signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    return instance.ask(
        "POST",
        f"{instance.url}/callbacks/{source}",
        content=body,
        headers={"X-Signature": signature, **headers},
    )


def settled(instance: Instance, files: int) -> bool:
    found = ask(instance, "files")
    finished = [each for each in found if each["state"] == "finished" and not each["in_spool"]]
    return len(finished) == files and spooled(instance) == []


def emptied(instance: Instance) -> None:
    """Take everything out of the sink: whatever is there afterwards was delivered anew."""
    shutil.rmtree(instance.root)
    instance.root.mkdir()


def test_replays_make_no_delivery_after_all_retention_has_ended(
    make_instance: Callable[..., Instance], links: LinkServer
) -> None:
    instance = make_instance(settings=SETTINGS, environ={"SIGNED_SECRET": SECRET})
    instance.start()
    link = links.serve("/a.png", answer(png("linked")))
    body = msgspec.json.encode({"id": "linked", "file": link})
    first = [send(instance, "signed", body), send(instance, "nameless", png("raw"), X_Id="one")]
    assert within(20, lambda: settled(instance, 2)), instance.log_text()
    instance.stop()
    instance.start()  # old events go at a start, and then every ten minutes
    assert within(20, lambda: count(instance, "events") == 0 or not ask(instance, "events"))
    emptied(instance)

    again = [send(instance, "signed", body), send(instance, "nameless", png("raw"), X_Id="two")]

    assert [each.status_code for each in first + again] == [200] * 4
    assert [each.json() for each in again] == [each.json() for each in first]
    instance.wait_drained()
    assert (count(instance, "files"), count(instance, "deliveries")) == (2, 2)
    assert (instance.stored(), links.times_asked("/a.png")) == ({}, 1)


@pytest.mark.parametrize("damaged", [False, True])
def test_replays_are_known_to_a_ledger_that_was_made_anew(
    make_instance: Callable[..., Instance], damaged: bool
) -> None:
    instance = make_instance(settings=SETTINGS, environ={"SIGNED_SECRET": SECRET})
    instance.start()
    first = send(instance, "nameless", png("known"))
    assert within(20, lambda: settled(instance, 1)), instance.log_text()
    instance.stop()
    if damaged:
        _damage_the_events(instance.data_dir / "ledger.sqlite3")

    done = instance.run("ledger", "rebuild", "--config", str(instance.config))
    assert "1 callbacks that were dealt with are still known" in done.stdout, done.stderr
    emptied(instance)
    instance.start()

    assert send(instance, "nameless", png("known")).json() == first.json()
    assert send(instance, "nameless", png("new")).json() != first.json()
    assert within(20, lambda: list(instance.stored().values()) == [png("new")])


def _damage_the_events(ledger: Path) -> None:
    """Overwrite the page that holds the first events; the callbacks are on another."""
    content = bytearray(ledger.read_bytes())
    size = int.from_bytes(content[16:18], "big")  # sqlite.org/fileformat.html, 1.3
    start = content.index(b"callback.received") // size * size
    content[start : start + size] = b"\xff" * size
    ledger.write_bytes(content)


def test_a_file_that_still_waited_is_delivered_by_a_ledger_that_was_made_anew(
    make_instance: Callable[..., Instance], tmp_path: Path
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no directory")
    settings = SETTINGS.replace('root = "{root}"', f'root = "{blocked}"')
    instance = make_instance(settings=settings, environ={"SIGNED_SECRET": SECRET})
    instance.start()
    first = send(instance, "nameless", png("waiting"))
    instance.stop()
    blocked.unlink()

    done = instance.run("ledger", "rebuild", "--config", str(instance.config))
    assert "0 callbacks that were dealt with" in done.stdout, done.stderr
    instance.start()

    assert within(20, lambda: [*blocked.rglob("*.png")] != []), instance.log_text()
    assert send(instance, "nameless", png("waiting")).json() == first.json()


async def test_a_replay_is_known_after_days_and_years(tmp_path: Path) -> None:
    clock = MovedClock()
    ledger = make_ledger(tmp_path, clock, Retention(0, 0))
    try:
        first = await ledger.record_acceptance(make_acceptance("local", token="t1"))
        for days in (1, 7, 8, 4000):
            clock.present = START + days * A_DAY
            await ledger.outbox.forget_events(0.0, 1000, [])
            repeat = make_acceptance("local", token="t1", now=clock.present)
            again = await ledger.record_acceptance(repeat)
            assert (again.callback_id, again.duplicate) == (first.callback_id, True)
    finally:
        await ledger.close()
