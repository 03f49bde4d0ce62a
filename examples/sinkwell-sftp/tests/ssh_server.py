"""An SSH server on loopback whose SFTP is OpenSSH's own, behind a door that makes faults.

Run as a program of its own: ``ssh_server.py DIRECTORY``. The directory holds ``host_key``,
``authorized_keys``, ``password`` and ``options``, those of ``sftp-server``. Its first line of
output is the port; from then on it reads a fault from each line of input, and answers with a line
when that is in force. ``count`` is answered by how many connections there are. It ends with its
input.
"""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import asyncssh

SFTP_SERVER = "/usr/lib/openssh/sftp-server"
CALM = "none"
_HOST = "127.0.0.1"
_PASSED_BEFORE = 512 * 1024
"""Bytes of a connection that are let through before it is cut, or hangs."""


class Sftp(asyncssh.SSHServerSession[bytes]):
    """A session, and the ``sftp-server`` that serves it."""

    running: ClassVar[set[asyncio.subprocess.Process]] = set()

    def __init__(self, directory: Path) -> None:
        self._options = (directory / "options").read_text().split()
        self._received: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "sftp"

    def session_started(self) -> None:
        self._serving = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._received.put_nowait(data)
        self._channel.pause_reading()

    def eof_received(self) -> bool:
        self._received.put_nowait(b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._received.put_nowait(b"")

    async def _serve(self) -> None:
        pipe = asyncio.subprocess.PIPE
        server = await asyncio.create_subprocess_exec(
            SFTP_SERVER, *self._options, stdin=pipe, stdout=pipe
        )
        self.running.add(server)
        assert server.stdin
        assert server.stdout
        answering = asyncio.ensure_future(self._answer(server.stdout))
        with suppress(OSError):  # it ended by itself
            while data := await self._received.get():
                server.stdin.write(data)
                await server.stdin.drain()
                if self._received.empty():
                    self._channel.resume_reading()
        server.stdin.close()
        await answering
        await server.wait()
        self.running.remove(server)
        self._channel.exit(0)

    async def _answer(self, output: asyncio.StreamReader) -> None:
        with suppress(OSError):  # the client has gone
            while data := await output.read(65536):
                self._channel.write(data)
        self._received.put_nowait(b"")


class Login(asyncssh.SSHServer):
    """Who may come in."""

    def __init__(self, directory: Path, door: "Door") -> None:
        self._directory = directory
        self._door = door

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn

    def session_requested(self) -> Sftp:
        return Sftp(self._directory)

    def begin_auth(self, username: str) -> bool:
        self._conn.set_authorized_keys(str(self._directory / "authorized_keys"))
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        right = (self._directory / "password").read_text()
        return self._door.fault != "locked" and password == right


class Door:
    """What clients connect to; it lets through, or does not."""

    def __init__(self) -> None:
        self.fault = CALM
        self.inside = 0
        """The port of the server behind it."""
        self._port = 0
        self._calm = asyncio.Event()
        self._calm.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passed: dict[asyncio.StreamReader, int] = {}

    @property
    def connections(self) -> int:
        """How many clients are inside."""
        return len(self._writers) // 2

    async def open(self) -> int:
        """Let clients come; return the port, which stays the same."""
        self._server = await asyncio.start_server(self._enter, _HOST, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])
        return self._port

    async def make(self, fault: str) -> None:
        """Be like this from now on."""
        self.fault = fault
        self._passed.clear()
        if fault in {"unreachable", "busy", "locked"}:
            for writer in self._writers:
                writer.transport.abort()
        if fault == "killed":
            for server in Sftp.running:
                server.kill()
        if fault == "unreachable" and self._server:
            self._server.close()
            self._server = None
        if fault == "hang":
            self._calm.clear()
        if fault == CALM:
            self._calm.set()
            if not self._server:
                await self.open()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "busy":  # as sshd does beyond MaxStartups
            writer.write(b"Exceeded MaxStartups\r\n")
            writer.close()
            return
        inner_reader, inner_writer = await asyncio.open_connection(_HOST, self.inside)
        both = {writer, inner_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, inner_writer, counted=True))
                group.create_task(self._pass(inner_reader, writer))
        except* OSError:
            pass  # one side has gone: so shall the other
        finally:
            self._writers -= both
            for each in both:
                each.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False
    ) -> None:
        while data := await reader.read(65536):
            if counted and self.fault in {"cut", "hang"}:
                self._passed[reader] = self._passed.get(reader, 0) + len(data)
                if self._passed[reader] > _PASSED_BEFORE:
                    if self.fault == "cut":
                        raise ConnectionResetError
                    await self._calm.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


async def main(directory: Path) -> None:
    door = Door()
    server = await asyncssh.listen(
        _HOST,
        0,
        server_factory=lambda: Login(directory, door),
        server_host_keys=[str(directory / "host_key")],
        encoding=None,
        allow_scp=False,
    )
    door.inside = server.get_port()
    print(await door.open(), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() == "count":
            print(door.connections, flush=True)
            continue
        await door.make(line.strip())
        print("made", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
