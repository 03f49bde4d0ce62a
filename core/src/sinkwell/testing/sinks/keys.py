"""Keys: all that Sinkwell can make, and none that is longer than the sink says."""
# ruff: noqa: S101 - a kit is made of assertions

from sinkwell.contract import RejectedError, Sink, SinkError
from sinkwell.testing.kit import in_loop
from sinkwell.testing.sinks.base import SinkKit
from sinkwell.testing.sinks.bench import KEEP, Bench, payload_of

_KEY, _SEGMENT, _SEGMENTS = 900, 120, 32
"""What Sinkwell makes at most, in bytes; see KeyLimits."""

_LEGAL = [
    "0",
    "_",
    "a.png",
    "a.b.c.tar.gz",
    "year=2025/month=01/a=b.png",
    "screenshots/example.com/2025/01/31/AbC-dEf_012.png",
    "xn--bcher-kva.example/a--b",
    "a-/b_/c",
    "con_x/aux-1/nul_",
    "a/b/c/d/e/f/g/h",
]


class SinkKeys(SinkKit):
    """Keys as templates make them of what senders say."""

    @in_loop
    async def test_legal_keys(self, bench: Bench) -> None:
        """Keys of all the characters that Sinkwell uses arrive as they are."""
        expected = {key: key.encode() for key in _LEGAL}
        async with bench.opened() as sink:
            for key, payload in expected.items():
                await sink.put(bench.blob(payload), key, if_present=KEEP)
            await bench.holds(expected)

    @in_loop
    async def test_longest_keys(self, bench: Bench) -> None:
        """Keys of 900 bytes, in segments of 120 bytes or in 32 of them, arrive as they are."""
        expected = {}
        for segments in (-(-_KEY // (_SEGMENT + 1)), _SEGMENTS):
            key = _key(_KEY, segments)
            expected[key[:-1] + "1"] = b"one"
            expected[key[:-1] + "2"] = b"two"
        async with bench.opened() as sink:
            for key, payload in expected.items():
                receipt = await sink.put(bench.blob(payload), key, if_present=KEEP)
                assert receipt.key == key, "a long key was changed"
            await bench.holds(expected)

    @in_loop
    async def test_case_and_likeness(self, bench: Bench) -> None:
        """Keys that are nearly the same are kept apart, or the second is a RejectedError."""
        pairs = [("a/name.png", "a/NAME.png"), ("b/x", "B/x"), ("c/a-b", "c/a_b"), ("d/a", "d/a.b")]
        await self._kept_apart(bench, pairs)

    @in_loop
    async def test_prefixes(self, bench: Bench) -> None:
        """An object and one below its key are both kept, or the second is a RejectedError."""
        pairs = [("a", "a/b"), ("c/d/e", "c/d"), ("f/g", "f/g/h/i")]
        await self._kept_apart(bench, pairs)

    @in_loop
    async def test_too_long_keys(self, bench: Bench) -> None:
        """Keys beyond the type's key_limits are a RejectedError, and nothing is written."""
        limits = bench.sink_type.key_limits
        most = limits.segment or _SEGMENT
        beyond = [_key(limits.key + 1, _segments(limits.key + 1, most))]
        if limits.segment is not None:
            beyond += ["s" * (limits.segment + 1), "a/" + "s" * (limits.segment + 1) + "/b"]
        beyond.append(_key(limits.key + 2000, _segments(limits.key + 2000, most)))
        async with bench.opened() as sink:
            for key in beyond:
                what = f"putting a key of {len(key)} bytes"
                error = await bench.failure(sink.put(bench.blob(b"x"), key, if_present=KEEP), what)
                assert isinstance(error, RejectedError), f"{what} gave {error!r}"
            await bench.holds({})

    @in_loop
    async def test_key_limits_are_true(self, bench: Bench) -> None:
        """The limits leave room for all keys that Sinkwell makes, and keys at them are taken."""
        limits = bench.sink_type.key_limits
        assert limits.key >= _KEY, f"key_limits.key is {limits.key}, Sinkwell makes keys of {_KEY}"
        assert limits.segment is None or limits.segment >= _SEGMENT, (
            f"key_limits.segment is {limits.segment}, Sinkwell makes segments of {_SEGMENT}"
        )
        most = limits.segment or _SEGMENT
        async with bench.opened() as sink:
            at_most = [_key(limits.key, _segments(limits.key, most))]
            if limits.segment is not None:
                at_most.append("s" * limits.segment)
            for key in at_most:
                receipt = await sink.put(bench.blob(b"at the limit"), key, if_present=KEEP)
                assert receipt.key == key, "a long key was changed"
                found = await sink.stat(key)
                assert found is not None, f"a key of {len(key)} bytes was put and is not there"

    @in_loop
    async def test_hostile_metadata(self, bench: Bench) -> None:
        """Names, media types and labels that senders made up change neither key nor bytes."""
        names = [
            None,
            "",
            "..",
            "/etc/passwd",
            "a\r\nb: c",
            'x"; y=z',
            "名前.png",
            "n" * 5000,
            "\0",
        ]
        async with bench.opened() as sink:
            for number, name in enumerate(names):
                blob = bench.blob(
                    payload_of(100, number),
                    name=name,
                    media_type=("image/png", "text/plain; charset=x", "")[number % 3],
                    labels={
                        f"key {number}": name or "",
                        "Größe\r\n": "\x7f",
                        "l" * 300: "v" * 3000,
                    },
                )
                await sink.put(blob, f"metadata/{number}", if_present=KEEP)
            expected = {f"metadata/{n}": payload_of(100, n) for n in range(len(names))}
            await bench.holds(expected)

    async def _kept_apart(self, bench: Bench, pairs: list[tuple[str, str]]) -> None:
        expected: dict[str, bytes] = {}
        async with bench.opened() as sink:
            for pair in pairs:
                for key in pair:
                    payload = f"the bytes of {key}".encode()
                    error = await _refusal(sink, bench, key, payload)
                    if error is None:
                        expected[key] = payload
                        continue
                    assert key == pair[1], f"{key!r} was refused, and nothing like it is there"
                    assert isinstance(error, RejectedError), f"{key!r} gave {error!r}"
            await bench.holds(expected)


async def _refusal(sink: Sink, bench: Bench, key: str, payload: bytes) -> SinkError | None:
    try:
        await sink.put(bench.blob(payload), key, if_present=KEEP)
    except SinkError as error:
        bench.is_fit_to_show(error, f"putting {key!r}")
        return error
    return None


def _segments(length: int, most: int) -> int:
    """Return how many segments of ``most`` bytes a key of ``length`` bytes needs."""
    return -(-(length + 1) // (most + 1))


def _key(length: int, segments: int) -> str:
    """Return a key of ``length`` bytes in so many segments of about the same size."""
    size, longer = divmod(length - (segments - 1), segments)
    return "/".join([f"{n:02}".ljust(size + (n < longer), "k") for n in range(segments)])
