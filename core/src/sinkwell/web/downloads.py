"""Files given out: to holders of the admin token, and to anyone who has a link.

A file is a stranger's: it must never run as a page of this origin, whatever its bytes are.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response, Router, post, route
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import Guard, Method, Receive, Scope, Send

from sinkwell.clock import Clock
from sinkwell.contract import content_disposition
from sinkwell.contract.events import FileLink
from sinkwell.contract.settings import LONGEST_LINK, LONGEST_SINK_LINK
from sinkwell.sharing.contents import Content, Contents
from sinkwell.sharing.links import (
    PARAMETER,
    ExpiredLinkError,
    FileLinks,
    ForgedLinkError,
    Linker,
    Via,
)
from sinkwell.sharing.model import Find, SharedFile
from sinkwell.web import problems
from sinkwell.web.ranges import UnsatisfiableError, asked_range

_MOST_AT_ONCE = 100
_LONGEST_SEND = 60.0
"""Seconds that a client may take for one piece, of 256 KiB at most."""
_A_DAY = 86_400.0
_METHODS: list[Method] = ["GET", "HEAD"]
_SHOWN = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"}
"""What a browser may show: it can hold no script. An SVG can."""
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_PRIVATE = {
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_ASIDE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_SAFE = {**_PRIVATE, "Content-Security-Policy": "sandbox; default-src 'none'"}

AnyRequest = Request[Any, Any, Any]

log = structlog.get_logger()


class WantedLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a link should be."""

    expires_in: float = _A_DAY
    """Seconds for which it is good: 366 days at most, of a sink 7."""
    via: Via = "sinkwell"
    """Whether Sinkwell answers it, or a sink that has the file."""


@dataclass(frozen=True, slots=True)
class Downloads:
    """What is needed to give files out."""

    find: Find
    contents: Contents
    links: FileLinks
    linker: Linker
    clock: Clock


def download_handlers(downloads: Downloads, guard: Guard) -> Sequence[HTTPRouteHandler | Router]:
    """Return the routes: of links, which are open to all who have one, and of the API."""
    desk = _Desk(downloads)

    @route("/files/{file_id:str}", http_method=_METHODS, include_in_schema=False)
    async def follow_link(
        request: AnyRequest,
        file_id: FromPath[str],
        signed: Annotated[str, QueryParameter(name=PARAMETER)] = "",
    ) -> Response[Any]:
        try:
            downloads.links.check(file_id, signed, downloads.clock.now())
        except ForgedLinkError:
            detail = "It was changed on its way, cut off, or not made by this Sinkwell."
            return problems.response(403, "link-refused", "The link is not good", detail, _ASIDE)
        except ExpiredLinkError:
            detail = "Ask whoever gave it to you for a new one."
            return problems.response(410, "link-expired", "The link has expired", detail, _ASIDE)
        return await desk.answer(request, file_id)

    @route("/files/{file_id:str}/content", http_method=_METHODS, summary="The bytes of a file")
    async def give_content(request: AnyRequest, file_id: FromPath[str]) -> Response[Any]:
        return await desk.answer(request, file_id)

    @post("/files/{file_id:str}/links", summary="Make a link by which anyone gets a file")
    async def make_link(file_id: FromPath[str], data: JSONBody[WantedLink]) -> FileLink:
        longest = LONGEST_SINK_LINK if data.via == "sink" else LONGEST_LINK
        if not 1 <= data.expires_in <= longest:
            raise ClientException(f"expires_in is at least 1 and at most {longest:g} seconds.")
        if await downloads.find(file_id) is None:
            raise NotFoundException(f"There is no file {file_id[:64]}.")
        link = await downloads.linker.link(file_id, data.via, data.expires_in)
        if link is None:
            detail = f"No sink that can sign links has file {file_id}."
            raise ClientException(detail, status_code=409)
        return link

    api = Router("/api/v1", guards=[guard], route_handlers=[give_content, make_link])
    return [follow_link, api]


