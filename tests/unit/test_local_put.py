"""What a put to the local sink stores, keeps and refuses."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from local_support import (
    PAYLOAD,
    aside,
    blob_of,
    bytes_of,
    local_sink,
    root_on,
    stored,
)

from sinkwell.contract import (
    Blob,
    IfPresent,
    Receipt,
    RejectedError,
)
from sinkwell_local import staging

KEY = "screenshots/2025/01/a.png"
KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE
EVERY_CHOICE = pytest.mark.parametrize("choice", list(IfPresent))


@pytest.fixture(params=["disk", "tmpfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with root_on(request.param, tmp_path) as path:
        yield path


@pytest.fixture
def blob(tmp_path: Path) -> Blob:
    return blob_of(PAYLOAD, tmp_path / "blob")


@pytest.fixture(params=["link", "renameat2"])
def publishing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without hard links, as on exFAT."""
    if request.param == "renameat2":

        def no_links(*_: object, **__: object) -> None:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", no_links)


@pytest.fixture
def other(tmp_path: Path) -> Blob:
    return blob_of(b"other" * 1000, tmp_path / "other")


@EVERY_CHOICE
@pytest.mark.parametrize("size", [0, 1, staging.PIECE - 1, staging.PIECE, 3 * staging.PIECE + 7])
async def test_the_payload_is_stored_and_nothing_else(
    root: Path, tmp_path: Path, choice: IfPresent, size: int, publishing: None
) -> None:
    payload = os.urandom(size)
    path = tmp_path / "blob"
    blob = replace(blob_of(payload, path), offset=11)
    path.write_bytes(b"what leads " + payload + b"what follows")

    async with local_sink(root) as sink:
        receipt = await sink.put(blob, KEY, if_present=choice)

    assert stored(root) == {KEY: payload}
    assert aside(root) == []
    assert receipt == Receipt(KEY, size, blob.sha256, f"file://{root}/{KEY}")


async def test_the_location_is_a_uri(root: Path, blob: Blob) -> None:
    key = "a b/50%#?é.png"
    async with local_sink(root) as sink:
        receipt = await sink.put(blob, key, if_present=KEEP)
    assert receipt.location.isascii()
    assert Path(unquote(urlsplit(receipt.location).path)).read_bytes() == bytes_of(blob)
    assert not urlsplit(receipt.location).fragment


async def test_files_and_directories_are_private(root: Path, blob: Blob) -> None:
    umask = os.umask(0)
    try:
        async with local_sink(root) as sink:
            await sink.put(blob, KEY, if_present=KEEP)
    finally:
        os.umask(umask)
    assert (root / KEY).stat().st_mode & 0o7777 == 0o600
    for directory in [root, root / ".sinkwell", *list((root / KEY).parents)[:3]]:
        assert directory.stat().st_mode & 0o7777 == 0o700


async def test_modes_are_as_set_whatever_the_umask(root: Path, blob: Blob) -> None:
    umask = os.umask(0o077)
    try:
        async with local_sink(root, file_mode="0664", directory_mode="0775") as sink:
            await sink.put(blob, KEY, if_present=KEEP)
    finally:
        os.umask(umask)
    assert (root / KEY).stat().st_mode & 0o7777 == 0o664
    for directory in [root, *list((root / KEY).parents)[:3]]:
        assert directory.stat().st_mode & 0o7777 == 0o775
    assert (root / ".sinkwell").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("choice", [KEEP, REPLACE])
async def test_the_same_blob_twice_does_no_harm(
    root: Path, blob: Blob, choice: IfPresent, publishing: None
) -> None:
    async with local_sink(root) as sink:
        first = await sink.put(blob, KEY, if_present=choice)
        assert await sink.put(blob, KEY, if_present=choice) == first
    assert stored(root) == {KEY: bytes_of(blob)}


async def test_the_same_bytes_are_kept_without_being_written_again(root: Path, blob: Blob) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob, KEY, if_present=KEEP)
        before = (root / KEY).stat()
        await sink.put(blob, KEY, if_present=KEEP)
    assert (root / KEY).stat() == before


