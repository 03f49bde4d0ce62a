"""Shelves that are wrong beside their neighbours, or in what they can do: one fault each."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from contract.shelf import EVERY_KEY, PIECE, OpenedFile, Shelf, ShelfSettings
from contract.sink_mutants.base import caught_by

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    SinkContext,
    Stat,
    TransientError,
)


@caught_by("test_check", "other objects are there")
class LeavesItsCheckBehind(Shelf):
    def delete_now(self, key: str) -> None:
        if not key.startswith("check-"):
            super().delete_now(key)


@caught_by("test_checks_at_once", "a failure|is taken|other bytes")
class ChecksUnderOneKey(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        return super().put_now(blob, "check" if key.startswith("check-") else key, if_present)

    def delete_now(self, key: str) -> None:
        time.sleep(0.02)
        super().delete_now("check" if key.startswith("check-") else key)


@caught_by("test_hang", "cancelled put goes on")
class CannotBeCancelled(Shelf):
    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        work = asyncio.ensure_future(super().put(blob, key, if_present=if_present))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            await work
            raise


@caught_by("test_cancelled_puts", "still left over")
class ForgetsItsPartWhenCancelled(Shelf):
    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        part, digest = self.new_part(), hashlib.sha256()
        with blob.open() as source, part.open("xb") as target:
            while piece := await self.run_blocking(source.read, PIECE // 16):
                digest.update(piece)
                await self.run_blocking(target.write, piece)
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        return self.receipt(blob, key, digest.hexdigest(), path)


@caught_by("test_the_loop_is_not_blocked", "the loop is blocked")
class BlocksTheLoop(Shelf):
    async def put(self, blob: Blob, key: str, *, if_present: IfPresent) -> Receipt:
        return self.put_now(blob, key, if_present)


@caught_by("test_close_twice", "closed already")
class ClosesOnce(Shelf):
    closed = False

    async def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


@caught_by("test_two_sinks_in_one_place", "is not there|No such file")
class SweepsOthersPartsAway(Shelf):
    def open_place(self) -> None:
        super().open_place()
        for part in (self.root / "parts").iterdir():
            part.unlink(missing_ok=True)


@caught_by("test_opened_again", "is not found")
class StartsAfreshEachTime(Shelf):
    def __init__(self, settings: ShelfSettings, context: SinkContext) -> None:
        super().__init__(settings, context)
        self.put_by_me: set[str] = set()

    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        self.put_by_me.add(key)
        return super().put_now(blob, key, if_present)

    def stat_now(self, key: str) -> Stat | None:
        return super().stat_now(key) if key in self.put_by_me else None


@caught_by("test_read", "a piece is too large")
class ReadsAllAtOnce(Shelf):
    async def read(self, key: str) -> AsyncIterator[bytes]:
        with await self.run_blocking(self.open_now, key) as file:
            yield await self.run_blocking(file.read)


@caught_by("test_read_of_nothing", "reading 'missing'.*succeeded")
class ReadsNothingAsEmpty(Shelf):
    def open_now(self, key: str) -> OpenedFile:
        try:
            return super().open_now(key)
        except RejectedError:
            return OpenedFile(Path("/dev/null"))


@caught_by("test_delete_of_nothing", "there is nothing to delete")
class CannotDeleteNothing(Shelf):
    def delete_now(self, key: str) -> None:
        if not self.path(key).exists():
            raise RejectedError("there is nothing to delete")
        super().delete_now(key)


@caught_by("test_delete", "other objects are there")
class DeletesByPrefix(Shelf):
    def delete_now(self, key: str) -> None:
        path = self.path(key)
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()


@caught_by("test_read_ends_early", "somebody reads")
class WaitsForTheEnd(Shelf):
    busy = False

    async def read(self, key: str) -> AsyncIterator[bytes]:
        if self.busy:
            raise TransientError("somebody reads")
        self.busy = True
        async for piece in super().read(key):
            yield piece
        self.busy = False


@caught_by("test_reads_at_once", "holds|differ|closed file")
class ReadsFromOneFile(Shelf):
    async def read(self, key: str) -> AsyncIterator[bytes]:
        self.file = await self.run_blocking(self.open_now, key)
        while piece := await self.run_blocking(self.file.read, PIECE):
            yield piece


@caught_by("test_presigned_urls_are_for_one_key", "gives another")
class PresignsEverything(Shelf):
    async def presign(self, key: str, *, expires_in: float) -> str:
        url = await super().presign(EVERY_KEY, expires_in=expires_in)
        return url.replace(quote(EVERY_KEY), quote(key))
