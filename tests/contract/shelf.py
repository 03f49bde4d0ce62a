"""A small sink that is right: files on a shelf, with a sign on it that tells how things stand.

The shelf is the far side. Its sign is read before and during each put, as a server's answers would
be; who looks after the shelf (:class:`ShelfDestination`) puts it up and takes it down.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sinkwell.contract import (
    Blob,
    Capability,
    Finding,
    IfPresent,
    KeyLimits,
    Policy,
    Receipt,
    RejectedError,
    Secret,
    Sink,
    SinkContext,
    SinkError,
    SinkSettings,
    SinkType,
    Stat,
    TransientError,
    UnusableError,
)
from sinkwell.testing import LARGE

PIECE = 256 * 1024
LIMITS = KeyLimits(key=900, segment=200)


class ShelfSettings(SinkSettings, frozen=True, kw_only=True):
    """Where the shelf is, and who may look."""

    root: str
    """The directory that is the shelf."""
    secret: Secret
    """What the marks on presigned URLs are made with."""
    address: str = "http://localhost"
    """Where presigned URLs point to."""


class Shelf(Sink):
    """Files on a shelf."""

    def __init__(self, settings: ShelfSettings, context: SinkContext) -> None:
        self.settings = settings
        self.run_blocking = context.run_blocking
        self.root = Path(settings.root)
        self.name = context.name

    def open_place(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        for name in ("objects", "parts"):
            (self.root / name).mkdir(exist_ok=True)

    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        return await self.run_blocking(self.put_now, blob, key, if_present)

    async def stat(self, key: str) -> Stat | None:
        return await self.run_blocking(self.stat_now, key)

    async def read(self, key: str) -> AsyncIterator[bytes]:
        with await self.run_blocking(self.open_now, key) as file:
            while piece := await self.run_blocking(file.read, PIECE):
                yield piece

    async def delete(self, key: str) -> None:
        await self.run_blocking(self.delete_now, key)

    async def presign(self, key: str, *, expires_in: float) -> str:
        until = f"{time.time() + expires_in:.3f}"
        mark = mark_of(self.settings.secret.reveal(), key, until)
        return f"{self.settings.address}/{quote(key)}?until={until}&mark={mark}"

    async def check(self) -> Sequence[Finding]:
        return await self.run_blocking(self.check_now)

    async def close(self) -> None:
        self.closed = True

    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        path = self.path(key)
        with self.telling(f"putting {key!r}"):
            self.obey_sign(blob.size)
            sha256 = self.kept(path, blob, if_present)
            if sha256 is None:
                sha256 = self.write(blob, path, if_present)
        return self.receipt(blob, key, sha256, path)

    def write(self, blob: Blob, path: Path, if_present: IfPresent) -> str:
        part = self.new_part()
        try:
            sha256 = self.copy(blob, part)
            path.parent.mkdir(parents=True, exist_ok=True)
            if if_present is IfPresent.REPLACE:
                part.replace(path)
            else:
                self.place_new(part, path, blob, if_present)
        finally:
            part.unlink(missing_ok=True)
        return sha256

    def receipt(self, blob: Blob, key: str, sha256: str, path: Path) -> Receipt:
        return Receipt(key, blob.size, sha256, f"file://{quote(str(path))}")

    def place_new(self, part: Path, path: Path, blob: Blob, if_present: IfPresent) -> None:
        try:
            os.link(part, path)
        except FileExistsError:
            self.kept(path, blob, if_present)

    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        """Return the digest of what is there, None where it is to be written."""
        if if_present is IfPresent.REPLACE or not path.exists():
            return None
        if if_present is IfPresent.REFUSE or not path.is_file():
            raise RejectedError(f"sink {self.name!r}: {path.name!r} is taken")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != blob.sha256:
            raise RejectedError(f"sink {self.name!r}: {path.name!r} holds other bytes")
        return found

    def new_part(self) -> Path:
        return self.root / "parts" / secrets.token_hex(8)

    def copy(self, blob: Blob, part: Path) -> str:
        digest = hashlib.sha256()
        with blob.open() as source, part.open("xb") as target:
            while piece := source.read(PIECE):
                digest.update(piece)
                target.write(piece)
                self.obey_sign_within(target.tell())
        if digest.hexdigest() != blob.sha256:
            raise RejectedError(f"sink {self.name!r}: {blob.path} is damaged, ask for it again")
        return digest.hexdigest()

    def path(self, key: str) -> Path:
        if len(key.encode()) > LIMITS.key:
            raise RejectedError(f"sink {self.name!r}: a key of {len(key)} bytes is too long")
        if max(len(name.encode()) for name in key.split("/")) > (LIMITS.segment or 0):
            raise RejectedError(f"sink {self.name!r}: a part of the key {key[:80]!r} is too long")
        return self.root / "objects" / key

    def stat_now(self, key: str) -> Stat | None:
        with self.telling(f"looking at {key!r}"):
            self.obey_sign(0)
            path = self.path(key)
            return Stat(path.stat().st_size) if path.is_file() else None

    def open_now(self, key: str) -> "OpenedFile":
        with self.telling(f"reading {key!r}"):
            self.obey_sign(0)
            path = self.path(key)
            if not path.is_file():
                raise RejectedError(f"sink {self.name!r}: there is no {key!r}")
            return OpenedFile(path)

    def delete_now(self, key: str) -> None:
        with self.telling(f"deleting {key!r}"):
            self.obey_sign(0)
            if self.path(key).is_file():
                self.path(key).unlink(missing_ok=True)

    def check_now(self) -> list[Finding]:
        key = f"check-{secrets.token_hex(8)}"
        part = self.root.with_name(key)
        try:
            part.write_bytes(b"check")
            blob = Blob(part, 5, hashlib.sha256(b"check").hexdigest(), "text/plain")
            self.put_now(blob, key, IfPresent.REFUSE)
            self.delete_now(key)
        except SinkError as error:
            return [Finding("failed", str(error))]
        finally:
            part.unlink(missing_ok=True)
        return [Finding("ok", f"{self.root}: a file was put and removed")]

    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        """Turn what the disk says into the errors of the contract."""
        label = f"sink {self.name!r}: {doing}"
        try:
            if not (self.root / "objects").is_dir():
                raise UnusableError(f"{label} failed: the shelf is gone, put it back")
            yield
        except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
            raise RejectedError(f"{label} failed: something else stands there") from error
        except FileNotFoundError as error:
            raise RejectedError(f"{label} failed: {error.filename} is not there") from error
        except OSError as error:
            raise TransientError(f"{label} failed: {error.strerror}") from error

    def sign(self) -> str:
        try:
            return (self.root / "sign").read_text()
        except FileNotFoundError:
            return ""

    def obey_sign(self, size: int) -> None:
        match self.sign():
            case "nobody there":
                raise TransientError(f"sink {self.name!r}: nobody is there")
            case sign if sign.startswith("back in "):
                after = float(sign.removeprefix("back in "))
                raise TransientError(f"sink {self.name!r}: it is busy", retry_after=after)
            case "full":
                raise UnusableError(f"sink {self.name!r}: the shelf is full, make room")
            case "keep out":
                raise UnusableError(f"sink {self.name!r}: the shelf may not be touched")
            case "nothing large" if size >= LARGE:
                raise RejectedError(f"sink {self.name!r}: {size} bytes are too large for it")

    def obey_sign_within(self, written: int) -> None:
        if written < PIECE:
            return
        while (sign := self.sign()) == "asleep":
            time.sleep(0.02)
        if sign == "falls down":
            raise TransientError(f"sink {self.name!r}: the shelf fell down")


class OpenedFile:
    """An open file that a ``with`` closes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.read = self._file.read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


EVERY_KEY = "*"
"""A mark for this is good for all: nobody should be given one."""


def mark_of(secret: str, key: str, until: str) -> str:
    return hmac.new(secret.encode(), f"{key} {until}".encode(), "sha256").hexdigest()


def shelf_type(
    kind: type[Shelf] = Shelf, capabilities: Collection[Capability] = frozenset(Capability)
) -> SinkType[ShelfSettings]:
    """Return a type that opens this kind of shelf."""

    async def open_shelf(settings: ShelfSettings, context: SinkContext) -> Sink:
        shelf = kind(settings, context)
        await context.run_blocking(shelf.open_place)
        return shelf

    async def examine_shelf(settings: ShelfSettings, context: SinkContext) -> Sequence[Finding]:
        mode = await context.run_blocking(os.stat, settings.root)
        return [Finding("ok", f"{settings.root} has the mode {mode.st_mode:o}")]

    return SinkType(
        name="shelf",
        summary="Files on a shelf.",
        settings=ShelfSettings,
        open=open_shelf,
        capabilities=frozenset(capabilities),
        key_limits=LIMITS,
        examine=examine_shelf,
        policy=lambda settings: Policy(f"write {settings.root}", ["for putting files there"]),
    )
