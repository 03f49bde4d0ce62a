"""Keys go round: what is put is what is listed, under these names alone, with the same bytes."""

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from local_support import local_sink, stored
from naming_support import SCALES, TEMPLATES, characters, chosen, key_values, run, shows

from sinkwell.contract import Blob, IfPresent, Sink

TELLING = [each for each in TEMPLATES if each.variables & {"id", "token", "file_id"}]


def keys_of(count: int) -> list[str]:
    """Make that many keys of hostile files, those of each template under a prefix of their own.

    Within a template all keys have as many segments, so none is the directory of another.
    """
    found: dict[str, None] = {}

    def keep(drawn: str) -> None:
        template = chosen(TELLING, drawn[0])
        found[f"t{TELLING.index(template)}/{template.key(key_values(drawn[1:]))}"] = None

    run(count * 5 // 4, keep, drawn=characters(24, 48))  # some files have equal ids
    assert len(found) >= count
    return list(found)[:count]


def blobs_of(keys: list[str], path: Path) -> dict[str, Blob]:
    """Lay down a payload of its own for each key, all in one file."""
    blobs = {}
    with path.open("wb") as file:
        for key in keys:
            payload = payload_of(key)
            digest = hashlib.sha256(payload).hexdigest()
            blobs[key] = Blob(path, len(payload), digest, "image/png", offset=file.tell())
            file.write(payload)
    return blobs


def payload_of(key: str) -> bytes:
    return f"the file of {key}".encode()


async def put_all(sink: Sink, blobs: Mapping[str, Blob], at_once: int) -> None:
    waiting = iter(blobs.items())

    async def work() -> None:
        for key, blob in waiting:
            receipt = await sink.put(blob, key, if_present=IfPresent.REFUSE)
            assert (receipt.key, receipt.sha256) == (key, blob.sha256)

    await asyncio.gather(*(work() for _ in range(at_once)))


@shows(16)
@pytest.mark.parametrize("examples", SCALES)
async def test_a_disk_lists_exactly_the_keys_that_were_put(examples: int, tmp_path: Path) -> None:
    keys = keys_of(examples)
    async with local_sink(tmp_path / "root") as sink:
        await put_all(sink, blobs_of(keys, tmp_path / "spool"), 32)

    assert stored(tmp_path / "root") == {key: payload_of(key) for key in keys}
