"""Links by which anyone can download one file for a while: of Sinkwell, or of a sink."""

import base64
import hmac
import math
import re
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import msgspec

from sinkwell.calls import within
from sinkwell.clock import Clock
from sinkwell.contract import Event, RejectedError, TransientError
from sinkwell.contract.events import FileFact, FileFailed, FileLink, FileQuarantined
from sinkwell.contract.sink import PresigningSink
from sinkwell.delivery.decide import classify
from sinkwell.sharing.model import Find, Shelf, Shelves
from sinkwell.signing_key import SigningKey

PARAMETER = "sig"
"""Of a link: holds when it expires, and the signature over that and the file's id."""

Via = Literal["sinkwell", "sink"]
"""Who answers a link: Sinkwell itself, or a sink that has the file and can sign links to it."""

_SIGNED = re.compile(r"([0-9]{1,12})\.[A-Za-z0-9_-]{43}")
_LONGEST_CALL = 10.0


class ForgedLinkError(Exception):
    """A link was not made here, or was changed since."""


class ExpiredLinkError(Exception):
    """A link was good once."""


class FileLinks:
    """Makes and reads links to this Sinkwell."""

    def __init__(self, key: SigningKey, base: str) -> None:
        """Begin links with ``base``: scheme, host and port by which others reach this Sinkwell."""
        self._key = key
        self._base = base

    @classmethod
    def of(cls, data_dir: Path, base: str) -> "FileLinks":
        """Use the key of a data directory. Without it, all links are void. Raises ``OSError``."""
        return cls(SigningKey.of(data_dir, "file-links"), base)

    def make(self, file_id: str, expires_at: float) -> FileLink:
        """Return a link that is good until then, rounded up to a whole second."""
        until = math.ceil(expires_at)
        url = f"{self._base}/files/{quote(file_id, safe='')}?{PARAMETER}="
        return FileLink(url=url + self._signed(file_id, str(until)), expires_at=float(until))

    def check(self, file_id: str, signed: str, now: float) -> None:
        """Raise ``ForgedLinkError`` or ``ExpiredLinkError`` unless a link's parameter is good.

        The signature is looked at first: only who holds a link that was made here learns more.
        """
        match = _SIGNED.fullmatch(signed)
        if match is None or not hmac.compare_digest(
            signed.encode(), self._signed(file_id, match[1]).encode()
        ):
            raise ForgedLinkError
        if now >= int(match[1]):
            raise ExpiredLinkError

    def _signed(self, file_id: str, until: str) -> str:
        text = file_id.encode("utf-8", "surrogatepass") + b"\0" + until.encode()
        return f"{until}.{base64.urlsafe_b64encode(self._key.sign(text)).rstrip(b'=').decode()}"


class Linker:
    """Makes links of either kind, now."""

    def __init__(self, links: FileLinks, find: Find, shelves: Shelves, clock: Clock) -> None:
        self._links = links
        self._find = find
        self._shelves = shelves
        self._clock = clock

    async def link(
        self, file_id: str, via: Via, life: float, *, prefer: str | None = None
    ) -> FileLink | None:
        """Return a link that is good for ``life`` seconds; None where no sink could make one.

        Of several sinks, the one named ``prefer`` is asked first. Raises ``TransientError`` when
        a sink that could make one cannot just now.
        """
        expires_at = self._clock.now() + life
        if via == "sinkwell":
            return self._links.make(file_id, expires_at)
        url = await self._presigned(file_id, life, prefer)
        return None if url is None else FileLink(url=url, expires_at=expires_at)

    async def linked(self, event: Event, via: Via, life: float) -> Event:
        """Return an event with a link to the file that it is about, if there is one."""
        fact = event.data
        if not isinstance(fact, FileFact) or not _has_file(fact):
            return event
        prefer = getattr(fact, "sink", None)
        link = await self.link(fact.file_id, via, life, prefer=prefer)
        return msgspec.structs.replace(event, data=msgspec.structs.replace(fact, link=link))

    async def _presigned(self, file_id: str, life: float, prefer: str | None) -> str | None:
        file = await self._find(file_id)
        stored = file.stored if file else ()
        trouble = None
        for name, key in sorted(stored, key=lambda each: each[0] != prefer):
            shelf = self._shelves.get(name)
            if shelf is None or not shelf.presigns:
                continue
            try:
                return await presigned(shelf, key, life)
            except RejectedError:
                continue
            except Exception as error:  # noqa: BLE001 - a plugin's bug costs its own link, no more
                trouble = f"sink {name!r} can make no link just now: {classify(error)[1]}"
        if trouble is not None:
            raise TransientError(trouble)
        return None


async def presigned(shelf: Shelf, key: str, life: float) -> str:
    """Return a sink's own link. Raises what the sink raises, and ``TransientError``."""
    sink = shelf.opened()
    if sink is None:
        raise TransientError("it is not open yet")
    if not isinstance(sink, PresigningSink):
        raise RejectedError("it signs no links, though its type says so")
    return await within(_LONGEST_CALL, sink.presign(key, expires_in=life))


def _has_file(fact: FileFact) -> bool:
    """Tell whether there is anything to download: not what was never fetched, or is kept back."""
    if isinstance(fact, FileFailed):
        return fact.error is None
    return not isinstance(fact, FileQuarantined)