class _Desk:
    """Answers requests for files, so many at once."""

    def __init__(self, downloads: Downloads) -> None:
        self._downloads = downloads
        self._busy = 0

    async def answer(self, request: AnyRequest, file_id: str) -> Response[Any]:
        file = await self._downloads.find(file_id)
        if file is None:
            raise NotFoundException(f"There is no file {file_id[:64]}.")
        if why := _kept_back(file):
            return why
        etag = f'"{file.sha256}"'
        if etag in request.headers.get("if-none-match", ""):
            return Response(b"", status_code=304, headers={**_PRIVATE, "ETag": etag})
        try:
            span = _span(request, file, etag)
        except UnsatisfiableError:
            detail = f"The file has {file.size} bytes."
            beyond = {**_ASIDE, "Content-Range": f"bytes */{file.size}"}
            return problems.response(
                416, "range-not-satisfiable", "There are no such bytes", detail, beyond
            )
        if self._busy >= _MOST_AT_ONCE:
            detail = f"{_MOST_AT_ONCE} files are being downloaded already."
            later = {**_ASIDE, "Retry-After": "5"}
            return problems.response(503, "too-many-downloads", "Too many downloads", detail, later)
        return await self._give(request, file, span)

    async def _give(
        self, request: AnyRequest, file: SharedFile, span: tuple[int, int] | None
    ) -> Response[Any]:
        self._busy += 1
        download = None
        try:
            found = await self._downloads.contents.find(file, span)
            if found is None:
                return _gone(file)
            if isinstance(found, str):
                return Response(b"", status_code=302, headers={**_ASIDE, "Location": found})
            download = _Download(file, found, self._left, head=request.method == "HEAD")
            return download
        finally:
            if download is None:
                self._left()

    def _left(self) -> None:
        self._busy -= 1


class _Download(Response[None]):
    """Sends a file in pieces, no faster than it is read."""

    def __init__(
        self, file: SharedFile, content: Content, over: Callable[[], None], *, head: bool
    ) -> None:
        """Call ``over`` at the end of it, be it good or bad."""
        super().__init__(None, status_code=206 if content.span else 200)
        self._file = file
        self._content = content
        self._over = over
        self._head = head

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        """Return what sends it."""
        return self._send

    async def _send(self, _: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_until_gone(receive))
        lines = [(k.lower().encode(), v.encode("latin-1")) for k, v in self._headers().items()]
        status = self.status_code or 200
        try:
            await send({"type": "http.response.start", "status": status, "headers": lines})
            if not self._head:
                await self._send_body(send, gone)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except Exception as error:  # noqa: BLE001 - the connection is cut, so nobody takes it whole
            what = type(error).__name__
            log.warning("a download broke off", file=self._file.file_id, error=what)
        finally:
            self._over()
            gone.cancel()
            await self._content.rest.aclose()

    def _headers(self) -> dict[str, str]:
        size = self._file.size
        start, stop = self._content.span or (0, size)
        headers = _headers(self._file) | {"Content-Length": str(stop - start)}
        if self._content.span:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return headers

    async def _send_body(self, send: Send, gone: "asyncio.Task[None]") -> None:
        await _send_piece(send, self._content.first)
        async for piece in self._content.rest:
            if gone.done():
                return
            await _send_piece(send, piece)


async def _send_piece(send: Send, piece: bytes) -> None:
    async with asyncio.timeout(_LONGEST_SEND):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _span(request: AnyRequest, file: SharedFile, etag: str) -> tuple[int, int] | None:
    """Return the part that is asked for, None for the whole."""
    if request.headers.get("if-range", etag) != etag:
        return None
    return asked_range(request.headers.get("range"), file.size)


def _headers(file: SharedFile) -> dict[str, str]:
    known = _MEDIA_TYPE.fullmatch(file.media_type)
    media_type = file.media_type if known else "application/octet-stream"
    shown = media_type.lower() in _SHOWN
    return {
        **_SAFE,
        "Content-Type": media_type,
        "Content-Disposition": content_disposition(
            file.name, disposition="inline" if shown else "attachment"
        ),
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.sha256}"',
    }


def _kept_back(file: SharedFile) -> Response[bytes] | None:
    """Say why a file is given to nobody, None where it is not so."""
    if file.state == "fetching":
        detail = f"File {file.file_id} is still being fetched; ask again later."
        return problems.response(
            409, "file-not-here-yet", "The file is not here yet", detail, _ASIDE
        )
    if file.state == "quarantined":
        detail = f"File {file.file_id} is in quarantine, as it is not what it should be."
        return problems.response(409, "file-quarantined", "The file is kept back", detail, _ASIDE)
    return None if file.sha256 else _gone(file)


def _gone(file: SharedFile) -> Response[bytes]:
    detail = (
        f"File {file.file_id} is no longer in the spool, and no sink that has it gives it back. "
        "[spool] retention says how long files stay there."
    )
    return problems.response(410, "file-gone", "The file is gone from here", detail, _ASIDE)
