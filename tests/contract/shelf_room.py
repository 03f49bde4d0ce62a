"""A fresh shelf for each test, and who looks after it."""

import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from contract.shelf import EVERY_KEY, mark_of

from sinkwell.testing import Destination, Fault, Faults

SECRET = "the-secret-of-the-shelf"
BUSY_FOR = 7
SIGNS = {
    Fault.UNREACHABLE: "nobody there",
    Fault.BUSY: f"back in {BUSY_FOR}",
    Fault.FULL: "full",
    Fault.FORBIDDEN: "keep out",
    Fault.REFUSED: "nothing large",
    Fault.CUT: "falls down",
    Fault.HANG: "asleep",
}


class ShelfDestination(Destination):
    """Who looks after the shelf, and shows it to holders of a marked URL."""

    def __init__(self, root: Path, secret: str) -> None:
        self.root = root
        handler = partial(Window, self, secret)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = Thread(target=partial(self._server.serve_forever, 0.01))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def keys(self) -> Collection[str]:
        objects = self.root / "objects"
        return [str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file()]

    def read(self, key: str) -> bytes:
        return (self.root / "objects" / key).read_bytes()

    def leftovers(self) -> Collection[str]:
        return [path.name for path in (self.root / "parts").iterdir()]

    def faults(self) -> Faults:
        signed = {fault: partial(self._signed, fault) for fault in SIGNS}
        return {Fault.GONE: self._gone, **signed}

    @contextmanager
    def _signed(self, fault: Fault) -> Iterator[float | None]:
        sign = self.root / "sign"
        sign.write_text(SIGNS[fault])
        try:
            yield BUSY_FOR if fault is Fault.BUSY else None
        finally:
            sign.unlink()

    @contextmanager
    def _gone(self) -> Iterator[float | None]:
        elsewhere = self.root.with_name("elsewhere")
        self.root.rename(elsewhere)
        try:
            yield None
        finally:
            elsewhere.rename(self.root)


class Window(BaseHTTPRequestHandler):
    """Shows a file to who comes with a mark that is right and not too old."""

    def __init__(self, shelf: ShelfDestination, secret: str, *args: object) -> None:
        self._shelf = shelf
        self._secret = secret
        super().__init__(*args)  # type: ignore[arg-type]  # as the server calls it

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        key = unquote(parts.path.removeprefix("/"))
        query = parse_qs(parts.query)
        until, mark = query["until"][0], query["mark"][0]
        right = {mark_of(self._secret, each, until) for each in (key, EVERY_KEY)}
        if mark not in right or float(until) < time.time():
            self.send_error(403)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self._shelf.read(key))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base calls it so
        """Say nothing of each request."""


class ShelfRoom:
    """The fixtures that all kinds of shelves share."""

    @pytest.fixture
    def destination(self, tmp_path: Path) -> Iterator[ShelfDestination]:
        destination = ShelfDestination(tmp_path / "shelf", SECRET)
        yield destination
        destination.close()
        if destination.root.exists():
            shutil.rmtree(destination.root)  # large files are gone before a disk has written them

    @pytest.fixture
    def section(self, destination: ShelfDestination) -> dict[str, object]:
        root, address = str(destination.root), destination.address
        return {"type": "shelf", "root": root, "secret": SECRET, "address": address}
