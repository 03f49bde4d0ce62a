"""The local sink keeps the contract of sinks."""

import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from sinkwell.contract.sink import AnySinkType
from sinkwell.testing import LARGE, Destination, Fault, Faults, SinkContract
from sinkwell_local import LOCAL, staging

DISK = "size=160m"


class LocalDestination(Destination):
    """A directory, looked at with what Python has; its disk is ours alone where we may mount."""

    def __init__(self, root: Path, *, own_disk: bool) -> None:
        self.root = root
        self._own_disk = own_disk

    def keys(self) -> Collection[str]:
        return [str(path) for path in self._files() if path.parts[0] != ".sinkwell"]

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def leftovers(self) -> Collection[str]:
        return [str(path) for path in self._files() if path.parts[0] == ".sinkwell"]

    def faults(self) -> Faults:
        made: dict[Fault, Callable[[], AbstractContextManager[None]]] = {
            Fault.BUSY: self._no_descriptors,
            Fault.REFUSED: self._no_large_files,
            Fault.GONE: self._gone,
            Fault.CUT: self._cut,
            Fault.HANG: self._hang,
        }
        if self._own_disk:
            made |= {Fault.FULL: self._full, Fault.FORBIDDEN: self._read_only}
        elif os.geteuid():
            made[Fault.FORBIDDEN] = self._not_permitted
        return made

    def _files(self) -> Iterator[Path]:
        for directory, _, names, _ in os.fwalk(self.root):
            for name in names:
                yield Path(directory, name).relative_to(self.root)

    @contextmanager
    def _no_descriptors(self) -> Iterator[None]:
        most = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        taken = [os.dup(0) for _ in range(most + 8)]
        with limit(resource.RLIMIT_NOFILE, max(taken) + 1):
            try:
                yield
            finally:
                for fd in taken:
                    os.close(fd)

    @contextmanager
    def _no_large_files(self) -> Iterator[None]:
        with limit(resource.RLIMIT_FSIZE, LARGE // 2):
            yield

    @contextmanager
    def _gone(self) -> Iterator[None]:
        elsewhere = self.root.with_name("elsewhere")
        self.root.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(self.root)

    @contextmanager
    def _full(self) -> Iterator[None]:
        ballast = self.root.with_name("ballast")
        with ballast.open("wb", buffering=0) as file:
            disk = os.fstatvfs(file.fileno())
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize)
        try:
            yield
        finally:
            ballast.unlink()

    @contextmanager
    def _read_only(self) -> Iterator[None]:
        remount(self.root.parent, "ro")
        try:
            yield
        finally:
            remount(self.root.parent, "rw")

    @contextmanager
    def _not_permitted(self) -> Iterator[None]:
        directories = [self.root, self.root / ".sinkwell"]
        for each in directories:
            each.chmod(0o500)
        try:
            yield
        finally:
            for each in directories:
                each.chmod(0o700)

    @contextmanager
    def _cut(self) -> Iterator[None]:
        def interrupted(fd: int, data: bytes | memoryview) -> None:
            write(fd, memoryview(data)[:1000])
            raise InterruptedError(4, os.strerror(4))

        write = staging.write
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(staging, "write", interrupted)
            yield

    @contextmanager
    def _hang(self) -> Iterator[None]:
        def hanging(fd: int, data: bytes | memoryview) -> None:
            over.wait()
            write(fd, data)

        over, write = threading.Event(), staging.write
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(staging, "write", hanging)
            try:
                yield
            finally:
                over.set()


@contextmanager
def limit(which: int, most: int) -> Iterator[None]:
    """Hold this process to a limit of its own."""
    before, hard = resource.getrlimit(which)
    resource.setrlimit(which, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(which, (before, hard))


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of our own where we may mount one, else a directory: FULL is then not shown."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        yield disk
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


class TestLocal(SinkContract):
    part_size = staging.PIECE

    @pytest.fixture
    def sink_type(self) -> AnySinkType:
        return LOCAL

    @pytest.fixture
    def section(self, disk: Path) -> dict[str, object]:
        return {"type": "local", "root": str(disk / "root")}

    @pytest.fixture
    def destination(self, disk: Path) -> Destination:
        return LocalDestination(disk / "root", own_disk=disk.is_mount())
