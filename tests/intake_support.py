"""Callbacks as bytes, sent over bare sockets, and a look into the process that gets them."""

import contextlib
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from instances import SECRET, Instance

from sinkwell.web.problems import MEDIA_TYPE
from sinkwell.web.protocol import PROBLEM_BASE

BOUNDARY = b"--------------------------0123456789abcdef"
CONTENT_TYPE = b"multipart/form-data; boundary=" + BOUNDARY
PATH = b"/callbacks/shotbot"
CHUNKED = -1
"""In place of a length: the body comes in chunks."""


def part(disposition: bytes, content: bytes, *headers: bytes) -> bytes:
    lines = (b'Content-Disposition: form-data; name="' + disposition + b'"', *headers)
    return b"--" + BOUNDARY + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


def field(name: str, value: str | bytes) -> bytes:
    return part(name.encode(), value if isinstance(value, bytes) else value.encode())


def file_part(content: bytes, name: str = "file") -> bytes:
    disposition = f'{name}"; filename="shot.png'.encode()
    return part(disposition, content, b"Content-Type: image/png")


def multipart(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def shotbot_fields(token: str, **changed: str | bytes) -> list[bytes]:
    """Return the text fields of a good callback, some of them changed."""
    given = {"callback_secret": SECRET, "status": "OK", "token": token, "format": "png", **changed}
    return [field(name, value) for name, value in given.items()]


def shotbot(token: str, content: bytes, **changed: str | bytes) -> bytes:
    """Return the body of a good callback, some fields of it changed."""
    return multipart(*shotbot_fields(token, **changed), file_part(content))


def head(length: int, *, content_type: bytes | None = CONTENT_TYPE, path: bytes = PATH) -> bytes:
    """Return request line and headers of a callback with a body of ``length`` bytes."""
    lines = [b"POST " + path + b" HTTP/1.1", b"Host: 127.0.0.1"]
    if content_type is not None:
        lines.append(b"Content-Type: " + content_type)
    chunked = b"Transfer-Encoding: chunked"
    lines.append(chunked if length == CHUNKED else b"Content-Length: %d" % length)
    return b"\r\n".join(lines) + b"\r\n\r\n"


def request(body: bytes, **options: Any) -> bytes:
    return head(len(body), **options) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


def in_chunks(body: bytes, size: int = 1 << 16) -> bytes:
    """Return a body in chunks of ``size`` bytes, the last of them empty."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(chunk(piece) for piece in [*pieces, b""])


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.content)


def connect(instance: Instance, timeout: float = 20.0) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", instance.port), timeout)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def read_answer(connection: socket.socket) -> Answer | None:
    """Read one answer; None when the connection ends without one."""
    received = b""
    while b"\r\n\r\n" not in received:
        try:
            data = connection.recv(65536)
        except ConnectionError:
            return None
        if not data:
            return None
        received += data
    top, _, content = received.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(content) < int(headers["content-length"]):
        content += connection.recv(65536)
    return Answer(int(first.split()[1]), headers, content)


def exchange(instance: Instance, *sent: bytes) -> Answer:
    """Send over a connection of its own and return the answer, be it early."""
    with connect(instance) as connection:
        with contextlib.suppress(ConnectionError):
            for data in sent:
                connection.sendall(data)
        answer = read_answer(connection)
    assert answer is not None, "the connection ended without an answer"
    return answer


def assert_problem(answer: Answer | httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """See that an answer is the problem that it should be, and return its document."""
    code = answer.status if isinstance(answer, Answer) else answer.status_code
    assert (code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.content
    problem: dict[str, Any] = answer.json()
    assert problem.keys() == {"type", "title", "status", "detail"}
    assert (problem["type"], problem["status"]) == (PROBLEM_BASE + slug, status)
    assert b"Traceback" not in answer.content
    return problem


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def running(directory: Path, extra_settings: str = "", **options: Any) -> Iterator[Instance]:
    """Run an instance that several tests share."""
    instance = Instance(directory=directory, extra_settings=extra_settings, **options)
    try:
        instance.start()
        yield instance
    finally:
        instance.kill()


def ask(instance: Instance, path: str, **query: Any) -> Any:
    """Ask the API, without the second that the command line takes."""
    answer = httpx.get(f"{instance.url}/api/v1/{path}", params=query, timeout=20)
    answer.raise_for_status()
    return answer.json()


def events(instance: Instance, kind: str, **data: Any) -> list[dict[str, Any]]:
    """Return what the events of one type say, those in which ``data`` is so."""
    found, position = [], 0
    while page := ask(instance, "events", after=position, limit=1000):
        found += [event["data"] for event in page if event["type"] == kind]
        position = page[-1]["position"]
    return [each for each in found if data.items() <= each.items()]


def count(instance: Instance, table: str) -> int:
    """Count the rows of a table of the ledger."""
    uri = f"file:{instance.data_dir / 'ledger.sqlite3'}?mode=ro"
    with contextlib.closing(sqlite3.connect(uri, uri=True)) as ledger:
        return int(ledger.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def half_written(instance: Instance) -> list[str]:
    return names(instance.data_dir / "spool" / "tmp")


def spooled(instance: Instance) -> list[str]:
    return names(instance.data_dir / "spool" / "files")


def descriptors(instance: Instance | None = None) -> int:
    """Count the open descriptors of an instance, or else of the tests' own process."""
    process = instance.process.pid if instance and instance.process else "self"
    return len(names(Path(f"/proc/{process}/fd")))


def memory(instance: Instance, what: str = "VmRSS") -> int:
    """Return the process's memory in bytes: ``VmRSS``, or ``VmHWM`` for the most it ever was."""
    assert instance.process is not None
    status = Path(f"/proc/{instance.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024


def forget_peak(instance: Instance) -> None:
    """Have ``VmHWM`` measured from now (proc(5), clear_refs)."""
    assert instance.process is not None
    Path(f"/proc/{instance.process.pid}/clear_refs").write_text("5")
