"""Puts to a local sink whose disk or spool fails, and the order of what makes them durable."""

import asyncio
import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local_support import (
    PAYLOAD,
    aside,
    blob_of,
    bytes_of,
    descriptors,
    local_sink,
    path_of,
    root_on,
    stored,
)

from sinkwell.contract import (
    Blob,
    IfPresent,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell_local import staging

KEY = "screenshots/2025/01/a.png"
KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE
EVERY_CHOICE = pytest.mark.parametrize("choice", list(IfPresent))


@pytest.fixture(params=["disk", "tmpfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with root_on(request.param, tmp_path) as path:
        yield path


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return blob_of(PAYLOAD, tmp_path / "blob")


@pytest.mark.parametrize("damage", ["shorter", "changed", "gone"])
async def test_a_damaged_copy_in_the_spool_is_never_stored(
    root: Path, blob: Blob, damage: str
) -> None:
    if damage == "shorter":
        blob.path.write_bytes(b"first" * 999)
    elif damage == "changed":
        blob.path.write_bytes(b"First" + blob.path.read_bytes()[5:])
    else:
        blob.path.unlink()
    async with local_sink(root) as sink:
        with pytest.raises(RejectedError, match=f"'mirror': putting '{KEY}'.*spool's copy"):
            await sink.put(blob, KEY, if_present=REPLACE)
    assert stored(root) == {}
    assert aside(root) == []


async def test_a_spool_that_cannot_be_read_is_not_the_sinks_fault(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with local_sink(root) as sink:
        monkeypatch.setattr(os, "preadv", sick)
        with pytest.raises(TransientError, match="look at the disk of the spool"):
            await sink.put(blob, KEY, if_present=KEEP)
    assert aside(root) == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, UnusableError),
        (errno.EDQUOT, UnusableError),
        (errno.EFBIG, RejectedError),
        (errno.EINTR, TransientError),
    ],
)
async def test_a_write_that_fails_leaves_nothing(
    root: Path, blob: Blob, code: int, kind: type[SinkError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, data: memoryview) -> None:
        os.write(fd, data[:10])
        raise OSError(code, os.strerror(code))

    async with local_sink(root) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(staging, "write", refuse)
            with pytest.raises(kind, match=os.strerror(code)):
                await sink.put(blob, KEY, if_present=KEEP)
        assert aside(root) == []
        assert stored(root) == {}
        await sink.put(blob, KEY, if_present=KEEP)
    assert stored(root) == {KEY: bytes_of(blob)}


async def test_short_writes_are_completed(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:999]))
    async with local_sink(root) as sink:
        await sink.put(blob, KEY, if_present=KEEP)
    assert stored(root) == {KEY: bytes_of(blob)}


def failing_at(number: int, fsync: Callable[[int], None]) -> Callable[[int], None]:
    """Fail the call of that number, counted from 1."""
    calls = itertools.count(1)

    def sick(fd: int) -> None:
        if next(calls) == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    return sick


@EVERY_CHOICE
async def test_an_fsync_that_fails_gives_no_receipt_and_no_partial_file(
    root: Path, blob: Blob, choice: IfPresent, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = 0
    for failing in range(1, 100):
        key = f"{failing}/a/b"
        async with local_sink(root) as sink:
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", failing_at(failing, os.fsync))
                try:
                    await sink.put(blob, key, if_present=choice)
                except UnusableError as error:
                    assert "Look at the disk" in str(error)  # noqa: PT017 - both ends are seen
                    failures += 1
                else:
                    break
            assert stored(root).get(key, bytes_of(blob)) == bytes_of(blob)
            assert aside(root) == []
            await sink.put(blob, key, if_present=REPLACE)
    assert failures == 4  # the file, two directories on the way, the one it lands in


@EVERY_CHOICE
async def test_the_file_is_durable_before_its_name_and_the_name_before_the_receipt(
    root: Path, blob: Blob, choice: IfPresent, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    fsync, link, rename = os.fsync, os.link, os.rename

    def recording_fsync(fd: int) -> None:
        path = path_of(fd)
        seen.append(f"fsync {'file' if path.endswith('.part') else os.path.relpath(path, root)}")
        fsync(fd)

    def recording_link(*names: bytes, **fds: Any) -> None:
        seen.append("name")
        link(*names, **fds)

    def recording_rename(*names: bytes, **fds: Any) -> None:
        seen.append("name")
        rename(*names, **fds)

    async with local_sink(root) as sink:
        monkeypatch.setattr(os, "fsync", recording_fsync)
        monkeypatch.setattr(os, "link", recording_link)
        monkeypatch.setattr(os, "rename", recording_rename)
        await sink.put(blob, "a/b/c", if_present=choice)
        assert seen == ["fsync file", "fsync .", "fsync a", "name", "fsync a/b"]

        seen.clear()
        await sink.put(blob, "a/b/d", if_present=choice)
        assert seen == ["fsync file", "name", "fsync a/b"]


async def test_what_is_kept_is_made_durable_first(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a/b").mkdir(parents=True)
    (root / "a/b/c").write_bytes(bytes_of(blob))
    synced: list[str] = []
    async with local_sink(root) as sink:
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path_of(fd)))
        await sink.put(blob, "a/b/c", if_present=KEEP)
    assert [os.path.relpath(path, root) for path in synced] == [".", "a", "a/b/c", "a/b"]


async def test_without_any_way_to_spare_what_is_there_the_sink_is_unusable(
    root: Path, blob: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr("sinkwell_local.syscalls._renameat2", None)
    async with local_sink(root) as sink:
        with pytest.raises(UnusableError, match="use another one for this sink"):
            await sink.put(blob, KEY, if_present=KEEP)
        assert aside(root) == []
        await sink.put(blob, KEY, if_present=REPLACE)


async def test_no_descriptor_is_left_open(root: Path, blob: Blob, tmp_path: Path) -> None:
    other = blob_of(b"other", tmp_path / "other")
    async with local_sink(root) as sink:
        await sink.put(blob, KEY, if_present=KEEP)
        before = descriptors()
        for key in (KEY, "", f"{KEY}/b", "screenshots", "new/one"):
            for choice in IfPresent:
                for each in (blob, other, replace(other, size=1), replace(blob, path=root / "no")):
                    await asyncio.gather(
                        sink.put(each, key, if_present=choice), return_exceptions=True
                    )
        assert descriptors() == before
