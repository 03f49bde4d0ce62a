"""The API as commands use it: of the running instance, or in this process where none runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec

from sinkwell.cli.common import fail
from sinkwell.control import LEDGER_NAME, control_address

_TIMEOUT = 60.0
_PAGE = 1000
_AGAIN_AFTER = 1.0

Wanted = Mapping[str, str | Sequence[str]]
"""Parameters of a question; several values of one are asked for together."""


class Api:
    """The API of one data directory."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def rows(
        self, path: str, limit: int | None, **wanted: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield the rows of a list, the newest first, page by page."""
        before: str | None = None
        left = limit
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            asked = {**wanted, "limit": str(page), "before": before}
            rows = await self._get(path, {k: v for k, v in asked.items() if v is not None})
            for row in rows:
                yield row
            if len(rows) < page:
                return
            before = rows[-1]["id"]
            left = None if left is None else left - len(rows)

    async def events(self, after: int, limit: int, wanted: Wanted) -> list[dict[str, Any]]:
        """Return events that follow a position, in order."""
        return await self._get("/events", {"after": str(after), "limit": str(limit), **wanted})

    async def get(self, path: str) -> dict[str, Any]:
        """Return one thing; end the program with the problem when it is not there."""
        return dict(_checked(await self._client.get(path)).json())

    async def all_rows(self, path: str) -> list[dict[str, Any]]:
        """Return a list that has one page only."""
        return await self._get(path, {})

    async def post(
        self, path: str, wanted: Wanted | None = None, *, document: object = None
    ) -> dict[str, Any]:
        """Ask for something to be done; end the program with the problem if it is refused."""
        answer = _checked(await self._client.post(path, params=dict(wanted or {}), json=document))
        return dict(answer.json())

    async def _get(self, path: str, wanted: Wanted) -> list[dict[str, Any]]:
        return list(_checked(await self._client.get(path, params=dict(wanted))).json())


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        fail(answer.json().get("detail", answer.text))
    return answer


@asynccontextmanager
async def connected(data_dir: Path, *, offline: bool = True) -> AsyncIterator[Api]:
    """Reach the instance that runs on ``data_dir``, or open its ledger when none does.

    Unless ``offline``, that is not enough, and the program ends.
    """
    if not (data_dir / LEDGER_NAME).is_file():
        fail(f"{data_dir} holds no ledger; name the data directory with --data-dir or --config")
    with control_address(data_dir) as address:
        async with _client(httpx.AsyncHTTPTransport(uds=address)) as client:
            if await _answers(client):
                yield Api(client)
                return
    if not offline:
        fail(f"no instance runs on {data_dir}; start it with `sinkwell serve`")
    from sinkwell.ledger.database import LedgerOwnedError
    from sinkwell.outage import LedgerUnavailableError
    from sinkwell.runtime import offline_api

    try:
        async with (
            offline_api(data_dir) as app,
            _client(httpx.ASGITransport(cast("Any", app))) as client,
        ):
            yield Api(client)
    except (LedgerOwnedError, LedgerUnavailableError) as error:
        fail(str(error))


async def stream_events(data_dir: Path, wanted: Wanted) -> AsyncIterator[dict[str, Any]]:
    """Yield events as they happen in the instance that runs on ``data_dir``, for ever.

    When it is started anew, go on behind the last event.
    """
    parameters = dict(wanted)
    with control_address(data_dir) as address:
        async with _client(httpx.AsyncHTTPTransport(uds=address)) as client:
            if not await _answers(client):
                fail(f"no instance runs on {data_dir}; `sinkwell events` shows what it has logged")
            while True:
                try:
                    async for event in _stream(client, parameters):
                        yield event
                        parameters |= {"after": str(event["position"])}
                        parameters.pop("last", None)
                except httpx.TransportError:
                    await asyncio.sleep(_AGAIN_AFTER)


async def _stream(client: httpx.AsyncClient, parameters: Wanted) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of one connection."""
    calm = httpx.Timeout(_TIMEOUT, read=None)
    async with client.stream(
        "GET", "/events/stream", params=dict(parameters), timeout=calm
    ) as answer:
        if answer.is_error:
            await answer.aread()
            _checked(answer)
        rest = b""
        async for chunk in answer.aiter_bytes():
            *lines, rest = (rest + chunk).split(b"\n")  # not splitlines: texts may hold U+2028
            for line in lines:
                if line.startswith(b"data: "):
                    yield msgspec.json.decode(line.removeprefix(b"data: "))


def _client(transport: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=transport, base_url="http://sinkwell/api/v1", timeout=_TIMEOUT
    )


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("http://sinkwell/healthz")
    except httpx.ConnectError:
        return False
    return True
