"""The model of a disk that loses its power, by traces written by hand."""

from pathlib import Path

from fault.powercut import Disk
from fault.strace import calls

CREATE = '7 openat(AT_FDCWD</>, "/r/d/a", O_WRONLY|O_CREAT|O_CLOEXEC, 0600) = 3</r/d/a>'
WRITE = '7 write(3</r/d/a>, "b\\0c", 3) = 3'
SYNC = "7 fsync(3</r/d/a>) = 0"
SYNC_NAME = "7 fsync(4</r/d>) = 0"
BASE = ['7 mkdir("/r/d", 0700) = 0', "7 fsync(5</r>) = 0"]


def left(tmp_path: Path, *lines: str) -> dict[str, bytes]:
    """Return the files that a power cut leaves after these lines of a trace."""
    log = tmp_path / "trace.txt"
    log.write_text("\n".join([*BASE, *lines, ""]))
    disk = Disk(Path("/r"))
    for _ in disk.play(calls(log)):
        continue
    disk.cut(tmp_path / "left")
    found = (tmp_path / "left").rglob("*")
    return {str(p.relative_to(tmp_path / "left")): p.read_bytes() for p in found if p.is_file()}


def test_what_is_synced_stays(tmp_path: Path) -> None:
    assert left(tmp_path, CREATE, WRITE, SYNC, SYNC_NAME) == {"d/a": b"b\0c"}


def test_bytes_that_are_not_synced_are_lost(tmp_path: Path) -> None:
    assert left(tmp_path, CREATE, WRITE, SYNC_NAME) == {"d/a": b""}
    assert left(tmp_path, CREATE, SYNC, WRITE, SYNC_NAME) == {"d/a": b""}


def test_a_name_that_is_not_synced_is_lost(tmp_path: Path) -> None:
    assert left(tmp_path, CREATE, WRITE, SYNC) == {}


def test_a_rename_counts_from_the_sync_of_its_directory_on(tmp_path: Path) -> None:
    durable = (CREATE, WRITE, SYNC, SYNC_NAME)
    rename = '7 renameat(4</r/d>, "a", 4</r/d>, "z") = 0'
    assert left(tmp_path, *durable, rename) == {"d/a": b"b\0c"}
    (tmp_path / "left/d/a").unlink()
    assert left(tmp_path, *durable, rename, SYNC_NAME) == {"d/z": b"b\0c"}


def test_a_removed_name_is_back_until_its_directory_is_synced(tmp_path: Path) -> None:
    durable = (CREATE, SYNC_NAME, '7 unlinkat(4</r/d>, "a", 0) = 0')
    assert left(tmp_path, *durable) == {"d/a": b""}
    (tmp_path / "left/d/a").unlink()
    assert left(tmp_path, *durable, SYNC_NAME) == {}


def test_a_sync_covers_only_what_was_over_when_it_began(tmp_path: Path) -> None:
    begin, end = "8 fsync(3</r/d/a> <unfinished ...>", "8 <... fsync resumed>) = 0"
    assert left(tmp_path, CREATE, begin, WRITE, end, SYNC_NAME) == {"d/a": b""}
    assert left(tmp_path, CREATE, WRITE, begin, SYNC_NAME) == {"d/a": b""}
    assert left(tmp_path, CREATE, WRITE, begin, end, SYNC_NAME) == {"d/a": b"b\0c"}


def test_a_sync_that_fails_makes_nothing_durable(tmp_path: Path) -> None:
    failed = "7 fsync(3</r/d/a>) = -1 EIO (Input/output error) (INJECTED)"
    assert left(tmp_path, CREATE, WRITE, failed, SYNC_NAME) == {"d/a": b""}


def test_a_write_in_the_middle_of_a_file_is_synced_like_any_other(tmp_path: Path) -> None:
    patch = '7 pwrite64(3</r/d/a>, "X", 1, 1) = 1'
    assert left(tmp_path, CREATE, WRITE, SYNC, patch, SYNC_NAME) == {"d/a": b"b\0c"}
    assert left(tmp_path, CREATE, WRITE, patch, SYNC, SYNC_NAME) == {"d/a": b"bXc"}
