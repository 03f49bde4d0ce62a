"""The keeper of the spool: what lies there, what is let go, what no longer is what it was."""

import asyncio
import hashlib
from pathlib import Path
from typing import Protocol

import structlog

from sinkwell.contract import Blob
from sinkwell.delivery.model import LeasedFile
from sinkwell.intake.admission import Admission
from sinkwell.intake.spool import Spool
from sinkwell.outage import LedgerUnavailableError
from sinkwell.threads import Threads

_LOOK_EVERY = 5.0
_AT_ONCE = 1000
_PIECE = 1024 * 1024

log = structlog.get_logger()


class Retainer(Protocol):
    """The ledger, as the keeper sees it."""

    async def find_released(self, most: int) -> list[tuple[str, int]]:
        """Return id and size of files whose retention has ended."""
        ...

    async def mark_released(self, file_ids: list[str]) -> None:
        """Note that files have left the spool."""
        ...


class SpoolKeeper:
    """Serves workers (``Store``) and removes what the ledger lets go."""

    def __init__(
        self, spool: Spool, admission: Admission, retainer: Retainer, threads: Threads
    ) -> None:
        self._spool = spool
        self._admission = admission
        self._retainer = retainer
        self._threads = threads
        self._released: list[tuple[str, int]] = []
        self._wake = asyncio.Event()

    def blob(self, file: LeasedFile) -> Blob:
        """Describe the file as sinks are given it."""
        return Blob(
            path=self._spool.path(file.file_id),
            size=file.size,
            sha256=file.sha256,
            media_type=file.media_type,
            name=file.name,
            labels=file.labels,
        )

    def exists(self, file: LeasedFile) -> bool:
        """Tell whether the file is there at all."""
        return self._spool.path(file.file_id).exists()

    async def set_aside_if_damaged(self, file: LeasedFile) -> str | None:
        """Read the file whole. When it is not what it was, quarantine it and say why."""
        return await self._threads.run(self._set_aside_if_damaged, file)

    def release(self, file: LeasedFile) -> None:
        """Remove the file soon: the ledger has let it go."""
        self._released.append((file.file_id, file.size))
        self._wake.set()

    async def run(self) -> None:
        """Remove released files until cancelled, and those whose retention ends."""
        while True:
            await self.remove_released()
            try:
                async with asyncio.timeout(_LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                await self._end_retention()

    async def remove_released(self) -> None:
        """Remove what was released so far."""
        self._wake.clear()
        released, self._released = self._released, []
        if released:
            await self._remove(released)

    async def _end_retention(self) -> None:
        try:
            while ended := await self._retainer.find_released(_AT_ONCE):
                # First said, then done: who asks for a retry in between is told that it is gone.
                await self._retainer.mark_released([file_id for file_id, _ in ended])
                await self._remove(ended)
        except LedgerUnavailableError as error:
            log.warning("the ledger is away; files stay in the spool", error=str(error))

    async def _remove(self, files: list[tuple[str, int]]) -> None:
        try:
            await self._threads.run(self._unlink, [file_id for file_id, _ in files])
        except OSError as error:
            log.error(
                "files could not be removed from the spool; the next start does", error=str(error)
            )
            return
        self._admission.used -= sum(size for _, size in files)

    def _unlink(self, file_ids: list[str]) -> None:
        for file_id in file_ids:
            self._spool.release(file_id)

    def _set_aside_if_damaged(self, file: LeasedFile) -> str | None:
        path = self._spool.path(file.file_id)
        try:
            damage = _damage(path, file)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        if damage is not None:
            place = self._spool.quarantine(path)
            log.error("a spooled file was damaged and set aside", path=str(place), reason=damage)
        return damage


def _damage(path: Path, file: LeasedFile) -> str | None:
    digest = hashlib.sha256()
    left = file.size
    with path.open("rb") as stream:
        while left and (piece := stream.read(min(_PIECE, left))):
            digest.update(piece)
            left -= len(piece)
    if left:
        return f"{left} of its {file.size} bytes are missing"
    if digest.hexdigest() != file.sha256:
        return "its bytes have changed: the sha256 differs"
    return None
