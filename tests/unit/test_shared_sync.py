"""Threads that want the same directory durable share an fsync, and its failure."""

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sinkwell.contract import SharedSync


class Disk:
    """Counts fsyncs; the first one waits until it may go on."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.error: OSError | None = None

    def fsync(self, fd: int) -> None:
        self.calls.append(os.fstat(fd).st_ino)
        if len(self.calls) == 1:
            self.begun.set()
            assert self.go_on.wait(10)
        elif self.error is not None:
            raise self.error


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "fsync", disk.fsync)
    return disk


@pytest.fixture
def directories(tmp_path: Path) -> Iterator[list[int]]:
    """Return descriptors of two directories, the first one open twice."""
    paths = [tmp_path / "one", tmp_path / "one", tmp_path / "two"]
    for path in paths:
        path.mkdir(exist_ok=True)
    fds = [os.open(path, os.O_RDONLY) for path in paths]
    yield fds
    for fd in fds:
        os.close(fd)


def _ask_behind_the_first(
    sync: SharedSync, disk: Disk, fds: list[int]
) -> list[BaseException | None]:
    """Let one thread sync and, while it does, the others ask; return what each one got."""
    with ThreadPoolExecutor(len(fds)) as threads:
        first = threads.submit(sync, fds[0])
        assert disk.begun.wait(10)
        others = [threads.submit(sync, fd) for fd in fds[1:]]
        while sum(group._asked for group in sync._groups.values()) < len(fds):
            threading.Event().wait(0.001)
        disk.go_on.set()
        return [asked.exception(10) for asked in (first, *others)]


def test_all_who_ask_during_one_sync_share_the_next(disk: Disk, directories: list[int]) -> None:
    first, again, _ = directories
    outcomes = _ask_behind_the_first(SharedSync(), disk, [first, *[first, again] * 5])

    assert outcomes == [None] * 11
    assert len(disk.calls) == 2, "one that was under way, and one for all who came meanwhile"


def test_no_one_is_told_yes_by_a_sync_that_began_before_it_asked(
    disk: Disk, directories: list[int]
) -> None:
    sync = SharedSync()
    _ask_behind_the_first(sync, disk, [directories[0]] * 2)

    assert len(disk.calls) == 2
    sync(directories[0])
    assert len(disk.calls) == 3


def test_a_failed_sync_fails_for_everyone_whom_it_was_for(
    disk: Disk, directories: list[int]
) -> None:
    disk.error = OSError(errno.EIO, os.strerror(errno.EIO))
    outcomes = _ask_behind_the_first(SharedSync(), disk, [directories[0]] * 6)

    assert outcomes == [None, *[disk.error] * 5]
    assert len(disk.calls) == 2, "a failed fsync is not tried again"


def test_another_directory_does_not_wait_and_nothing_is_remembered(
    disk: Disk, directories: list[int]
) -> None:
    sync = SharedSync()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(sync, directories[0])
        assert disk.begun.wait(10)
        sync(directories[2])
        assert not first.done()
        disk.go_on.set()
        first.result(10)
    assert sync._groups == {}
