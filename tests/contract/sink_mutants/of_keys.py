"""Shelves that are wrong where a key is taken, or of a certain kind: one fault each."""

import os
import time
from contextlib import suppress
from pathlib import Path

from contract.shelf import PIECE, Shelf
from contract.sink_mutants.base import caught_by

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
)


@caught_by("test_keep_if_same_keeps_other_bytes", "succeeded")
class KeepsWhateverIsThere(Shelf):
    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        with suppress(RejectedError):
            return super().kept(path, blob, if_present)
        return blob.sha256


@caught_by("test_keep_if_same_keeps_other_bytes", "putting 5000 other bytes.*succeeded")
class ComparesSizesOnly(Shelf):
    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        if if_present is IfPresent.KEEP_IF_SAME and path.is_file():
            return blob.sha256 if path.stat().st_size == blob.size else self.conflict()
        return super().kept(path, blob, if_present)

    def conflict(self) -> str:
        raise RejectedError("other bytes are there")


@caught_by("test_refuse", "succeeded")
class IgnoresRefuse(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        choice = IfPresent.KEEP_IF_SAME if if_present is IfPresent.REFUSE else if_present
        return super().put_now(blob, key, choice)


@caught_by("test_replace", "holds 5000 bytes|differ from byte")
class IgnoresReplace(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        if if_present is IfPresent.REPLACE and self.path(key).exists():
            return self.receipt(blob, key, blob.sha256, self.path(key))
        return super().put_now(blob, key, if_present)


@caught_by("test_racing_to_be_first", "writers got a receipt, not 1")
class LooksAndThenLeaps(Shelf):
    def place_new(self, part: Path, path: Path, blob: Blob, if_present: IfPresent) -> None:
        if self.kept(path, blob, if_present) is None:
            time.sleep(0.01)
            part.replace(path)


@caught_by("test_racing_with_the_same_bytes", "writers got a receipt, not 16")
class RejectsWhoComesSecond(Shelf):
    def place_new(self, part: Path, path: Path, blob: Blob, if_present: IfPresent) -> None:
        time.sleep(0.02)
        try:
            os.link(part, path)
        except FileExistsError as error:
            raise RejectedError("somebody was quicker") from error


@caught_by("test_its_name_is_in_errors", "names neither")
class TellsNoNames(Shelf):
    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        try:
            return super().kept(path, blob, if_present)
        except RejectedError as error:
            raise RejectedError("no") from error


@caught_by("test_prefixes", "other objects are there")
class MakesRoomForDirectories(Shelf):
    def write(self, blob: Blob, path: Path, if_present: IfPresent) -> str:
        if path.parent.is_file():
            path.parent.unlink()
        return super().write(blob, path, if_present)


@caught_by("test_many_at_once", "Error")
class SharesOnePartForAll(Shelf):
    def new_part(self) -> Path:
        return self.root / "parts" / "part"


@caught_by("test_racing_to_keep", "holds|differ|receipt")
class MixesTheBytesOfWriters(Shelf):
    def copy(self, blob: Blob, part: Path) -> str:
        shared = part.with_name("shared")
        with blob.open() as source, shared.open("ab") as target:
            while piece := source.read(PIECE):
                target.write(piece)
                time.sleep(0.001)
        os.link(shared, part)
        shared.unlink(missing_ok=True)
        return blob.sha256


@caught_by("test_racing_to_replace", "was not there|nobody put")
class ReplacesInTwoSteps(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        if if_present is IfPresent.REPLACE:
            self.path(key).unlink(missing_ok=True)
            time.sleep(0.01)
        return super().put_now(blob, key, if_present)


@caught_by("test_longest_keys", "long key was changed|other bytes|other objects")
class ShortensLongKeys(Shelf):
    def path(self, key: str) -> Path:
        return super().path(key[:255])


@caught_by("test_too_long_keys", "putting a key of 901 bytes succeeded")
class TakesAnyLength(Shelf):
    def path(self, key: str) -> Path:
        return self.root / "objects" / key


@caught_by("test_case_and_likeness", "other objects are there|other bytes|gave")
class FoldsTheCase(Shelf):
    def path(self, key: str) -> Path:
        return super().path(key.lower())

    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        return None

    def place_new(self, part: Path, path: Path, blob: Blob, if_present: IfPresent) -> None:
        part.replace(path)


@caught_by("test_legal_keys", "other objects are there")
class EscapesWhatNeedsNoEscape(Shelf):
    def path(self, key: str) -> Path:
        return super().path(key.replace("=", "%3D"))


@caught_by("test_hostile_metadata", "codec can't encode|other objects")
class BelievesNames(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        (blob.name or "").encode("ascii")
        return super().put_now(blob, key, if_present)
