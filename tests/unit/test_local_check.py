"""What the check of a local sink finds."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_support import (
    aside,
    local_sink,
    root_on,
)

from sinkwell.contract import (
    IfPresent,
)
from sinkwell_local import staging

REPLACE, REFUSE = IfPresent.REPLACE, IfPresent.REFUSE


@pytest.fixture(params=["disk", "tmpfs"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with root_on(request.param, tmp_path) as path:
        yield path


async def test_a_check_tells_what_it_tried_and_leaves_nothing(root: Path) -> None:
    async with local_sink(root) as sink:
        findings = await sink.check()
    assert {finding.level for finding in findings} <= {"ok", "warning"}
    text = "\n".join(finding.what for finding in findings)
    assert f"{root}: a file was written, fsynced, read back and removed" in text
    assert "GB free" in text
    assert "openat2" in text
    assert "never overwrite others: link" in text
    assert [path.name for path in root.iterdir()] == [".sinkwell"]
    assert aside(root) == []


async def test_a_check_tells_of_the_means_it_had_to_do_with(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object, **__: object) -> int:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", lacking)
    monkeypatch.setattr("sinkwell_local.syscalls.openat2", lacking)
    async with local_sink(root) as sink:
        text = "\n".join(finding.what for finding in await sink.check())
    assert "name by name" in text
    assert "renameat2" in text


async def test_a_check_warns_of_a_disk_that_is_nearly_full(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sinkwell_local.check._LITTLE", 1 << 60)
    async with local_sink(root) as sink:
        findings = await sink.check()
    assert [finding.level for finding in findings].count("warning") == 1
    assert findings[0].level == "warning"
    assert "Free some space" in findings[0].advice


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "Free some space"), (errno.EROFS, "Mount it for writing")],
)
async def test_a_check_that_fails_ends_with_what_to_do(
    root: Path, code: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    async with local_sink(root) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(staging, "write", refuse)
            findings = await sink.check()
        assert findings[-1].level == "failed"
        assert "'mirror'" in findings[-1].what
        assert advice in findings[-1].what
    assert [path.name for path in root.iterdir()] == [".sinkwell"]
    assert aside(root) == []


async def test_a_check_notices_a_disk_that_gives_other_bytes_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying = hashlib.sha256(b"something else").hexdigest()
    monkeypatch.setattr("sinkwell_local.store._digest", lambda _: lying)
    async with local_sink(root) as sink:
        findings = await sink.check()
    assert findings[-1].level == "failed"
    assert [path.name for path in root.iterdir()] == [".sinkwell"]
