"""Spool and ledger brought together at start, whatever happened to either meanwhile."""

import asyncio
import os
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intake_support import names, within
from structlog.testing import capture_logs

from sinkwell.intake.manifest import Manifest, encode_trailer
from sinkwell.intake.reconcile import Reconciled
from sinkwell.ledger.reads import Filter
from sinkwell.runtime import Store, installed_plugins, opened, running
from sinkwell.settings import Settings, load

MANY = 10_000
LIMIT = 10.0
"""Seconds."""

SETTINGS = """
[sources.shotbot]
type = "shotbot"
secrets = ["env:SHOTBOT_SECRET"]

[sinks.local]
type = "local"
root = "{root}"
key = "{{token}}.{{format}}"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "sinkwell.toml"
    path.write_text(SETTINGS.format(root=tmp_path / "stored"))
    return load(
        installed_plugins(),
        path=path,
        default_text=None,
        data_dir=tmp_path / "data",
        host=None,
        port=None,
        environ={"SHOTBOT_SECRET": "secret"},
    )


Start = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture
def start(settings: Settings) -> Start:
    """Return what opens spool and ledger, as a process does that has not begun to serve."""
    return lambda: opened(settings, installed_plugins())


@pytest.fixture
def files(settings: Settings) -> Path:
    """Return the directory of complete files."""
    made = settings.data_dir / "spool" / "files"
    made.mkdir(parents=True)
    return made


def payload(n: int) -> bytes:
    return b"payload %d" % n


def manifest(n: int, **changed: Any) -> Manifest:
    given = {
        "file_id": f"f{n:028x}",
        "callback_id": f"c{n:028x}",
        "source": "shotbot",
        "provider_id": f"token{n}",
        "deduplication_key": f"token{n}",
        "provider_status": "OK",
        "received_at": 1764000000.0 + n,
        "size": len(payload(n)),
        "sha256": sha256(payload(n)).hexdigest(),
        "media_type": "image/png",
        "extension": "png",
        "name": "shot.png",
        "labels": {},
    }
    return Manifest(**{**given, **changed})


def whole(n: int, **changed: Any) -> bytes:
    return payload(n) + encode_trailer(manifest(n, **changed))


def spool(files: Path, *numbers: int, **changed: Any) -> None:
    for n in numbers:
        (files / manifest(n, **changed).file_id).write_bytes(whole(n, **changed))


async def reconciled(start: Start) -> Reconciled:
    async with start() as store:
        return await store.reconcile()


async def events(store: Store, kind: str) -> list[dict[str, Any]]:
    found = await store.ledger.events_after(0, 10_000)
    return [msgspec.to_builtins(event.data) for event in found if event.type == kind]


# --- what is there and not known --------------------------------------------------------------


async def test_a_file_that_the_ledger_does_not_know_is_adopted(start: Start, files: Path) -> None:
    spool(files, 1, 2)
    async with start() as store:
        assert await store.reconcile() == Reconciled(adopted=2)
        second, first = await store.ledger.list_files(Filter())
        assert (first.id, first.token, first.sha256) == (
            manifest(1).file_id,
            "token1",
            manifest(1).sha256,
        )
        assert (second.state, second.in_spool) == ("open", True)
        deliveries = await store.ledger.list_deliveries(Filter())
        assert {(each.sink, each.key, each.state) for each in deliveries} == {
            ("local", "token1.png", "pending"),
            ("local", "token2.png", "pending"),
        }
        assert store.admission.used == len(payload(1)) + len(payload(2))
    assert await reconciled(start) == Reconciled()


async def test_adopted_files_are_delivered(settings: Settings, files: Path) -> None:
    spool(files, *range(30))
    root = settings.data_dir.parent / "stored"
    async with running(settings, installed_plugins()):
        assert await asyncio.to_thread(within, 20, lambda: not names(files))
    for n in range(30):
        assert (root / f"token{n}.png").read_bytes() == payload(n)


async def test_a_copy_of_a_callback_that_is_known_by_another_file_is_removed(
    start: Start, files: Path
) -> None:
    spool(files, 1)
    await reconciled(start)
    again = {"provider_id": "token1", "deduplication_key": "token1"}
    spool(files, 2, **again)
    async with start() as store:
        assert await store.reconcile() == Reconciled(repeated=1)
        assert len(await store.ledger.list_files(Filter())) == 1
        assert await events(store, "callback.duplicate") == [
            {
                "callback_id": manifest(1).callback_id,
                "source": "shotbot",
                "provider_id": "token1",
                "same_content": False,
            }
        ]
    assert names(files) == [manifest(1).file_id]


async def test_of_two_copies_that_nobody_knows_one_is_kept(start: Start, files: Path) -> None:
    spool(files, 1)
    spool(files, 2, provider_id="token1", deduplication_key="token1")
    assert await reconciled(start) == Reconciled(adopted=1, repeated=1)
    assert names(files) == [manifest(1).file_id], "the later one stayed"


async def test_the_files_of_one_callback_are_adopted_together(
    start: Start, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinkwell.intake.reconcile._AT_ONCE", 2)
    spool(files, 1, 2, 3, 4, 5, callback_id="c1", deduplication_key="job1")
    spool(files, 6)

    assert await reconciled(start) == Reconciled(adopted=6)
    assert len(names(files)) == 6


async def test_a_file_of_a_source_that_is_gone_is_kept_and_shown(start: Start, files: Path) -> None:
    spool(files, 1, source="retired")
    async with start() as store:
        assert await store.reconcile() == Reconciled(adopted=1)
        (file,) = await store.ledger.list_files(Filter())
        assert (file.state, file.in_spool) == ("unrouted", True)
    assert names(files) == [manifest(1).file_id]


# --- what is known and not there --------------------------------------------------------------


async def test_a_file_that_is_missing_is_rejected_with_the_reason(
    start: Start, files: Path
) -> None:
    spool(files, 1, 2)
    await reconciled(start)
    (files / manifest(1).file_id).unlink()
    async with start() as store:
        assert await store.reconcile() == Reconciled(lost=1)
        lost, waiting = sorted(
            await store.ledger.list_deliveries(Filter()), key=lambda each: each.token
        )
        assert (lost.state, lost.error) == ("rejected", "it is no longer in the spool")
        assert waiting.state == "pending"
        (file,) = await store.ledger.list_files(Filter(file_id=manifest(1).file_id))
        assert (file.state, file.in_spool) == ("quarantined", False)
        (told,) = await events(store, "file.quarantined")
        assert (told["file_id"], told["provider_id"]) == (manifest(1).file_id, "token1")
        assert told["reason"] == "it is no longer in the spool"
        assert store.admission.used == len(payload(2))
    assert await reconciled(start) == Reconciled()


async def test_a_file_that_the_ledger_let_go_is_removed(start: Start, files: Path) -> None:
    spool(files, 1, 2)
    async with start() as store:
        await store.reconcile()
        await store.ledger.mark_released([manifest(1).file_id])
    assert await reconciled(start) == Reconciled(let_go=1)
    assert names(files) == [manifest(2).file_id]


# --- junk -------------------------------------------------------------------------------------


def bury_junk(files: Path, elsewhere: Path) -> int:
    """Put one of each kind of junk among the files; return how many that are."""
    good = whole(900)
    (files / "truncated").write_bytes(good[:-1])
    (files / f"f{901:028x}").write_bytes(good[len(payload(900)) // 2 :])
    (files / "empty").touch()
    (files / "random").write_bytes(random.Random(1).randbytes(5000))
    (files / f"f{902:028x}").write_bytes(good)  # its manifest names another file
    (files / "unreadable").touch(mode=0o000)
    (files / "directory" / "inner").mkdir(parents=True)
    (elsewhere / "good").write_bytes(good)
    (files / manifest(900).file_id).symlink_to(elsewhere / "good")
    (files / "dangling").symlink_to(elsewhere / "nothing")
    os.mkfifo(files / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(files / "s"))
    (Path(os.fsdecode(bytes(files) + b"/\xff\xfe"))).write_bytes(good)
    (files / "name\nwith lines").write_bytes(good)
    (files / ("n" * 255)).touch()
    return 14


@contextmanager
def not_held_up_by(fifo: Path) -> Iterator[None]:
    """See that nobody waits for a writer of the FIFO; let them go on, should they wait."""
    rescue = threading.Timer(5, os.open, (fifo, os.O_RDWR))
    rescue.start()
    began = time.monotonic()
    yield
    rescue.cancel()
    assert time.monotonic() - began < 5, "the FIFO was waited for"


async def test_junk_is_set_aside_and_the_rest_goes_on(
    start: Start, files: Path, tmp_path: Path
) -> None:
    spool(files, 1, 2)
    count = bury_junk(files, tmp_path)
    buried = names(files)
    with capture_logs() as logs, not_held_up_by(files / "fifo"):
        found = await reconciled(start)
    assert found == Reconciled(adopted=2, quarantined=count)
    assert names(files) == [manifest(1).file_id, manifest(2).file_id]
    quarantine = files.parent / "quarantine"
    assert sorted([*names(quarantine), *names(files)]) == buried
    assert (quarantine / "directory" / "inner").is_dir()
    assert (quarantine / manifest(900).file_id).is_symlink()
    assert (tmp_path / "good").read_bytes() == whole(900)
    set_aside = [log for log in logs if log["event"] == "a spooled file was set aside"]
    assert len(set_aside) == count
    assert all(log["reason"] and log["path"].encode() for log in set_aside)


async def test_junk_is_not_set_aside_over_earlier_junk(start: Start, files: Path) -> None:
    for content in (b"first", b"second"):
        (files / "junk").write_bytes(content)
        await reconciled(start)
    quarantine = files.parent / "quarantine"
    assert sorted((quarantine / name).read_bytes() for name in names(quarantine)) == [
        b"first",
        b"second",
    ]


async def test_what_was_half_written_is_removed(start: Start, files: Path) -> None:
    half = files.parent / "tmp"
    half.mkdir()
    (half / "f1").write_bytes(whole(1)[:5])
    assert await reconciled(start) == Reconciled(swept=1)
    assert names(half) == []


async def test_a_start_with_nothing_to_do_does_nothing(start: Start) -> None:
    with capture_logs() as logs:
        assert await reconciled(start) == Reconciled()
    assert logs == []


# --- a lot ------------------------------------------------------------------------------------


@asynccontextmanager
async def timed(what: str, start: Start) -> AsyncIterator[tuple[Store, Reconciled]]:
    async with start() as store:
        with capture_logs():
            began = time.monotonic()
            found = await store.reconcile()
            took = time.monotonic() - began
        print(f"\n{what}: {took:.2f} s")
        assert took < LIMIT, f"{what} took {took:.1f} s"
        yield store, found


async def test_a_start_is_quick_however_much_waits(start: Start, files: Path) -> None:
    spool(files, *range(MANY))
    noise = random.Random(2).randbytes(4096)
    for n in range(MANY):
        good = whole(MANY + n)
        kinds = (good[: n % len(good)], b"", noise[: n % 4096], good[1:], good)
        (files / f"junk{n}").write_bytes(kinds[n % len(kinds)])

    async with timed("adopting 10,000 files among 10,000 of junk", start) as (store, found):
        assert found == Reconciled(adopted=MANY, quarantined=MANY)
        assert store.admission.used == sum(len(payload(n)) for n in range(MANY))
        ((sink, state, count),) = await store.ledger.count_states()
        assert (sink, state, count) == ("local", "pending", MANY)
    assert len(names(files)) == MANY

    async with timed("starting with 10,000 files that wait", start) as (_, found):
        assert found == Reconciled()

    for name in names(files)[:1000]:
        (files / name).unlink()
    async with timed("noting the loss of 1,000 files", start) as (_, found):
        assert found == Reconciled(lost=1000)
