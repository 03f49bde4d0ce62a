import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_support import descriptors, path_of

from sinkwell_local import syscalls
from sinkwell_local.containment import (
    Directories,
    Opener,
    best_opener,
    by_openat2,
    by_walk,
    flaw,
    held,
)

OPENERS = pytest.mark.parametrize("opener", [by_openat2, by_walk])


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "outside" / "b").mkdir(parents=True)
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "root" / "file").touch()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "a" / "inner").symlink_to("b")
    (tmp_path / "root" / "a" / "up").symlink_to("../../outside")
    (tmp_path / "root" / "proc").symlink_to("/proc/self/cwd")
    with held(os.open(tmp_path / "root", os.O_RDONLY)) as fd:
        yield fd


@OPENERS
@pytest.mark.parametrize("path", [b".", b"a", b"a/b"])
def test_a_directory_beneath_the_root_is_opened(
    opener: Opener, root: int, path: bytes, tmp_path: Path
) -> None:
    with held(opener(root, path)) as fd:
        assert os.path.samestat(os.fstat(fd), (tmp_path / "root" / path.decode()).stat())
        os.fsync(fd)
        assert not os.get_inheritable(fd)


@OPENERS
@pytest.mark.parametrize(
    ("path", "code"),
    [
        (b"link", errno.ELOOP),
        (b"link/b", errno.ELOOP),
        (b"a/inner", errno.ELOOP),
        (b"a/up/b", errno.ELOOP),
        (b"proc", errno.ELOOP),
        (b"file", errno.ENOTDIR),
        (b"file/b", errno.ENOTDIR),
        (b"a/missing", errno.ENOENT),
        (b"missing/b", errno.ENOENT),
        (b"a/" + b"x" * 256, errno.ENAMETOOLONG),
    ],
)
def test_both_ways_of_opening_refuse_the_same_with_the_same_answer(
    opener: Opener, root: int, path: bytes, code: int
) -> None:
    before = descriptors()
    with pytest.raises(OSError) as refused:
        opener(root, path)
    assert refused.value.errno == code
    assert descriptors() == before


@OPENERS
@pytest.mark.parametrize("path", [b"link/b/new", b"a/up/new", b"a/inner/new", b"file/new"])
def test_nothing_is_made_behind_a_link(
    opener: Opener, root: int, path: bytes, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OSError) as refused:
        Directories(opener, 0o700).open_or_make(root, path)
    assert refused.value.errno in {errno.ELOOP, errno.ENOTDIR}
    assert sorted(tmp_path.rglob("*")) == before


def test_this_kernel_is_asked_to_confine_the_paths(root: int) -> None:
    assert best_opener(root) is by_openat2


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM])
def test_without_openat2_the_path_is_walked(
    root: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(syscalls, "openat2", refuse)
    assert best_opener(root) is by_walk


def test_any_other_trouble_does_not_choose_the_walk(
    root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(syscalls, "openat2", refuse)
    with pytest.raises(OSError, match="open files"):
        best_opener(root)


def test_a_system_call_that_is_not_there_says_so(
    root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscalls, "_syscall", None)
    monkeypatch.setattr(syscalls, "_renameat2", None)
    with pytest.raises(OSError, match="not implemented"):
        syscalls.openat2(root, b".", flags=os.O_RDONLY, resolve=0)
    with pytest.raises(OSError, match="not implemented"):
        syscalls.rename_new(root, b"file", root, b"other")


def test_directories_are_made_with_their_mode_whatever_the_umask(root: int, tmp_path: Path) -> None:
    umask = os.umask(0o077)
    try:
        os.close(Directories(by_openat2, 0o775).open_or_make(root, b"a/new/deep"))
    finally:
        os.umask(umask)
    for made in ("a/new", "a/new/deep"):
        assert (tmp_path / "root" / made).stat().st_mode & 0o7777 == 0o775


def test_an_inherited_group_stays(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "a").chmod(0o2770)
    os.close(Directories(by_openat2, 0o750).open_or_make(root, b"a/new"))
    assert (tmp_path / "root" / "a" / "new").stat().st_mode & 0o7777 == 0o2750


def test_the_way_to_a_directory_is_fsynced_once(root: int, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path_of(fd)))
    directories = Directories(by_openat2, 0o700)

    os.close(directories.open_or_make(root, b"a/new/deep"))
    assert [Path(path).name for path in synced] == ["root", "a", "new"]

    synced.clear()
    os.close(directories.open_or_make(root, b"a/new/deep"))
    os.close(directories.open_or_make(root, b"a/new"))
    assert synced == []

    os.close(directories.open_or_make(root, b"a/new/other"))
    assert [Path(path).name for path in synced] == ["new"]


def test_a_directory_that_was_removed_is_made_and_fsynced_again(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = Directories(by_openat2, 0o700)
    os.close(directories.open_or_make(root, b"a/new"))
    (tmp_path / "root" / "a" / "new").rmdir()
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path_of(fd)))

    os.close(directories.open_or_make(root, b"a/new"))
    assert [Path(path).name for path in synced] == ["root", "a"]


def test_a_directory_that_is_made_again_on_the_way_is_fsynced_again(
    root: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = Directories(by_openat2, 0o700)
    os.close(directories.open_or_make(root, b"a/new"))
    (tmp_path / "root" / "a" / "new").rmdir()
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(path_of(fd)))

    os.close(directories.open_or_make(root, b"a/new/deep"))
    assert [Path(path).name for path in synced] == ["a", "new"]


def test_what_failed_to_become_durable_is_fsynced_by_the_next_one(
    root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []

    def sick(_: int) -> None:
        raise OSError(errno.EIO, "sick")

    directories = Directories(by_openat2, 0o700)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sick)
        with pytest.raises(OSError, match="sick"):
            directories.open_or_make(root, b"new")
    monkeypatch.setattr(os, "fsync", synced.append)
    os.close(directories.open_or_make(root, b"new"))
    assert len(synced) == 1


def test_what_is_remembered_of_directories_has_an_end(
    root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Directories, "REMEMBERED", 3)
    directories = Directories(by_openat2, 0o700)
    for number in range(10):
        os.close(directories.open_or_make(root, b"new%d" % number))
        assert len(directories._durable) <= 3


@pytest.mark.parametrize(
    "key", ["a", "a/b.png", "…/é", "a b", "-", "...", "..a/b.", "a/.sinkwell", "\\", "x" * 255]
)
def test_a_plain_relative_key_is_allowed(key: str) -> None:
    assert flaw(key) is None


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "empty"),
        ("/etc/passwd", "begins or ends with '/'"),
        ("a/", "begins or ends with '/'"),
        ("a//b", "holds '//'"),
        (".", "'.' or '..'"),
        ("a/./b", "'.' or '..'"),
        ("../a", "'.' or '..'"),
        ("a/../../b", "'.' or '..'"),
        ("a\0b", "NUL"),
        ("a/" + "é" * 128, "255"),
        ("/".join("a" * 200 for _ in range(30)), "4095"),
        ("\ud800", "UTF-8"),
        (".sinkwell", "the sink's own"),
        (".sinkwell/a", "the sink's own"),
        (".SinkWell/a", "the sink's own"),
    ],
)
def test_a_key_that_is_no_plain_relative_path_has_a_flaw(key: str, why: str) -> None:
    assert why in (flaw(key) or "")
