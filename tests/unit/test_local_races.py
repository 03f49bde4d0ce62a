"""Puts to the local sink at the same time, and puts that are cancelled."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_support import (
    PAYLOAD,
    aside,
    blob_of,
    bytes_of,
    local_sink,
    path_of,
    root_on,
    settings_for,
    stored,
    threads,
)

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    TransientError,
)
from sinkwell_local import LOCAL, staging

KEY = "screenshots/2025/01/a.png"
KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


@pytest.fixture(params=["disk", "tmpfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with root_on(request.param, tmp_path) as path:
        yield path


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return blob_of(PAYLOAD, tmp_path / "blob")


@pytest.fixture(params=["link", "renameat2"])
def publishing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without hard links, as on exFAT."""
    if request.param == "renameat2":

        def no_links(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", no_links)


async def outcomes(root: Path, blobs: list[Blob], choice: IfPresent) -> list[object]:
    async with threads(len(blobs)) as context:
        sink = await LOCAL.open(settings_for(root), context)
        puts = [sink.put(blob, KEY, if_present=choice) for blob in blobs]
        return list(await asyncio.gather(*puts, return_exceptions=True))


async def test_of_16_writers_one_wins_when_others_are_refused(
    root: Path, tmp_path: Path, publishing: None
) -> None:
    blob = blob_of(os.urandom(300_000), tmp_path / "blob")
    results = await outcomes(root, [blob] * 16, REFUSE)
    assert sum(isinstance(result, Receipt) for result in results) == 1
    assert sum(isinstance(result, RejectedError) for result in results) == 15
    assert stored(root) == {KEY: bytes_of(blob)}
    assert aside(root) == []


async def test_of_16_writers_of_the_same_bytes_all_succeed(
    root: Path, tmp_path: Path, publishing: None
) -> None:
    blob = blob_of(os.urandom(300_000), tmp_path / "blob")
    results = await outcomes(root, [blob] * 16, KEEP)
    assert all(isinstance(result, Receipt) for result in results)
    assert stored(root) == {KEY: bytes_of(blob)}
    assert aside(root) == []


async def test_of_writers_of_four_contents_exactly_one_content_wins(
    root: Path, tmp_path: Path, publishing: None
) -> None:
    contents = [blob_of(os.urandom(300_000), tmp_path / f"blob{n}") for n in range(4)]
    results = await outcomes(root, contents * 4, KEEP)
    winners = [result for result in results if isinstance(result, Receipt)]
    assert len({winner.sha256 for winner in winners}) == 1
    assert len(winners) == 4
    assert sum(isinstance(result, RejectedError) for result in results) == 12
    (winner,) = [blob for blob in contents if blob.sha256 == winners[0].sha256]
    assert stored(root) == {KEY: bytes_of(winner)}
    assert aside(root) == []


async def test_of_16_writers_that_replace_all_succeed_and_one_content_stands(
    root: Path, tmp_path: Path
) -> None:
    contents = [blob_of(os.urandom(300_000), tmp_path / f"blob{n}") for n in range(16)]
    results = await outcomes(root, contents, REPLACE)
    assert all(isinstance(result, Receipt) for result in results)
    assert stored(root)[KEY] in [bytes_of(blob) for blob in contents]
    assert aside(root) == []


async def test_a_file_that_appears_and_goes_is_tried_again(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object, **__: object) -> None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(os, "link", taken)
    async with local_sink(root) as sink:
        with pytest.raises(TransientError, match="was there and went"):
            await sink.put(blob, KEY, if_present=KEEP)
    assert aside(root) == []


async def test_nobody_puts_into_a_directory_that_is_not_durable_yet(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync
    made, go_on = threading.Event(), threading.Event()

    async with local_sink(root) as sink:

        def slow(fd: int) -> None:
            if path_of(fd) == str(root):
                made.set()
                go_on.wait()
            fsync(fd)

        monkeypatch.setattr(os, "fsync", slow)
        first = asyncio.create_task(sink.put(blob, "new/a", if_present=KEEP))
        await asyncio.to_thread(made.wait)
        assert (root / "new").is_dir()
        second = asyncio.create_task(sink.put(blob, "new/b", if_present=KEEP))
        await asyncio.sleep(0.2)
        assert stored(root) == {}
        go_on.set()
        await asyncio.gather(first, second)
    assert sorted(stored(root)) == ["new/a", "new/b"]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_put_leaves_nothing_or_the_complete_file(
    root: Path, blob: Blob, fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    write = staging.write

    def slow(fd: int, data: memoryview) -> None:
        write(fd, data[:100])
        begun.set()
        go_on.wait()
        if fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write(fd, data[100:])

    async with local_sink(root) as sink:
        monkeypatch.setattr(staging, "write", slow)
        put = asyncio.create_task(sink.put(blob, KEY, if_present=KEEP))
        await asyncio.to_thread(begun.wait)
        put.cancel()
        with pytest.raises(asyncio.CancelledError):
            await put
        await sink.close()
        assert stored(root) == {}
        assert len(aside(root)) == 1
        go_on.set()
    assert stored(root) == ({} if fails else {KEY: bytes_of(blob)})
    assert aside(root) == []


@pytest.mark.parametrize("choice", list(IfPresent))
async def test_a_parent_that_becomes_a_link_during_the_write_is_refused(
    root: Path, blob: Blob, tmp_path: Path, choice: IfPresent, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write = staging.write

    def swap(fd: int, data: memoryview) -> None:
        write(fd, data)
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(outside)

    async with local_sink(root) as sink:
        await sink.put(blob, "a/first", if_present=choice)
        monkeypatch.setattr(staging, "write", swap)
        with pytest.raises(RejectedError, match="symbolic link"):
            await sink.put(blob, "a/second", if_present=choice)
    assert list(outside.iterdir()) == []
    assert stored(root) == {"moved/first": bytes_of(blob)}
    assert aside(root) == []


async def test_a_parent_that_becomes_a_link_at_the_last_moment_is_not_followed(
    root: Path, blob: Blob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = os.link

    def swap(*names: bytes, **fds: Any) -> None:
        (root / "a").rename(root / "moved")
        (root / "a").symlink_to(outside)
        link(*names, **fds)

    async with local_sink(root) as sink:
        monkeypatch.setattr(os, "link", swap)
        await sink.put(blob, "a/b", if_present=KEEP)
    assert list(outside.iterdir()) == []
    assert (root / "moved" / "b").read_bytes() == bytes_of(blob)
