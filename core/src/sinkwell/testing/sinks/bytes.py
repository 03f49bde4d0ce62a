"""What is put is what is there: bytes, receipts and what the sink says of them."""
# ruff: noqa: S101 - a kit is made of assertions

import asyncio
import os
import stat
from dataclasses import replace
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sinkwell.contract import Receipt, Sink, SinkError
from sinkwell.testing.kit import in_loop
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, MIB, REPLACE, Bench, payload_of, same

_SIZES_TRIED = 12
_MOST_PARTS = 3


class SinkBytes(SinkKit):
    """Bytes in, the same bytes there."""

    @in_loop
    async def test_bytes(self, bench: Bench) -> None:
        """Files of no byte, one byte and some thousand bytes arrive as they are."""
        async with bench.opened() as sink:
            for size in (0, 1, 4097):
                await stored(bench, sink, f"bytes/{size}", payload_of(size))

    def test_sizes_around_part_boundaries(self, bench: Bench) -> None:
        """Files of any size around the multiples of a part arrive as they are."""
        sizes = st.builds(
            lambda parts, delta: max(0, parts * self.part + delta),
            st.integers(1, _MOST_PARTS),
            st.sampled_from([-1, 0, 1]) | st.integers(-5000, 5000),
        )
        numbers = count()
        with asyncio.Runner() as runner:
            opened = bench.opened()
            sink = runner.run(opened.__aenter__())

            @settings(
                max_examples=_SIZES_TRIED,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(sizes)
            def arrives(size: int) -> None:
                key = f"sizes/{next(numbers)}-{size}"  # a key of its own, also when it is replayed
                runner.run(stored(bench, sink, key, payload_of(size)))

            try:
                arrives()
            finally:
                runner.run(opened.__aexit__(None, None, None))

    @in_loop
    async def test_more_than_64_mb(self, bench: Bench) -> None:
        """A file of more than 64 MB arrives as it is."""
        async with bench.opened() as sink:
            await stored(bench, sink, "large/file.bin", payload_of(64 * MIB + 1))

    @in_loop
    async def test_only_the_payload_is_read(self, bench: Bench) -> None:
        """What stands before and after the payload in the blob's file is not stored."""
        payload = payload_of(300_000)
        blob = bench.blob(payload)
        assert blob.offset > 0
        alone = bench.blob(payload, offset=0)
        alone.path.write_bytes(payload)
        async with bench.opened() as sink:
            await sink.put(blob, "within", if_present=KEEP)
            await sink.put(alone, "alone", if_present=KEEP)
            await bench.holds({"within": payload, "alone": payload})

    @in_loop
    async def test_the_receipt_agrees(self, bench: Bench) -> None:
        """The receipt has the key, the size and the digest of what is stored."""
        async with bench.opened() as sink:
            for size in (0, 1, self.part + 1):
                blob = bench.blob(payload_of(size))
                receipt = await sink.put(blob, f"receipts/{size}", if_present=KEEP)
                assert isinstance(receipt, Receipt)
                assert receipt.key == f"receipts/{size}", "the receipt is for another key"
                assert receipt.size == size, "the receipt's size is not that of the file"
                assert receipt.sha256 == blob.sha256, "the receipt's sha256 is not the file's"

    @in_loop
    async def test_the_location_is_a_uri(self, bench: Bench) -> None:
        """The receipt's location is a URI of printable ASCII, without user, password or secret."""
        locations = []
        async with bench.opened() as sink:
            for key in ("plain.png", "a/year=2025/b.png"):
                receipt = await sink.put(bench.blob(key.encode()), key, if_present=KEEP)
                locations.append(receipt.location)
        for location in locations:
            assert location.isascii(), f"the location {location!r} is not all ASCII"
            assert location.isprintable(), f"the location {location!r} has control characters"
            assert not any(char in location for char in ' "<>\\^`{|}'), f"no URI: {location!r}"
            parts = urlsplit(location)
            assert parts.scheme, f"the location {location!r} has no scheme"
            assert parts.username is None, f"the location {location!r} names a user"
            bench.hides_secrets(location, "a location")
        assert len(set(locations)) == len(locations), "two objects have one location"

    @in_loop
    async def test_the_digest_is_of_what_is_stored(self, bench: Bench) -> None:
        """A blob that is not what its digest says gets no receipt with that digest."""
        blob = bench.blob(payload_of(300_000))
        wrong = replace(blob, sha256=bench.blob(b"other").sha256)
        async with bench.opened() as sink:
            try:
                receipt = await sink.put(wrong, "digest", if_present=KEEP)
            except SinkError as error:
                bench.is_fit_to_show(error, "putting a blob with a wrong digest")
                await bench.holds({})
            else:
                assert receipt.sha256 == blob.sha256, "the receipt's sha256 is copied unseen"

    @in_loop
    async def test_a_blob_that_cannot_be_read(self, bench: Bench) -> None:
        """A blob whose file is gone or too short gives a SinkError, and nothing is stored."""
        blob = bench.blob(payload_of(self.part + 1))
        os.truncate(blob.path, blob.offset + self.part // 2)
        async with bench.opened() as sink:
            await bench.failure(
                sink.put(blob, "short", if_present=KEEP), "putting a file that ends too soon"
            )
            blob.path.unlink()
            await bench.failure(
                sink.put(blob, "gone", if_present=KEEP), "putting a file that is not there"
            )
            await bench.holds({})
        blob.path.touch()

    @in_loop
    async def test_the_blob_is_untouched(self, bench: Bench) -> None:
        """The blob's file stays: neither changed nor moved, linked or removed."""
        blob = bench.blob(payload_of(self.part + 1))
        before, content = _state(blob.path), blob.path.read_bytes()
        async with bench.opened() as sink:
            for key, choice in (("a", KEEP), ("a", KEEP), ("a", REPLACE), ("b", REPLACE)):
                await sink.put(blob, key, if_present=choice)
        assert blob.path.exists(), "the blob's file was removed or moved"
        assert _state(blob.path) == before, "the blob's file is not as it was"
        assert blob.path.read_bytes() == content, "the blob's file was changed"

    @in_loop
    async def test_repeating_does_no_harm(self, bench: Bench) -> None:
        """The same blob put again, also from another file, gives an equal receipt."""
        payload = payload_of(self.part + 1)
        for choice in (KEEP, REPLACE):
            async with bench.opened() as sink:
                first = await sink.put(bench.blob(payload), choice.value, if_present=choice)
                again = await sink.put(bench.blob(payload), choice.value, if_present=choice)
            assert again == first, f"with {choice.value} another receipt was given"
        await bench.holds({KEEP.value: payload, REPLACE.value: payload})

    @in_loop
    async def test_stat_agrees(self, bench: Bench) -> None:
        """What stat tells agrees with what is stored: size, digest and media type."""
        async with bench.opened() as sink:
            for size in (0, 1, self.part + 1):
                blob = bench.blob(payload_of(size), media_type="image/png")
                await sink.put(blob, f"stat/{size}", if_present=KEEP)
                found = await sink.stat(f"stat/{size}")
                assert found is not None, "stat does not find what was put"
                assert found.size == size, "stat tells another size"
                assert found.sha256 in {None, blob.sha256}, "stat tells another digest"
                assert found.media_type in {None, blob.media_type}, "stat tells another media type"

    @in_loop
    async def test_stat_of_nothing(self, bench: Bench) -> None:
        """To stat a key that nothing was put under gives None."""
        async with bench.opened() as sink:
            await sink.put(bench.blob(b"x"), "a/b", if_present=KEEP)
            for key in ("missing", "a", "a/missing", "missing/b", "a/bb"):
                assert await sink.stat(key) is None, f"stat finds {key!r}, and only 'a/b' was put"


async def stored(bench: Bench, sink: Sink, key: str, payload: bytes) -> None:
    """Put a payload and see that it is there."""
    blob = bench.blob(payload)
    await sink.put(blob, key, if_present=KEEP)
    found = await bench.look(bench.destination.read, key)
    same(found, payload, key)
    assert key in await bench.keys(), f"{key!r} was put and is not among the keys"
    assert await bench.leftovers() == [], f"something was left over by the put of {key!r}"
    blob.path.unlink()


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_nlink, mode
