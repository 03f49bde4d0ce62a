"""Keys go round: what is put is what is listed, under these names alone, with the same bytes."""

import asyncio
import base64
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage.client import Client
from local_support import local_sink, stored
from naming_support import SCALES, TEMPLATES, Drawn, chosen, key_values, run, shows
from object_servers import Authority, GcsServer, S3Server, run_rclone

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

    run(count * 5 // 4, keep, Drawn(24, 48, str))  # some files have equal ids
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


class Store(ABC):
    """A bucket of a real store, through the client that its users have."""

    @abstractmethod
    def put(self, key: str) -> None: ...

    @abstractmethod
    def get(self, key: str) -> bytes: ...

    @abstractmethod
    def listed(self) -> dict[str, str]:
        """Return the MD5 digest that the store made of each object, by key."""


class S3Store(Store):
    def __init__(self, server: S3Server) -> None:
        self._client = server.client()
        self._bucket = server.make_bucket()

    def put(self, key: str) -> None:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=payload_of(key))

    def get(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()

    def listed(self) -> dict[str, str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket)
        return {
            found["Key"]: found["ETag"].strip('"')
            for page in pages
            for found in page.get("Contents", [])
        }


class GcsStore(Store):
    def __init__(self, server: GcsServer) -> None:
        options = {"api_endpoint": server.url}
        client = Client("test", AnonymousCredentials(), client_options=options)
        self._bucket = client.bucket(server.make_bucket())

    def put(self, key: str) -> None:
        self._bucket.blob(key).upload_from_string(payload_of(key), if_generation_match=0)

    def get(self, key: str) -> bytes:
        content: bytes = self._bucket.blob(key).download_as_bytes()
        return content

    def listed(self) -> dict[str, str]:
        found = self._bucket.list_blobs()
        return {blob.name: base64.b64decode(blob.md5_hash).hex() for blob in found}


@shows(15)
@pytest.mark.parametrize("examples", SCALES)
def test_object_stores_list_and_return_exactly_what_was_put(
    examples: int, seaweedfs: S3Server, fake_gcs: GcsServer, authority: Authority
) -> None:
    """Each key goes to one of three stores; the digests are theirs, of the bytes that they hold."""
    keys = keys_of(examples)
    with run_rclone(authority, remembers=True) as rclone, ThreadPoolExecutor(8) as executor:
        stores = [S3Store(seaweedfs), GcsStore(fake_gcs), S3Store(rclone)]
        shares = [keys[number :: len(stores)] for number in range(len(stores))]
        turns = [(store, key) for store, share in zip(stores, shares, strict=True) for key in share]
        turns.sort(key=lambda turn: hashlib.md5(turn[1].encode()).digest())  # all stores at once
        list(executor.map(lambda turn: turn[0].put(turn[1]), turns))

        for store, share in zip(stores, shares, strict=True):
            digests = {key: hashlib.md5(payload_of(key)).hexdigest() for key in share}
            assert store.listed() == digests
            some = share[:: len(share) // 100]
            assert list(executor.map(store.get, some)) == [payload_of(key) for key in some]
