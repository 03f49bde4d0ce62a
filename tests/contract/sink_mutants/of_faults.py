"""Shelves that are wrong when the far side fails: one fault each."""

from contextlib import suppress
from pathlib import Path

from contract.shelf import Shelf
from contract.sink_mutants.base import caught_by

from sinkwell.contract import (
    Blob,
    Finding,
    IfPresent,
    Receipt,
    RejectedError,
    SinkError,
    Stat,
    TransientError,
    UnusableError,
)


@caught_by("test_cut", "left over")
class LeavesParts(Shelf):
    def write(self, blob: Blob, path: Path, if_present: IfPresent) -> str:
        part = self.new_part()
        sha256 = self.copy(blob, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        part.replace(path)
        return sha256


@caught_by("test_cut", "failed, and left an object")
class WritesInPlace(Shelf):
    def write(self, blob: Blob, path: Path, if_present: IfPresent) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        return self.copy(blob, path)


@caught_by("test_cut", "gave RejectedError, not TransientError")
class TakesACutForARefusal(Shelf):
    def obey_sign_within(self, written: int) -> None:
        try:
            super().obey_sign_within(written)
        except TransientError as error:
            raise RejectedError(str(error)) from error


@caught_by("test_a_failed_replace_keeps_the_old", "holds|No such file")
class RemovesTheOldFirst(Shelf):
    def write(self, blob: Blob, path: Path, if_present: IfPresent) -> str:
        path.unlink(missing_ok=True)
        return super().write(blob, path, if_present)


@caught_by("test_full", "under Fault.FULL succeeded")
class SwallowsErrors(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        with suppress(SinkError):
            return super().put_now(blob, key, if_present)
        return self.receipt(blob, key, blob.sha256, self.path(key))


@caught_by("test_full", "gave RejectedError, not UnusableError")
class BlamesTheFile(Shelf):
    def obey_sign(self, size: int) -> None:
        try:
            super().obey_sign(size)
        except UnusableError as error:
            raise RejectedError(str(error)) from error


@caught_by("test_refused", "gave TransientError, not RejectedError")
class TriesForEver(Shelf):
    def obey_sign(self, size: int) -> None:
        try:
            super().obey_sign(size)
        except RejectedError as error:
            raise TransientError(str(error)) from error


@caught_by("test_forbidden", "none of the three SinkErrors")
class SaysOnlyThatItFailed(Shelf):
    def obey_sign(self, size: int) -> None:
        try:
            super().obey_sign(size)
        except SinkError as error:
            raise SinkError(str(error)) from error


@caught_by("test_unreachable", "has 0 characters")
class SaysNothing(Shelf):
    def obey_sign(self, size: int) -> None:
        try:
            super().obey_sign(size)
        except TransientError as error:
            raise TransientError("") from error


@caught_by("test_retry_after", "retry_after is lost")
class DropsRetryAfter(Shelf):
    def obey_sign(self, size: int) -> None:
        try:
            super().obey_sign(size)
        except TransientError as error:
            raise TransientError(str(error)) from error


@caught_by("test_busy", "busy for ever")
class NeverRecovers(Shelf):
    sad = False

    def obey_sign(self, size: int) -> None:
        if self.sad:
            raise TransientError("busy for ever")
        try:
            super().obey_sign(size)
        except TransientError:
            self.sad = True
            raise


@caught_by("test_gone", "Fault.GONE succeeded")
class MakesThePlaceAnew(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        self.open_place()
        return super().put_now(blob, key, if_present)


@caught_by("test_trouble_is_not_absence", "stat is None under")
class StatHidesTrouble(Shelf):
    def stat_now(self, key: str) -> Stat | None:
        with suppress(SinkError):
            return super().stat_now(key)
        return None


@caught_by("test_check_tells_of_trouble", "found no failure")
class ChecksWithoutTrying(Shelf):
    def check_now(self) -> list[Finding]:
        return [Finding("ok", "all is well")]
