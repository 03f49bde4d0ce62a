"""``POST /api/v1/callback-urls``: callback URLs that say where one capture's files go."""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from litestar import Router, post
from litestar.exceptions import ClientException
from litestar.params import JSONBody
from litestar.types import Guard

from sinkwell.clock import Clock
from sinkwell.intake.callback_urls import LONGEST_LIFE, PARAMETER, CallbackUrls
from sinkwell.naming import TemplateError

_A_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Minter:
    """What is needed to make callback URLs."""

    urls: CallbackUrls
    clock: Clock
    base: str
    """Scheme, host and port by which providers reach this Sinkwell."""
    sources: Collection[str]
    sinks: Collection[str]


class WantedUrl(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a callback URL should say."""

    source: str
    sinks: dict[str, str]
    """Key templates by sink; an empty one means the sink's usual key."""
    expires_in: float = _A_DAY
    """Seconds for which callbacks to it are taken."""


class MadeUrl(msgspec.Struct, frozen=True, kw_only=True):
    """A callback URL."""

    url: str
    expires_at: float


def callback_urls_router(minter: Minter, guard: Guard) -> Router:
    """Return the route."""

    @post("/callback-urls", summary="Make a callback URL that names sinks and keys")
    async def make_callback_url(data: JSONBody[WantedUrl]) -> MadeUrl:
        _check(minter, data)
        expires_at = minter.clock.now() + data.expires_in
        try:
            token = minter.urls.mint(data.source, data.sinks, expires_at)
        except TemplateError as error:
            raise ClientException(str(error)) from error
        url = f"{minter.base}/callbacks/{data.source}?{PARAMETER}={token}"
        return MadeUrl(url=url, expires_at=expires_at)

    return Router("/api/v1", guards=[guard], route_handlers=[make_callback_url])


def _check(minter: Minter, wanted: WantedUrl) -> None:
    if wanted.source not in minter.sources:
        raise ClientException(_unknown("source", wanted.source, minter.sources))
    if not wanted.sinks:
        raise ClientException("Name one sink or more in sinks.")
    for sink in wanted.sinks:
        if sink not in minter.sinks:
            raise ClientException(_unknown("sink", sink, minter.sinks))
    if not 0 < wanted.expires_in <= LONGEST_LIFE:
        raise ClientException(
            f"expires_in is more than 0 and at most {LONGEST_LIFE:.0f} seconds, a year."
        )


def _unknown(kind: str, name: str, known: Collection[str]) -> str:
    return (
        f"There is no {kind} named {name[:64]!r}; there are {', '.join(sorted(known)) or 'none'}."
    )
