"""The spool: what lies under ``files/`` is whole and durable, at every moment."""

import errno
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from intake_support import descriptors, names

from sinkwell.intake.manifest import Manifest, read_manifest
from sinkwell.intake.spool import Spool, SpoolWriter

ID = "f018c0000000000000000000000001"
PAYLOAD = b"first second third"
WRITING = {"write", "writev"}
WORKING = WRITING | {"open", "mkdir", "fsync", "rename", "unlink"}
"""The calls by which a spool changes the disk."""

real_write = os.write

DRAFT = Manifest(
    file_id=ID,
    callback_id="c018c0000000000000000000000001",
    source="shotbot",
    provider_id="token1",
    deduplication_key="token1",
    provider_status="OK",
    received_at=1764000000.0,
    size=0,
    sha256="",
    media_type="image/png",
    extension="png",
    name=None,
    labels={},
)


class Crash(BaseException):
    """The process ends here."""


class Disk:
    """The calls that change the disk, with a say in each of them."""

    def __init__(
        self, before: Callable[[int, str], None] = lambda _, __: None, shortest: int | None = None
    ) -> None:
        self.calls: list[str] = []
        self._before = before
        self._shortest = shortest

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Be what ``os`` is, for everyone."""
        with pytest.MonkeyPatch.context() as patch:
            for name in WORKING:
                patch.setattr(os, name, partial(self._call, name, getattr(os, name)))
            yield

    def _call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls.append(name)
        try:
            self._before(len(self.calls), name)
        except Crash:
            if name in WRITING:
                _write_some(args[0], args[1], 5)
            raise
        if self._shortest is not None and name in WRITING:
            return _write_some(args[0], args[1], self._shortest)
        return real(*args, **kwargs)


def _write_some(fd: int, data: Any, most: int) -> int:
    joined = b"".join(data) if isinstance(data, list) else bytes(data)
    return real_write(fd, joined[:most])


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool")
    yield opened
    opened.close()


def put(spool: Spool, file_id: str = ID) -> Manifest:
    """Bring ``PAYLOAD`` into the spool as intake does, in three pieces."""
    writer = SpoolWriter(spool, file_id)
    writer.write([b"first ", b"sec"])
    writer.write([b"ond "])
    return writer.finish([b"third"], DRAFT)


def failing(error: int, call: str, nth: int = 1) -> Disk:
    """Return a disk on which the ``nth`` call of one name fails."""
    left = nth

    def before(_: int, name: str) -> None:
        nonlocal left
        left -= name == call
        if name == call and left == 0:
            raise OSError(error, os.strerror(error))

    return Disk(before)


# --- what is written --------------------------------------------------------------------------


def test_a_finished_file_is_the_payload_and_all_that_is_known_of_it(spool: Spool) -> None:
    manifest = put(spool)
    assert manifest.size == len(PAYLOAD)
    assert manifest.sha256 == hashlib.sha256(PAYLOAD).hexdigest()
    assert read_manifest(spool.path(ID)) == manifest
    assert spool.path(ID).read_bytes().startswith(PAYLOAD)
    assert (names(spool.tmp), names(spool.files)) == ([], [ID])


@pytest.mark.parametrize("pieces", [[], [b""], [bytes([n % 256]) for n in range(3000)]])
def test_any_number_of_pieces_makes_one_file(spool: Spool, pieces: list[bytes]) -> None:
    manifest = SpoolWriter(spool, ID).finish(pieces, DRAFT)
    assert manifest.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert read_manifest(spool.path(ID)) == manifest


@pytest.mark.parametrize("most", [1, 7, 100])
def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(spool: Spool, most: int) -> None:
    with Disk(shortest=most).in_place():
        manifest = put(spool)
    assert read_manifest(spool.path(ID)) == manifest
    assert spool.path(ID).read_bytes().startswith(PAYLOAD)


def test_only_its_owner_may_look_into_the_spool(spool: Spool) -> None:
    put(spool)
    assert stat.S_IMODE(spool.path(ID).stat().st_mode) == 0o600
    for directory in (spool.directory, spool.tmp, spool.files, spool.quarantined):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_files_that_are_finished_together_are_all_whole(spool: Spool) -> None:
    file_ids = [f"{ID[:-3]}{n:03}" for n in range(100)]
    with ThreadPoolExecutor(16) as threads:
        manifests = list(threads.map(lambda file_id: put(spool, file_id), file_ids))
    assert names(spool.files) == file_ids
    assert [read_manifest(spool.path(file_id)) for file_id in file_ids] == manifests


def test_a_name_that_is_taken_in_tmp_is_not_written_over(spool: Spool) -> None:
    (spool.tmp / ID).write_bytes(b"another's")
    with pytest.raises(FileExistsError):
        put(spool)
    assert (spool.tmp / ID).read_bytes() == b"another's"


# --- crashes ----------------------------------------------------------------------------------


def test_the_file_is_synced_before_it_is_renamed_and_its_directory_after(spool: Spool) -> None:
    disk = Disk()
    with disk.in_place():
        put(spool)
    assert [call for call in disk.calls if "write" not in call] == [
        "open",
        "fsync",
        "rename",
        "fsync",
    ]
    assert "write" not in "".join(disk.calls[disk.calls.index("fsync") :])


def crash_at(moment: int) -> Disk:
    def before(call: int, _: str) -> None:
        if call == moment:
            raise Crash

    return Disk(before)


def test_a_crash_at_no_moment_leaves_a_readable_but_incomplete_file(tmp_path: Path) -> None:
    for moment in count(1):
        spool = Spool(tmp_path / f"{moment}")
        crashed = False
        with crash_at(moment).in_place():
            try:
                put(spool)
            except Crash:
                crashed = True
        spool.close()

        again = Spool(spool.directory)
        again.sweep()
        assert names(again.tmp) == []
        for name in names(again.files):
            manifest = read_manifest(again.path(name))
            assert again.path(name).read_bytes()[: manifest.size] == PAYLOAD
        again.close()
        if not crashed:
            assert names(again.files) == [ID]
            break
    assert moment > 6


def test_the_id_stays(spool: Spool) -> None:
    again = Spool(spool.directory)
    again.close()
    assert again.id == spool.id
    assert re.fullmatch("[0-9a-f]{16}", again.id)


def test_two_spools_have_two_ids(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "other")
    other.close()
    assert other.id != spool.id


def test_a_crash_at_no_moment_leaves_a_spool_without_its_id(tmp_path: Path) -> None:
    for moment in count(1):
        crashed = False
        with crash_at(moment).in_place():
            try:
                Spool(tmp_path / f"{moment}").close()
            except Crash:
                crashed = True
        opened = Spool(tmp_path / f"{moment}")
        opened.close()
        assert re.fullmatch("[0-9a-f]{16}", opened.id)
        if not crashed:
            break
    assert moment > 6


# --- disks that fail --------------------------------------------------------------------------


def test_a_file_that_could_not_be_synced_is_set_aside_and_not_synced_again(spool: Spool) -> None:
    disk = failing(errno.EIO, "fsync")
    with disk.in_place(), pytest.raises(OSError, match="Input/output"):
        put(spool)
    assert (names(spool.tmp), names(spool.files)) == ([], [])
    assert names(spool.quarantined) == [ID]
    assert disk.calls.count("fsync") == 1


def test_a_file_whose_name_could_not_be_synced_is_set_aside(spool: Spool) -> None:
    disk = failing(errno.EIO, "fsync", nth=2)
    with disk.in_place(), pytest.raises(OSError, match="Input/output"):
        put(spool)
    assert (names(spool.tmp), names(spool.files)) == ([], [])
    assert names(spool.quarantined) == [ID]


@pytest.mark.parametrize("call", ["open", "writev", "rename"])
def test_a_full_disk_leaves_nothing_once_the_file_is_discarded(spool: Spool, call: str) -> None:
    before = descriptors()
    writer = SpoolWriter(spool, ID)
    with failing(errno.ENOSPC, call).in_place(), pytest.raises(OSError, match="No space"):
        writer.finish([PAYLOAD], DRAFT)
    writer.discard()
    assert (names(spool.tmp), names(spool.files), names(spool.quarantined)) == ([], [], [])
    assert descriptors() == before


def test_a_file_may_be_discarded_at_any_time_and_more_than_once(spool: Spool) -> None:
    writer = SpoolWriter(spool, ID)
    writer.discard()
    writer.write([PAYLOAD])
    assert writer.begun
    assert names(spool.tmp) == [ID]
    writer.discard()
    writer.discard()
    assert not writer.begun
    assert names(spool.tmp) == []


def test_discarding_a_finished_file_does_not_remove_it(spool: Spool) -> None:
    writer = SpoolWriter(spool, ID)
    writer.finish([PAYLOAD], DRAFT)
    writer.discard()
    assert names(spool.files) == [ID]


def test_the_probe_writes_and_syncs_and_leaves_nothing(spool: Spool) -> None:
    disk = Disk()
    with disk.in_place():
        spool.probe()
    assert disk.calls.index("write") < disk.calls.index("fsync")
    assert names(spool.tmp) == []


@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_the_probe_tells_of_a_sick_disk_and_leaves_nothing(spool: Spool, call: str) -> None:
    with failing(errno.EIO, call).in_place(), pytest.raises(OSError, match="Input/output"):
        spool.probe()
    assert names(spool.tmp) == []


# --- tidying ----------------------------------------------------------------------------------


def test_the_quarantine_never_overwrites(spool: Spool, tmp_path: Path) -> None:
    (spool.quarantined / ID).symlink_to(tmp_path / "nowhere")
    places = [spool.quarantined / ID]
    for n in range(5):
        spool.path(ID).write_bytes(b"%d" % n)
        places.append(spool.quarantine(spool.path(ID)))
    spool.path(ID).mkdir()
    places.append(spool.quarantine(spool.path(ID)))

    assert len(set(places)) == 7
    assert places[0].is_symlink()
    assert [place.read_bytes() for place in places[1:6]] == [b"0", b"1", b"2", b"3", b"4"]
    assert places[6].is_dir()
    assert names(spool.files) == []


def test_what_was_half_written_is_swept(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"not the spool's")
    (spool.tmp / "half").write_bytes(PAYLOAD)
    (spool.tmp / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(spool.tmp / "fifo")
    put(spool)

    assert spool.sweep() == 3

    assert (names(spool.tmp), names(spool.files)) == ([], [ID])
    assert (tmp_path / "elsewhere").exists()


def test_a_directory_in_the_way_of_the_sweep_is_set_aside(spool: Spool) -> None:
    (spool.tmp / "somebody's").mkdir()
    (spool.tmp / "somebody's" / "file").write_bytes(PAYLOAD)
    spool.sweep()
    assert names(spool.tmp) == []
    assert (spool.quarantined / "somebody's" / "file").read_bytes() == PAYLOAD


def test_a_file_that_is_gone_may_be_released(spool: Spool) -> None:
    put(spool)
    spool.release(ID)
    spool.release(ID)
    assert names(spool.files) == []