@pytest.mark.parametrize("length", [len(PAYLOAD), len(PAYLOAD) - 1])
async def test_another_file_is_not_overwritten_when_the_same_is_to_be_kept(
    root: Path, blob: Blob, tmp_path: Path, length: int
) -> None:
    other = blob_of(b"o" * length, tmp_path / "other")
    async with local_sink(root) as sink:
        await sink.put(blob, KEY, if_present=KEEP)
        with pytest.raises(RejectedError, match=f"'mirror': putting '{KEY}'.*another file"):
            await sink.put(other, KEY, if_present=KEEP)
    assert stored(root) == {KEY: bytes_of(blob)}
    assert aside(root) == []


async def test_replace_puts_the_new_bytes_in_the_place_of_the_old(
    root: Path, blob: Blob, other: Blob
) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob, KEY, if_present=REPLACE)
        await sink.put(other, KEY, if_present=REPLACE)
    assert stored(root) == {KEY: bytes_of(other)}


async def test_refuse_rejects_even_the_same_bytes(root: Path, blob: Blob) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob, KEY, if_present=REFUSE)
        with pytest.raises(RejectedError, match="something is there already"):
            await sink.put(blob, KEY, if_present=REFUSE)
    assert stored(root) == {KEY: bytes_of(blob)}


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a\0", ".sinkwell/a", "\ud800"]
)
async def test_an_unsafe_key_is_rejected_by_every_call(root: Path, blob: Blob, key: str) -> None:
    async with local_sink(root) as sink:
        for call in (
            sink.put(blob, key, if_present=KEEP),
            sink.stat(key),
            sink.delete(key),  # type: ignore[attr-defined]  # a capability
            anext(sink.read(key)),  # type: ignore[attr-defined]  # a capability
        ):
            with pytest.raises(RejectedError, match=r"'mirror'.*Change the key template"):
                await call
    assert stored(root) == {}
    assert list(root.iterdir()) == [root / ".sinkwell"]


@EVERY_CHOICE
async def test_a_symlinked_parent_is_refused(
    root: Path, blob: Blob, tmp_path: Path, choice: IfPresent, way: None
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    async with local_sink(root) as sink:
        (root / "screenshots").symlink_to(outside)
        with pytest.raises(RejectedError, match="symbolic link stands in the way"):
            await sink.put(blob, KEY, if_present=choice)
    assert list(outside.iterdir()) == []
    assert aside(root) == []


@pytest.fixture(params=["openat2", "walk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "walk":

        def refuse(*_: object, **__: object) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr("sinkwell_local.syscalls.openat2", refuse)


@pytest.mark.parametrize("choice", [KEEP, REFUSE])
async def test_a_link_under_the_key_is_not_followed(
    root: Path, blob: Blob, tmp_path: Path, choice: IfPresent
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(bytes_of(blob))
    async with local_sink(root) as sink:
        (root / "a").symlink_to(outside)
        with pytest.raises(RejectedError):
            await sink.put(blob, "a", if_present=choice)


async def test_replace_replaces_a_link_not_what_it_points_to(
    root: Path, blob: Blob, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    async with local_sink(root) as sink:
        (root / "a").symlink_to(outside)
        await sink.put(blob, "a", if_present=REPLACE)
    assert outside.read_bytes() == b"precious"
    assert not (root / "a").is_symlink()


@EVERY_CHOICE
async def test_a_directory_under_the_key_is_rejected(
    root: Path, blob: Blob, choice: IfPresent
) -> None:
    async with local_sink(root) as sink:
        (root / "a").mkdir()
        with pytest.raises(RejectedError):
            await sink.put(blob, "a", if_present=choice)
    assert aside(root) == []


@EVERY_CHOICE
async def test_a_file_where_a_directory_must_be_is_rejected(
    root: Path, blob: Blob, choice: IfPresent
) -> None:
    async with local_sink(root) as sink:
        await sink.put(blob, "a", if_present=choice)
        with pytest.raises(RejectedError, match="A file stands where a directory has to be"):
            await sink.put(blob, "a/b", if_present=choice)
    assert stored(root) == {"a": bytes_of(blob)}
    assert aside(root) == []
