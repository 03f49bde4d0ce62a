"""The API as commands use it: of the running instance, or in this process where none runs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from sinkwell.cli.common import fail
from sinkwell.control import LEDGER_NAME, control_address

_TIMEOUT = 60.0
_PAGE = 1000


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

    async def events(self, after: int, limit: int) -> list[dict[str, Any]]:
        """Return events that follow a position, in order."""
        return await self._get("/events", {"after": str(after), "limit": str(limit)})

    async def get(self, path: str) -> dict[str, Any]:
        """Return one thing; end the program with the problem when it is not there."""
        return dict(_checked(await self._client.get(path)).json())

    async def post(self, path: str, document: object = None) -> dict[str, Any]:
        """Ask for something to be done; end the program with the problem if it is refused."""
        answer = _checked(await self._client.post(path, json=document))
        return dict(answer.json())

    async def _get(self, path: str, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        return list(_checked(await self._client.get(path, params=wanted)).json())


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        fail(answer.json().get("detail", answer.text))
    return answer


@asynccontextmanager
async def connected(data_dir: Path) -> AsyncIterator[Api]:
    """Reach the instance that runs on ``data_dir``, or open its ledger when none does."""
    if not (data_dir / LEDGER_NAME).is_file():
        fail(f"{data_dir} holds no ledger; name the data directory with --data-dir or --config")
    with control_address(data_dir) as address:
        async with _client(httpx.AsyncHTTPTransport(uds=address)) as client:
            if await _answers(client):
                yield Api(client)
                return
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
