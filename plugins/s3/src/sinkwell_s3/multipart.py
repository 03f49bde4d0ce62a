"""Large files: sent in parts, several at once, and made an object at the end or not at all.

Each part is read twice, first for its digest, which has to be signed before its bytes are sent,
then to be sent; in between it lies in the page cache. So no more than some pieces of each part on
its way are in memory, however large parts are. The sha256 of the whole is known before the object
is made of its parts: no file that was damaged here ever appears.
"""

import asyncio
import hashlib
import time
import zlib
from dataclasses import dataclass

from sinkwell.contract import Background, Blob, RejectedError, SinkError
from sinkwell.contract.sink import RunBlocking
from sinkwell_s3.answers import Answer
from sinkwell_s3.errors import refused
from sinkwell_s3.journal import Entry, Held, Journal
from sinkwell_s3.meanings import AnswerLostError
from sinkwell_s3.payload import PIECE, agree, read, window
from sinkwell_s3.presets import GIB, MIB
from sinkwell_s3.resource import Params, common, encoded
from sinkwell_s3.settings import S3Settings
from sinkwell_s3.wire import NOT_FOUND, OK, UNDECIDED, Parts, Wire

AT_ONCE = 4
"""Parts of one file that are on their way at the same time."""

_LARGEST_PART = 5 * GIB
_NO_CONTENT = 204
_MOMENT = 2.0
"""Seconds that a put that failed waits for its remains to go."""


