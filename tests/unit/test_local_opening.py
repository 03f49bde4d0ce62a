"""Opening a local sink, and a root that goes away and comes back."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pluggy
import pytest
from local_support import (
    PAYLOAD,
    aside,
    blob_of,
    delete,
    local_sink,
    path_of,
    read,
    root_on,
    settings_for,
    stored,
    threads,
)

import sinkwell_local
from sinkwell.contract import (
    Blob,
    Capability,
    DeletableSink,
    IfPresent,
    ReadableSink,
    UnusableError,
    hooks,
)
from sinkwell_local import LOCAL, staging
from sinkwell_local.containment import held

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE

OPEN = """
import sys
from sinkwell.contract import SinkContext
from sinkwell_local.settings import LocalSettings
from sinkwell_local.store import Store

context = SinkContext("other", run_blocking=None, directory=None)
Store.open(LocalSettings(type="local", root=sys.argv[1]), context)
"""


@pytest.fixture(params=["disk", "tmpfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with root_on(request.param, tmp_path) as path:
        yield path


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return blob_of(PAYLOAD, tmp_path / "blob")


def test_the_plugin_registers_one_type_by_the_hook() -> None:
    manager = pluggy.PluginManager(hooks.NAMESPACE)
    manager.add_hookspecs(hooks)
    manager.register(sinkwell_local)
    manager.check_pending()
    assert manager.hook.sinkwell_sinks() == [[LOCAL]]
    assert LOCAL.name == "local"


async def test_it_can_do_what_its_type_says(root: Path) -> None:
    assert LOCAL.capabilities == {Capability.READ, Capability.DELETE}
    async with local_sink(root) as sink:
        assert isinstance(sink, ReadableSink)
        assert isinstance(sink, DeletableSink)


async def test_a_root_is_made_with_all_above_it(root: Path, blob: Blob) -> None:
    deep = root / "one" / "two"
    async with local_sink(deep, directory_mode=0o750) as sink:
        await sink.put(blob, "a", if_present=KEEP)
    assert stored(deep) == {"a": PAYLOAD}
    for made in (root, root / "one", deep):
        assert made.stat().st_mode & 0o7777 == 0o750


async def test_a_root_that_is_made_is_durable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path_of(fd)))
    async with local_sink(root / "one" / "two"):
        assert synced == [str(root.parent), str(root), str(root / "one")]


async def test_a_root_that_is_there_keeps_its_mode(root: Path) -> None:
    root.mkdir(mode=0o755)
    async with local_sink(root):
        assert root.stat().st_mode & 0o7777 == 0o755


async def test_a_relative_root_stays_where_it_was_opened(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    monkeypatch.chdir(root)
    async with local_sink(Path("files")) as sink:
        monkeypatch.chdir("/")
        receipt = await sink.put(blob, "a", if_present=KEEP)
    assert receipt.location == f"file://{root}/files/a"
    assert (root / "files/a").read_bytes() == PAYLOAD


async def test_a_root_may_be_a_link(root: Path, blob: Blob) -> None:
    real = root.with_name("real")
    real.mkdir()
    root.symlink_to(real)
    async with local_sink(root) as sink:
        await sink.put(blob, "a", if_present=KEEP)
    assert stored(real) == {"a": PAYLOAD}


async def test_a_root_that_is_a_file_is_unusable(root: Path) -> None:
    root.write_bytes(b"")
    async with threads() as context:
        with pytest.raises(UnusableError, match=r"sink 'mirror': opening its root .*ENOTDIR"):
            await LOCAL.open(settings_for(root), context)


async def test_a_staging_directory_that_is_a_link_is_unusable(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root.mkdir()
    (root / ".sinkwell").symlink_to(elsewhere)
    async with threads() as context:
        with pytest.raises(UnusableError, match="ELOOP"):
            await LOCAL.open(settings_for(root), context)


async def test_opening_sweeps_what_a_killed_process_left_and_nothing_else(
    root: Path, blob: Blob
) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob, "a", if_present=KEEP)
        left = root / ".sinkwell" / "left.part"
        left.write_bytes(b"half")
        linked = root / ".sinkwell" / "linked.part"
        os.link(root / "a", linked)
        foreign = root / ".sinkwell" / "notes.txt"
        foreign.touch()
        with (
            held(os.open(root / ".sinkwell", os.O_RDONLY)) as directory,
            staging.aside(directory) as living,
        ):
            async with local_sink(root):
                assert set(aside(root)) == {"notes.txt", living.name.decode()}
    assert stored(root) == {"a": PAYLOAD}


async def test_a_put_goes_on_while_another_process_opens_the_same_root(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write = staging.write

    def slow(fd: int, data: memoryview) -> None:
        begun.set()
        go_on.wait()
        write(fd, data)

    async with local_sink(root) as sink:
        monkeypatch.setattr(staging, "write", slow)
        put = asyncio.create_task(sink.put(blob, "a", if_present=KEEP))
        await asyncio.to_thread(begun.wait)
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", OPEN, str(root)], check=True)
        go_on.set()
        await put
    assert stored(root) == {"a": PAYLOAD}


@pytest.mark.parametrize("now", ["removed", "replaced", "a file"])
async def test_a_root_that_is_not_ours_any_more_is_unusable_until_it_is_back(
    root: Path, blob: Blob, now: str
) -> None:
    away = root.with_name("away")
    async with local_sink(root) as sink:
        await sink.put(blob, "a", if_present=KEEP)
        root.rename(away)
        if now == "replaced":
            root.mkdir()
        elif now == "a file":
            root.touch()

        for call in (
            sink.put(blob, "b", if_present=KEEP),
            sink.put(blob, "a", if_present=IfPresent.REPLACE),
            sink.stat("a"),
            read(sink, "a"),
            delete(sink, "a"),
        ):
            with pytest.raises(UnusableError, match=r"'mirror': its root .* Mount its disk"):
                await call
        findings = await sink.check()
        assert [finding.level for finding in findings] == ["failed"]
        assert "Mount its disk" in findings[0].what
        assert stored(away) == {"a": PAYLOAD}
        if now == "replaced":
            assert list(root.iterdir()) == []
            root.rmdir()
        elif now == "a file":
            root.unlink()

        away.rename(root)
        await sink.put(blob, "b", if_present=KEEP)
        assert {finding.level for finding in await sink.check()} <= {"ok", "warning"}
    assert stored(root) == {"a": PAYLOAD, "b": PAYLOAD}


async def test_close_may_be_called_twice(root: Path) -> None:
    async with local_sink(root) as sink:
        await sink.close()
        await sink.close()
