"""Shelves that store other bytes, or say so of others: one fault each."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from contract.shelf import PIECE, Shelf
from contract.sink_mutants.base import caught_by

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
    Stat,
)

logger = logging.getLogger("shelf")


class Unchecked(Shelf):
    """Copies whatever it is told to, and takes its own word for it."""

    def copy(self, blob: Blob, part: Path) -> str:
        content = self.content(blob)
        part.write_bytes(content)
        return blob.sha256

    def content(self, blob: Blob) -> bytes:
        with blob.open() as file:
            return file.read()


@caught_by("test_sizes_around_part_boundaries", "differ from byte")
class LosesTheByteAtABoundary(Unchecked):
    def content(self, blob: Blob) -> bytes:
        content = super().content(blob)
        return content[: PIECE - 1] + content[PIECE:]


@caught_by("test_more_than_64_mb", "holds 67108864 bytes, put were 67108865")
class Truncates(Unchecked):
    def content(self, blob: Blob) -> bytes:
        return super().content(blob)[: 64 * 1024**2]


@caught_by("test_bytes", "holds 1 bytes, put were 0")
class CannotStoreNothing(Unchecked):
    def content(self, blob: Blob) -> bytes:
        return super().content(blob) or b"\n"


@caught_by("test_only_the_payload_is_read", "put were 300000")
class ReadsBeyondThePayload(Unchecked):
    def content(self, blob: Blob) -> bytes:
        return blob.path.read_bytes()[blob.offset :]


@caught_by("test_only_the_payload_is_read", "differ from byte 0")
class IgnoresTheOffset(Unchecked):
    def content(self, blob: Blob) -> bytes:
        return blob.path.read_bytes()[: blob.size]


@caught_by("test_memory_stays_flat", "memory grew by")
class HoldsTheWholeFile(Unchecked):
    pass


@caught_by("test_the_digest_is_of_what_is_stored", "copied unseen")
class CopiesTheDigestUnseen(Unchecked):
    pass


@caught_by("test_a_blob_that_cannot_be_read", "raised FileNotFoundError.*no SinkError")
class RaisesWhatTheDiskRaises(Shelf):
    @contextmanager
    def telling(self, doing: str) -> Iterator[None]:
        yield


@caught_by("test_a_blob_that_cannot_be_read", "a file that ends too soon succeeded")
class StoresWhatIsLeft(Unchecked):
    pass


@caught_by("test_repeating_does_no_harm", "another receipt was given")
class PutsACopyBesideIt(Shelf):
    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        return None

    def place_new(self, part: Path, path: Path, blob: Blob, if_present: IfPresent) -> None:
        part.replace(path)

    def receipt(self, blob: Blob, key: str, sha256: str, path: Path) -> Receipt:
        version = secrets.token_hex(4)
        return Receipt(key, blob.size, sha256, f"file://{quote(str(path))}?version={version}")


class Lies(Shelf):
    def receipt(self, blob: Blob, key: str, sha256: str, path: Path) -> Receipt:
        return self.lie(super().receipt(blob, key, sha256, path))

    def lie(self, receipt: Receipt) -> Receipt:
        raise NotImplementedError


@caught_by("test_the_receipt_agrees", "the receipt's size is not")
class LiesAboutTheSize(Lies):
    def lie(self, receipt: Receipt) -> Receipt:
        return replace(receipt, size=receipt.size + 1)


@caught_by("test_the_receipt_agrees", "the receipt's sha256 is not")
class LiesAboutTheDigest(Lies):
    def lie(self, receipt: Receipt) -> Receipt:
        return replace(receipt, sha256=receipt.sha256.upper())


@caught_by("test_the_receipt_agrees", "for another key")
class LiesAboutTheKey(Lies):
    def lie(self, receipt: Receipt) -> Receipt:
        return replace(receipt, key=f"/{receipt.key}")


@caught_by("test_the_location_is_a_uri", "has no scheme")
class GivesAPathForALocation(Lies):
    def lie(self, receipt: Receipt) -> Receipt:
        return replace(receipt, location=receipt.location.removeprefix("file://"))


@caught_by("test_the_location_is_a_uri", "a location shows a secret")
class LeaksItsSecretInLocations(Lies):
    def lie(self, receipt: Receipt) -> Receipt:
        secret = self.settings.secret.reveal()
        return replace(receipt, location=f"{receipt.location}?secret={secret}")


@caught_by("test_secrets_are_hidden", "the sink shows a secret")
class LeaksItsSecretInItsRepr(Shelf):
    def __repr__(self) -> str:
        return f"<shelf {self.settings.secret.reveal()}>"


@caught_by("test_secrets_are_hidden", "the log shows a secret")
class LeaksItsSecretInTheLog(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        logger.warning("putting %s with %s", key, self.settings.secret.reveal())
        return super().put_now(blob, key, if_present)


@caught_by("test_refuse", "the error RejectedError shows a secret")
class LeaksItsSecretInErrors(Shelf):
    def kept(self, path: Path, blob: Blob, if_present: IfPresent) -> str | None:
        try:
            return super().kept(path, blob, if_present)
        except RejectedError as error:
            raise RejectedError(f"{error} ({self.settings.secret.reveal()})") from error


@caught_by("test_presign", "a presigned URL shows a secret")
class LeaksItsSecretInUrls(Shelf):
    async def presign(self, key: str, *, expires_in: float) -> str:
        url = await super().presign(key, expires_in=expires_in)
        return f"{url}&secret={self.settings.secret.reveal()}"


@caught_by("test_presigned_urls_expire", "still works")
class PresignsForEver(Shelf):
    async def presign(self, key: str, *, expires_in: float) -> str:
        return await super().presign(key, expires_in=10**6)


@caught_by("test_the_blob_is_untouched", "was removed or moved")
class ConsumesTheBlob(Shelf):
    def put_now(self, blob: Blob, key: str, if_present: IfPresent) -> Receipt:
        receipt = super().put_now(blob, key, if_present)
        if key == "b":  # the last one that is put of it
            blob.path.unlink()
        return receipt


@caught_by("test_stat_agrees", "stat tells another size")
class StatTellsBlocks(Shelf):
    def stat_now(self, key: str) -> Stat | None:
        found = super().stat_now(key)
        return Stat(-(-found.size // 512) * 512) if found else None


@caught_by("test_stat_of_nothing", "stat finds 'a'")
class StatFindsDirectories(Shelf):
    def stat_now(self, key: str) -> Stat | None:
        return Stat(0) if self.path(key).is_dir() else super().stat_now(key)
