"""What a sink says that it can do, it can; what it does not say, it does not offer."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import pytest

from sinkwell.contract import (
    Capability,
    DeletableSink,
    PresigningSink,
    ReadableSink,
    RejectedError,
    Sink,
)
from sinkwell.testing.kit import in_loop, not_shown
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, MIB, REFUSE, Bench, payload_of, same
from sinkwell.testing.sinks.reading import pieces, read

_METHODS = {
    Capability.READ: ("read", ReadableSink),
    Capability.DELETE: ("delete", DeletableSink),
    Capability.PRESIGN: ("presign", PresigningSink),
}
_LARGE = 24 * MIB
_LARGEST_PIECE = 16 * MIB
_EXPIRES_IN = 1.0
_EXPIRED_AFTER = 2.2


class SinkCapabilities(SinkKit):
    """read, delete and presign."""

    @in_loop
    async def test_capabilities_are_declared(self, bench: Bench) -> None:
        """It has the methods of the capabilities that its type declares, and no others."""
        async with bench.opened() as sink:
            for capability, (method, protocol) in _METHODS.items():
                if capability in bench.sink_type.capabilities:
                    assert isinstance(sink, protocol), (
                        f"{capability} is declared, and the sink has no method {method}"
                    )
                else:
                    assert not hasattr(sink, method), (
                        f"the sink has a method {method}, and {capability} is not declared"
                    )

    @in_loop
    async def test_read(self, bench: Bench) -> None:
        """READ: gives the bytes of an object back, in pieces of at most 16 MB."""
        async with _able(bench, Capability.READ) as sink:
            for size in (0, 1, self.part + 1, _LARGE):
                payload = payload_of(size)
                await sink.put(bench.blob(payload), f"read/{size}", if_present=KEEP)
                found = [piece async for piece in pieces(sink, f"read/{size}")]
                assert max(map(len, found), default=0) <= _LARGEST_PIECE, "a piece is too large"
                same(b"".join(found), payload, f"read/{size}")

    @in_loop
    async def test_read_of_nothing(self, bench: Bench) -> None:
        """READ: a key that nothing was put under is a RejectedError."""
        async with _able(bench, Capability.READ) as sink:
            await sink.put(bench.blob(b"x"), "a/b", if_present=KEEP)
            for key in ("missing", "a", "a/missing"):
                what = f"reading {key!r}, which is not there,"
                error = await bench.failure(read(sink, key), what)
                assert isinstance(error, RejectedError), f"{what} gave {error!r}"

    @in_loop
    async def test_read_ends_early(self, bench: Bench) -> None:
        """READ: whoever stops reading early does no harm, and can read again."""
        payload = payload_of(4 * MIB)
        async with _able(bench, Capability.READ) as sink:
            await sink.put(bench.blob(payload), "read", if_present=KEEP)
            for _ in range(20):
                stopped = pieces(sink, "read")
                first = await anext(stopped)
                assert payload.startswith(first)
                await stopped.aclose()
            unused = pieces(sink, "read")
            await unused.aclose()
            same(await read(sink, "read"), payload, "read")

    @in_loop
    async def test_reads_at_once(self, bench: Bench) -> None:
        """READ: many readers at once each get their own object."""
        contents = {f"read/{n}": payload_of(MIB + n, n) for n in range(8)}
        async with _able(bench, Capability.READ) as sink:
            for key, payload in contents.items():
                await sink.put(bench.blob(payload), key, if_present=KEEP)
            found = await asyncio.gather(*[read(sink, key) for key in contents for _ in range(3)])
            for key, content in zip([k for k in contents for _ in range(3)], found, strict=True):
                same(content, contents[key], key)

    @in_loop
    async def test_delete(self, bench: Bench) -> None:
        """DELETE: removes the object and no other; the key is free again."""
        async with _able(bench, Capability.DELETE) as sink:
            for key in ("a/one", "a/two", "a/one.two"):
                await sink.put(bench.blob(key.encode()), key, if_present=KEEP)
            await cast("DeletableSink", sink).delete("a/one")
            await bench.holds({"a/two": b"a/two", "a/one.two": b"a/one.two"})
            assert await sink.stat("a/one") is None, "stat finds what was deleted"
            await sink.put(bench.blob(b"again"), "a/one", if_present=REFUSE)
            await bench.holds({"a/one": b"again", "a/two": b"a/two", "a/one.two": b"a/one.two"})

    @in_loop
    async def test_delete_of_nothing(self, bench: Bench) -> None:
        """DELETE: where there is nothing it does nothing, however often, also many at once."""
        async with _able(bench, Capability.DELETE) as sink:
            await sink.put(bench.blob(b"x"), "a/b", if_present=KEEP)
            deletable = cast("DeletableSink", sink)
            for key in ("missing", "a/missing", "b/c/d"):
                await deletable.delete(key)
            await bench.holds({"a/b": b"x"})
            await asyncio.gather(*[deletable.delete("a/b") for _ in range(8)])
            await deletable.delete("a/b")
            await bench.holds({})

    @in_loop
    async def test_presign(self, bench: Bench) -> None:
        """PRESIGN: the URL gives the bytes to anyone, and shows no secret."""
        async with _able(bench, Capability.PRESIGN) as sink:
            payload = payload_of(300_000)
            await sink.put(bench.blob(payload), "a/year=2025/b.png", if_present=KEEP)
            url = await cast("PresigningSink", sink).presign("a/year=2025/b.png", expires_in=60)
            bench.hides_secrets(url, "a presigned URL")
            parts = urlsplit(url)
            assert parts.scheme, "a presigned URL has no scheme"
            assert parts.password is None, "a presigned URL holds a password"
            same(await bench.look(bench.destination.fetch, url), payload, "a/year=2025/b.png")

    @in_loop
    async def test_presigned_urls_expire(self, bench: Bench) -> None:
        """PRESIGN: after its time a URL gives nothing."""
        async with _able(bench, Capability.PRESIGN) as sink:
            await sink.put(bench.blob(b"x"), "key", if_present=KEEP)
            url = await cast("PresigningSink", sink).presign("key", expires_in=_EXPIRES_IN)
            await asyncio.sleep(_EXPIRED_AFTER)
            try:
                await bench.look(bench.destination.fetch, url)
            except OSError:
                return
            pytest.fail(f"a URL for {_EXPIRES_IN:g} s still works {_EXPIRED_AFTER:g} s later")

    @in_loop
    async def test_presigned_urls_are_for_one_key(self, bench: Bench) -> None:
        """PRESIGN: a URL that was altered to name another key gives nothing."""
        async with _able(bench, Capability.PRESIGN) as sink:
            for key in ("mine", "else"):
                await sink.put(bench.blob(key.encode()), key, if_present=KEEP)
            url = await cast("PresigningSink", sink).presign("mine", expires_in=60)
            assert url.count("mine") >= 1, "a presigned URL does not name its key"
            try:
                found = await bench.look(bench.destination.fetch, url.replace("mine", "else"))
            except OSError:
                return
            assert found != b"else", "a URL for one key gives another"


@asynccontextmanager
async def _able(bench: Bench, capability: Capability) -> AsyncIterator[Sink]:
    """Open a sink whose type declares this; of another it is not shown."""
    if capability not in bench.sink_type.capabilities:
        not_shown(f"the type does not declare {capability}")
    async with bench.opened() as sink:
        yield sink
