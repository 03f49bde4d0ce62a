"""The part of the API that is about fetching."""

from collections.abc import Mapping

from litestar import get, post
from litestar.exceptions import ClientException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from sinkwell.intake.fetch_worker import FetchWorker
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.reads import FetchAttemptView
from sinkwell.ledger.refetches import NotFetchableError


def fetch_handlers(ledger: Ledger, fetchers: Mapping[str, FetchWorker]) -> list[HTTPRouteHandler]:
    """Return the routes; what is retried wakes the fetcher of its source."""

    @get("/files/{file_id:str}/attempts", summary="The tries to fetch a file")
    async def list_fetch_attempts(file_id: FromPath[str]) -> list[FetchAttemptView]:
        return await ledger.list_fetch_attempts(file_id)

    @post("/files/{file_id:str}/retry", status_code=202, summary="Try to fetch a file again")
    async def retry_fetch(file_id: FromPath[str]) -> dict[str, str]:
        try:
            source = await ledger.retry_fetch(file_id)
        except LookupError as error:
            raise NotFoundException(str(error)) from error
        except NotFetchableError as error:
            raise ClientException(str(error), status_code=409) from error
        if fetcher := fetchers.get(source):
            fetcher.wake()
        return {"id": file_id, "source": source, "state": "fetching"}

    return [list_fetch_attempts, retry_fetch]
