"""A place on a real SFTP server for each test, and what can go wrong there: fixtures."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import asyncssh
import pytest
import ssh_server

from sinkwell.testing import Destination, Fault, Faults

USER = "sinkwell"
PASSWORD = "the-password-of-the-tests"
PASSPHRASE = "the-passphrase-of-the-tests"
STAGING = ".sinkwell-staging"
FAULTS = {
    Fault.UNREACHABLE: "unreachable",
    Fault.BUSY: "busy",
    Fault.CUT: "cut",
    Fault.HANG: "hang",
}


class Server:
    """The program of ``ssh_server.py``, running."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        self.host_key = host.export_public_key().decode().strip()
        encrypted = user.export_private_key(passphrase=PASSPHRASE, rounds=50)
        self.private_key = encrypted.decode().strip()
        host.write_private_key(directory / "host_key")
        user.write_public_key(directory / "authorized_keys")
        (directory / "password").write_text(PASSWORD)
        self.run_with("")
        self._program = subprocess.Popen(
            [sys.executable, ssh_server.__file__, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._answer())

    def run_with(self, options: str) -> None:
        """Start ``sftp-server`` with these options for each further connection."""
        (self.directory / "options").write_text(options)

    def make(self, fault: str) -> None:
        """Be like this from now on."""
        assert self._program.stdin
        print(fault, file=self._program.stdin, flush=True)
        assert self._answer() == "made"

    @contextmanager
    def within(self, fault: str) -> Iterator[None]:
        """Be like this for a while."""
        self.make(fault)
        try:
            yield
        finally:
            self.make(ssh_server.CALM)

    def connections(self) -> int:
        """Return how many connections there are now."""
        assert self._program.stdin
        print("count", file=self._program.stdin, flush=True)
        return int(self._answer())

    def end(self) -> None:
        assert self._program.stdin
        self._program.stdin.close()
        self._program.wait(10)
        assert self._program.stdout
        self._program.stdout.close()

    def _answer(self) -> str:
        assert self._program.stdout
        return self._program.stdout.readline().strip()


class SftpDestination(Destination):
    """The directory of the server, looked at without it; its disk is ours where we may mount."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root = root
        self._server = server

    def keys(self) -> Collection[str]:
        return [str(path) for path in self._files() if path.parts[0] != STAGING]

    def read(self, key: str) -> bytes:
        return (self.root / key).read_bytes()

    def leftovers(self) -> Collection[str]:
        return [str(path) for path in self._files() if path.parts[0] == STAGING]

    def faults(self) -> Faults:
        made: dict[Fault, Callable[[], AbstractContextManager[None]]] = {
            fault: partial(self._server.within, name) for fault, name in FAULTS.items()
        }
        made[Fault.GONE] = self._gone
        if self.root.parent.is_mount():
            made |= {Fault.FULL: self._full, Fault.FORBIDDEN: self._read_only}
        elif os.geteuid():
            made[Fault.FORBIDDEN] = self._not_permitted
        return made

    def _files(self) -> Iterator[Path]:
        for directory, _, names, _ in os.fwalk(self.root):
            for name in names:
                yield Path(directory, name).relative_to(self.root)

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
        directories = [self.root, self.root / STAGING]
        for each in directories:
            each.chmod(0o500)
        try:
            yield
        finally:
            for each in directories:
                each.chmod(0o700)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not Path(ssh_server.SFTP_SERVER).exists():
        pytest.fail(f"{ssh_server.SFTP_SERVER} is missing: apt install openssh-sftp-server")
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.end()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of our own where we may mount one, else a directory: FULL is then not shown."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() or not shutil.which("mount"):
        yield disk
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def section_of(server: Server, root: Path) -> dict[str, object]:
    """Return the keys of a section, as users write them."""
    return {
        "type": "sftp",
        "host": "127.0.0.1",
        "port": server.port,
        "user": USER,
        "password": PASSWORD,
        "host_keys": [server.host_key],
        "root": str(root),
    }