class Uploads:
    """The uploads in parts of one sink."""

    def __init__(
        self,
        wire: Wire,
        settings: S3Settings,
        bucket_url: str,
        journal: Journal,
        run_blocking: RunBlocking,
        background: Background,
    ) -> None:
        self._wire = wire
        self._settings = settings
        self._preset = settings.preset
        self._url = bucket_url
        self._journal = journal
        self._run_blocking = run_blocking
        self._background = background
        self._common = common(settings)
        self._some_left = False

    async def put(
        self, blob: Blob, name: str, params: Params, label: str, *, create_only: bool
    ) -> Answer:
        """Send a large file; return the last answer, good or bad. Raises ``SinkError``.

        An upload that did not end well is thrown away, also when the put itself is cancelled.
        """
        size = part_size(blob.size, self._preset.part_size, self._preset.max_parts, label)
        if self._some_left:
            self._background.start(self.sweep(label))
        beginning = asyncio.create_task(self._begin(name, params, label))
        try:
            began = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            self._background.start(self._unbegin(beginning, label))
            raise
        if isinstance(began, Answer):
            return began
        try:
            parts, whole = await self._send_parts(began, blob, size, label)
            answer = await self._complete(began, parts, whole, label, create_only=create_only)
        except asyncio.CancelledError:
            self._background.start(self._abort(began, label))
            raise
        except BaseException:
            await self._thrown_away(began, label)
            raise
        if answer.status != OK or answer.code:
            await self._thrown_away(began, label)
        else:
            self._background.start(self._journal.remove(began))
        return answer

    async def sweep(self, label: str) -> int:
        """Throw away what killed processes left behind; return how many uploads that were.

        Those of another process that is at work on them are left alone. Raises ``SinkError``.
        """
        self._some_left = False
        swept = 0
        for held in await self._journal.left():
            if held.entry.url != self._url:  # the settings name another bucket by now
                await self._journal.release(held)
                continue
            await self._abort(held, f"{label}: removing what is left of an upload")
            swept += 1
        return swept

    async def _begin(self, name: str, params: Params, label: str) -> Held | Answer:
        entry = Entry(self._url, name, "", time.time())
        held = await self._journal.write(entry, label)
        try:
            answer = await self._wire.create_upload(
                name, {**params, **self._checksums_of_upload()}, label
            )
        except AnswerLostError:
            self._background.start(self._abort(held, label))
            raise
        except SinkError:
            await self._journal.remove(held)
            raise
        upload = answer.text("UploadId")
        if answer.status in UNDECIDED:
            self._background.start(self._abort(held, label))
            return answer
        if answer.status != OK or answer.code:
            await self._journal.remove(held)
            return answer
        if not upload:
            self._background.start(self._abort(held, label))
            raise AnswerLostError(
                f"{label} failed: the answer names no upload. It is tried again; if it stays, "
                f"look at the sink's endpoint and at proxies on the way."
            )
        begun = Entry(self._url, name, upload, entry.began)
        return await self._journal.amend(held, begun, label)

    async def _unbegin(self, beginning: "asyncio.Task[Held | Answer]", label: str) -> None:
        """Throw away an upload whose id was still to come when its put was cancelled."""
        began = await beginning
        if isinstance(began, Held):
            await self._abort(began, label)

    async def _send_parts(
        self, held: Held, blob: Blob, size: int, label: str
    ) -> tuple[Parts, "_Whole"]:
        whole = _Whole(blob, label)
        numbers = range(1, -(-blob.size // size) + 1)
        parts: Parts = [{} for _ in numbers]
        slots = asyncio.Semaphore(AT_ONCE)

        async def send(number: int, part: "_Part") -> None:
            try:
                parts[number - 1] = await self._send_part(held, number, part, label)
            finally:
                slots.release()

        try:
            async with asyncio.TaskGroup() as group:
                for number in numbers:
                    await slots.acquire()
                    start = (number - 1) * size
                    part = await self._run_blocking(whole.take, start, min(size, blob.size - start))
                    group.create_task(send(number, part))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        whole.agree()
        return parts, whole

    async def _send_part(
        self, held: Held, number: int, part: "_Part", label: str
    ) -> dict[str, str | int]:
        checksums: Params = {}
        if self._preset.checksum == "full":
            checksums["ChecksumCRC32"] = part.crc32
        elif self._preset.checksum == "sha256":
            checksums["ChecksumSHA256"] = encoded(part.blob.sha256)
        entry = held.entry
        answer = await self._wire.put_part(
            entry.name, entry.upload, number, part.blob, {**self._common, **checksums}, label
        )
        etag = answer.headers.get("ETag")
        if answer.status != OK or answer.code or not etag:
            raise refused(answer, f"{label}, part {number},")
        return {"PartNumber": number, "ETag": etag, **{k: str(v) for k, v in checksums.items()}}

    async def _complete(
        self, held: Held, parts: Parts, whole: "_Whole", label: str, *, create_only: bool
    ) -> Answer:
        params: Params = dict(self._common)
        if self._preset.checksum == "full":
            params |= {"ChecksumCRC32": whole.crc32, "ChecksumType": "FULL_OBJECT"}
        if create_only:
            params["IfNoneMatch"] = "*"
        entry = held.entry
        answer = await self._wire.complete_upload(entry.name, entry.upload, parts, params, label)
        if answer.status == OK and not answer.code and not answer.text("ETag"):
            raise AnswerLostError(f"{label} failed: the answer was cut off. It is tried again.")
        return answer

    async def _thrown_away(self, held: Held, label: str) -> None:
        """Throw an upload away, and wait a moment for it: a failed put leaves nothing behind."""
        await asyncio.wait([self._background.start(self._abort(held, label))], timeout=_MOMENT)

    async def _abort(self, held: Held, label: str) -> None:
        """Throw an upload away and forget it; when that fails, a later sweep tries again."""
        try:
            for upload in await self._ids(held.entry, label):
                await self._abort_one(held.entry.name, upload, label)
        except BaseException:
            self._some_left = True
            await self._journal.release(held)
            raise
        await self._journal.remove(held)

    async def _abort_one(self, name: str, upload: str, label: str) -> None:
        answer = await self._wire.abort_upload(name, upload, self._common, label)
        if answer.status not in {OK, _NO_CONTENT, NOT_FOUND}:
            raise refused(answer, f"{label}: aborting its upload")

    async def _ids(self, entry: Entry, label: str) -> list[str]:
        """Return the uploads of an entry; where only the name is known, all that have it."""
        if entry.upload:
            return [entry.upload]
        found = await self._wire.list_uploads(entry.name, self._common, label)
        return [upload for name, upload in found if name == entry.name]

    def _checksums_of_upload(self) -> Params:
        if self._preset.checksum == "full":
            return {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}
        return {"ChecksumAlgorithm": "SHA256"} if self._preset.checksum == "sha256" else {}


def part_size(size: int, wanted: int, most: int, label: str) -> int:
    """Return how large parts are: as wanted, or as large as so few of them need.

    All but the last one are equal, as some stores ask for. Raises ``RejectedError`` when the file
    is too large for that.
    """
    least = -(-size // most)
    made = max(wanted, -(-least // MIB) * MIB)
    if made > _LARGEST_PART:
        raise RejectedError(
            f"{label} failed: the file has {size} bytes, and {most} parts of 5 GiB are the most."
        )
    return made


@dataclass(frozen=True, slots=True)
class _Part:
    blob: Blob
    """A window onto the file, with the part's own sha256."""
    crc32: str


class _Whole:
    """Takes the digests of a file, part by part and of all of it, each part in turn."""

    def __init__(self, blob: Blob, label: str) -> None:
        self._blob = blob
        self._label = label
        self._sha256 = hashlib.sha256()
        self._crc32 = 0

    @property
    def crc32(self) -> str:
        """Of all parts so far, as checksum headers write it."""
        return encoded(f"{self._crc32:08x}")

    def take(self, start: int, size: int) -> _Part:
        """Read the next part for its digests. Blocking. Raises as :func:`payload.read` does."""
        sha256 = hashlib.sha256()
        crc32 = 0
        for position in range(start, start + size, PIECE):
            piece = read(self._blob, position, min(PIECE, start + size - position), self._label)
            sha256.update(piece)
            self._sha256.update(piece)
            crc32 = zlib.crc32(piece, crc32)
            self._crc32 = zlib.crc32(piece, self._crc32)
        part = window(self._blob, start, size, sha256.hexdigest())
        return _Part(part, encoded(f"{crc32:08x}"))

    def agree(self) -> None:
        """Raise ``RejectedError`` unless all of it has the digest of the blob."""
        agree(self._sha256.hexdigest(), self._blob, self._label)
