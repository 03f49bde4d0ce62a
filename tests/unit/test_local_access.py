"""Looking at, reading and deleting what a local sink has stored."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_support import (
    PAYLOAD,
    blob_of,
    delete,
    descriptors,
    local_sink,
    path_of,
    pieces,
    read,
    root_on,
    stored,
)

from sinkwell.contract import (
    Blob,
    IfPresent,
    RejectedError,
    Stat,
    UnusableError,
)
from sinkwell_local import staging

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


@pytest.fixture(params=["disk", "tmpfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with root_on(request.param, tmp_path) as path:
        yield path


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return blob_of(PAYLOAD, tmp_path / "blob")


async def test_stat_tells_the_size(root: Path, blob: Blob) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob, "a/b", if_present=KEEP)
        assert await sink.stat("a/b") == Stat(size=len(PAYLOAD))


async def test_where_no_file_is_stat_tells_nothing_and_read_is_rejected(
    root: Path, blob: Blob, tmp_path: Path
) -> None:
    (root / "directory").mkdir(parents=True)
    (root / "link").symlink_to(blob.path)
    os.mkfifo(root / "pipe")
    async with local_sink(root) as sink:
        await sink.put(blob, "file", if_present=KEEP)
        for key in ("missing", "missing/a", "file/a", "directory", "link", "pipe"):
            assert await sink.stat(key) is None
            with pytest.raises(RejectedError, match=f"reading '{key}'.*no such file"):
                await read(sink, key)


async def test_nothing_is_seen_through_a_linked_directory(
    root: Path, blob: Blob, tmp_path: Path
) -> None:
    async with local_sink(root) as sink:
        (root / "link").symlink_to(tmp_path)
        for call in (sink.stat("link/blob"), read(sink, "link/blob"), delete(sink, "link/blob")):
            with pytest.raises(RejectedError, match="symbolic link"):
                await call
    assert blob.path.exists()


@pytest.mark.parametrize("size", [0, 1, staging.PIECE, 3 * staging.PIECE + 1])
async def test_read_gives_the_bytes_back(root: Path, tmp_path: Path, size: int) -> None:
    payload = os.urandom(size)
    async with local_sink(root) as sink:
        await sink.put(blob_of(payload, tmp_path / "blob"), "a", if_present=KEEP)
        assert await read(sink, "a") == payload


async def test_a_read_sees_one_file_even_if_it_is_replaced_meanwhile(
    root: Path, tmp_path: Path
) -> None:
    old, new = b"o" * 3 * staging.PIECE, b"n" * 3 * staging.PIECE
    async with local_sink(root) as sink:
        await sink.put(blob_of(old, tmp_path / "old"), "a", if_present=KEEP)
        seen = bytearray()
        async for piece in pieces(sink, "a"):
            seen += piece
            await sink.put(blob_of(new, tmp_path / "new"), "a", if_present=IfPresent.REPLACE)
        assert bytes(seen) == old


async def test_a_read_that_stops_early_or_fails_closes_its_file(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob_of(b"x" * 3 * staging.PIECE, tmp_path / "b"), "a", if_present=KEEP)
        before = descriptors()
        await read(sink, "a")
        assert descriptors() == before

        stopped = pieces(sink, "a")
        assert len(await anext(stopped)) == staging.PIECE
        assert descriptors() == before + 1
        await stopped.aclose()
        assert descriptors() == before

        def sick(*_: object) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patch:
            patch.setattr(os, "read", sick)
            with pytest.raises(UnusableError, match="reading 'a' failed"):
                await read(sink, "a")
        assert descriptors() == before


@pytest.mark.parametrize("moment", ["stat", "read"])
async def test_a_cancelled_read_closes_its_file_once_its_thread_is_done(
    root: Path, blob: Blob, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    call = getattr(os, moment)

    def slow(*args: object, **more: object) -> object:
        begun.set()
        go_on.wait()
        return call(*args, **more)

    async with local_sink(root) as sink:
        await sink.put(blob, "a", if_present=KEEP)
        before = descriptors()
        reading = asyncio.create_task(read(sink, "a"))
        with monkeypatch.context() as patch:
            patch.setattr(os, moment, slow)
            await asyncio.to_thread(begun.wait)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        open_while_the_thread_is_busy = descriptors()
        go_on.set()
    assert open_while_the_thread_is_busy > before
    assert descriptors() <= before  # the sink's threads have ended


async def test_delete_removes_the_file_durably_and_again_does_nothing(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    async with local_sink(root) as sink:
        await sink.put(blob, "a/b", if_present=KEEP)
        await sink.put(blob, "a/c", if_present=KEEP)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda fd: synced.append(path_of(fd)))
            await delete(sink, "a/b")
        assert synced == [str(root / "a")]
        for key in ("a/b", "a/missing", "missing/a", "a/c/d"):
            await delete(sink, key)
    assert stored(root) == {"a/c": PAYLOAD}


async def test_a_directory_is_not_deleted(root: Path) -> None:
    (root / "a").mkdir(parents=True)
    async with local_sink(root) as sink:
        with pytest.raises(RejectedError, match="deleting 'a'"):
            await delete(sink, "a")
    assert (root / "a").is_dir()
