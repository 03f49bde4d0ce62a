"""The event log over HTTP: pages, long polling, and a stream of server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter
from litestar.response import Stream

from sinkwell.bus.feed import Entry, Feed, FeedClosedError
from sinkwell.bus.interest import Interest
from sinkwell.web import problems

_MOST_STREAMS = 500
_SIGN_OF_LIFE = 15.0
_LONGEST_WAIT = 60.0
_BEGINNING = b"retry: 1000\n\n"
_ALIVE = b": nothing new\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

After = Annotated[int, QueryParameter(ge=0, description="Only events behind this position.")]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="The most events to return.")]
Wait = Annotated[
    float,
    QueryParameter(
        ge=0, le=_LONGEST_WAIT, description="Where there are none, wait for one so many seconds."
    ),
]
Last = Annotated[
    int | None,
    QueryParameter(ge=0, le=1000, description="Begin with so many of the newest events."),
]
Types = Annotated[
    list[str] | None,
    QueryParameter(name="type", description="Only these types; * stands for any characters."),
]
Sources = Annotated[
    list[str] | None, QueryParameter(name="source", description="Only events of these sources.")
]
Sinks = Annotated[
    list[str] | None, QueryParameter(name="sink", description="Only events of these sinks.")
]

AnyRequest = Request[Any, Any, Any]


class EventsGoneError(ClientException):
    """Retention has removed what was asked for."""

    status_code = 410


def event_handlers(feed: Feed) -> Sequence[HTTPRouteHandler]:
    """Return the routes over this feed."""
    streams = 0

    @get("/events", summary="Events after a position, in order")
    async def list_events(
        after: After = 0,
        limit: Limit = 100,
        wait: Wait = 0.0,
        types: Types = None,
        sources: Sources = None,
        sinks: Sinks = None,
    ) -> list[dict[str, Any]]:
        interest = Interest(types or (), sources or (), sinks or ())
        entries = await _page(feed, after, limit, wait, interest)
        return [entry.event.as_dict() for entry in entries]

    @get("/events/stream", summary="Events as they happen, as server-sent events")
    async def stream_events(
        request: AnyRequest,
        after: Annotated[int | None, QueryParameter(ge=0)] = None,
        last: Last = None,
        types: Types = None,
        sources: Sources = None,
        sinks: Sinks = None,
    ) -> Response[Any]:
        nonlocal streams
        interest = Interest(types or (), sources or (), sinks or ())
        position = await _beginning(feed, request.headers.get("last-event-id"), after, last)
        if streams >= _MOST_STREAMS:
            detail = f"{_MOST_STREAMS} clients follow the events already."
            return problems.response(
                503, "too-many-streams", "Too many streams", detail, {"Retry-After": "5"}
            )

        async def stream() -> AsyncIterator[bytes]:
            nonlocal streams
            streams += 1
            try:
                async for chunk in _follow(feed, position, interest):
                    yield chunk
            finally:
                streams -= 1

        return Stream(stream(), media_type="text/event-stream", headers=_HEADERS)

    return [list_events, stream_events]


async def _page(feed: Feed, after: int, limit: int, wait: float, interest: Interest) -> list[Entry]:
    """Return what matches; wait only while there is nothing."""
    until = asyncio.get_running_loop().time() + wait
    entries = await feed.now_after(after)
    _refuse_gap(after, entries)
    while True:
        found, position = await _matching(feed, after, limit, interest)
        if found or not await _news(feed, position, until):
            return found
        after = position


async def _matching(
    feed: Feed, position: int, limit: int, interest: Interest
) -> tuple[list[Entry], int]:
    """Return what matches, from as many reads as it takes, and how far the log was looked at."""
    found: list[Entry] = []
    while len(found) < limit:
        entries, looked_to = await feed.matching(position, interest)
        if looked_to == position:
            break
        found += entries
        position = looked_to
    return found[:limit], position


async def _news(feed: Feed, position: int, until: float) -> list[Entry]:
    try:
        async with asyncio.timeout_at(until):
            return await feed.after(position)
    except (TimeoutError, FeedClosedError):
        return []


async def _beginning(
    feed: Feed, last_event_id: str | None, after: int | None, last: int | None
) -> int:
    """Return the position behind which a stream begins: by default, at the end of the log."""
    if last_event_id is not None:
        if not (last_event_id.isascii() and last_event_id.isdigit()):
            raise ClientException("Last-Event-ID is the position of an event.")
        after = int(last_event_id)
    if after is None:
        return max(0, await feed.end() - (last or 0))
    _refuse_gap(after, await feed.now_after(after))
    return after


def _refuse_gap(position: int, entries: Sequence[Entry]) -> None:
    if position and entries and entries[0].event.position > position + 1:
        first = entries[0].event.position
        raise EventsGoneError(
            f"Events before {first} are no longer kept; go on with after={first - 1}."
        )


async def _follow(feed: Feed, position: int, interest: Interest) -> AsyncIterator[bytes]:
    """Yield events as server-sent events, until Sinkwell ends. Whoever is slow reads on later."""
    yield _BEGINNING
    while True:
        try:
            async with asyncio.timeout(_SIGN_OF_LIFE):
                entries = await feed.after(position)
        except TimeoutError:
            yield _ALIVE
            continue
        except FeedClosedError:
            return
        position = entries[-1].event.position
        if chunk := b"".join(_sse(entry) for entry in entries if interest.wants(entry.event)):
            yield chunk


def _sse(entry: Entry) -> bytes:
    event = entry.event
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.type.encode(), entry.json)
