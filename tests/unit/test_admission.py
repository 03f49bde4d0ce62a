"""Whether another callback fits: its size, the spool's, the disk's, and the disk's health."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from sinkwell.intake import admission as admissions
from sinkwell.intake.admission import Admission
from sinkwell.intake.refusals import Refusal
from sinkwell.intake.spool import Spool
from sinkwell.threads import Threads


class Disk:
    """A disk with so many bytes free, that may be sick."""

    def __init__(self) -> None:
        self.free = 10_000
        self.sick = False
        self.probes = 0
        self.asked = 0

    def statvfs(self, _: Path) -> Any:
        self.asked += 1
        if self.sick:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return SimpleNamespace(f_bavail=self.free, f_frsize=1)

    def probe(self) -> None:
        self.probes += 1
        if self.sick:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(os, "statvfs", disk.statvfs)
    monkeypatch.setattr(Spool, "probe", lambda _: disk.probe())
    monkeypatch.setattr(admissions, "_PROBE_EVERY", 0.05)
    monkeypatch.setattr(admissions, "_FREE_FOR", 0.0)
    return disk


@pytest.fixture
async def admission(tmp_path: Path, disk: Disk) -> AsyncIterator[Admission]:
    """Return one of a spool of 1,000 bytes, on a disk that keeps 2,000 free."""
    spool = Spool(tmp_path / "spool")
    threads = Threads("spool", 1)
    yield Admission(spool, max_size=1000, reserve=2000, threads=threads)
    threads.close()
    spool.close()


async def let_in(admission: Admission, size: int) -> None:
    async with admission.admit(size) as room:
        assert room.coming == size


async def break_off(admission: Admission, size: int) -> None:
    async with admission.admit(size) as room:
        admission.write(room, size // 2)
        raise ZeroDivisionError


async def refusal_of(admission: Admission, size: int) -> Refusal:
    with pytest.raises(Refusal) as raised:
        async with admission.admit(size):
            raise AssertionError("it was let in")
    return raised.value


async def test_what_never_fits_is_told_so(admission: Admission) -> None:
    assert (await refusal_of(admission, 1001)).status == 413
    async with admission.admit(1000):
        assert (await refusal_of(admission, 1001)).status == 413


async def test_a_full_spool_asks_to_come_again(admission: Admission) -> None:
    admission.used = 900
    async with admission.admit(100):
        refusal = await refusal_of(admission, 1)
    assert (refusal.status, refusal.slug, refusal.retry_after) == (503, "spool-unavailable", 60)
    assert "full" in refusal.detail
    admission.used = 0
    async with admission.admit(1000):
        assert admission.trouble() is None


async def test_what_is_on_its_way_takes_room_until_it_ends(admission: Admission) -> None:
    async with admission.admit(600):
        assert (await refusal_of(admission, 600)).status == 503
        await let_in(admission, 400)
    await let_in(admission, 600)


async def test_a_callback_that_breaks_gives_its_room_back(admission: Admission) -> None:
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            await break_off(admission, 1000)
    await let_in(admission, 1000)


async def test_what_announces_no_size_is_refused_when_it_outgrows_the_spool(
    admission: Admission,
) -> None:
    async with admission.admit(0) as room:
        for _ in range(10):
            admission.write(room, 100)
        with pytest.raises(Refusal, match="whole spool") as raised:
            admission.write(room, 1)
        assert raised.value.status == 413


async def test_what_announces_no_size_takes_room_from_others(admission: Admission) -> None:
    async with admission.admit(0) as first, admission.admit(0) as second:
        admission.write(first, 700)
        admission.write(second, 300)
        with pytest.raises(Refusal, match="full") as raised:
            admission.write(second, 1)
        assert raised.value.status == 503
    await let_in(admission, 1000)


async def test_what_stays_is_counted_once(admission: Admission) -> None:
    async with admission.admit(620) as room:
        admission.write(room, 600)
        admission.keep(room, 600)
        assert admission.used == 600
        await let_in(admission, 380)
    async with admission.admit(400):
        assert (await refusal_of(admission, 1)).status == 503


async def test_the_reserve_of_the_disk_is_left_alone(admission: Admission, disk: Disk) -> None:
    disk.free = 2100
    refusal = await refusal_of(admission, 101)
    assert (refusal.status, refusal.retry_after) == (503, 60)
    assert "reserve" in refusal.detail
    async with admission.admit(60):
        assert (await refusal_of(admission, 60)).status == 503
        await let_in(admission, 40)
    disk.free = 1999
    assert "reserve" in (admission.trouble() or "")
    disk.free = 2000
    assert admission.trouble() is None


async def test_what_is_written_already_is_not_counted_against_the_disk_again(
    admission: Admission, disk: Disk
) -> None:
    disk.free = 3000
    async with admission.admit(900) as room:
        for _ in range(9):
            admission.write(room, 100)
            disk.free -= 100
        await let_in(admission, 100)


async def test_a_disk_that_others_fill_ends_what_is_on_its_way(
    admission: Admission, disk: Disk
) -> None:
    async with admission.admit(900) as room:
        admission.write(room, 100)
        disk.free = 2500
        with pytest.raises(Refusal, match="reserve"):
            admission.write(room, 100)


async def test_the_disk_is_asked_but_now_and_then(
    admission: Admission, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admissions, "_FREE_FOR", 0.05)
    for _ in range(100):
        await let_in(admission, 10)
    assert disk.asked <= 2
    disk.free = 0
    await asyncio.sleep(0.06)
    assert (await refusal_of(admission, 10)).status == 503


async def test_a_spool_without_a_size_takes_what_the_disk_has(
    tmp_path: Path, disk: Disk, admission: Admission
) -> None:
    boundless = Admission(admission._spool, max_size=None, reserve=2000, threads=admission._threads)
    async with boundless.admit(8000):
        assert (await refusal_of(boundless, 1)).status == 503


async def test_a_sick_disk_refuses_until_it_works_again(admission: Admission, disk: Disk) -> None:
    disk.sick = True
    with capture_logs() as logs:
        refusal = await refusal_of(admission, 1)
        assert (refusal.status, refusal.retry_after) == (503, 5)
        assert "does not work" in refusal.detail
        for _ in range(20):
            assert (await refusal_of(admission, 1)).status == 503
        assert disk.probes == 0, "a sick disk was not left at rest"
        assert admission.trouble() == "the disk of the spool does not work"
        await asyncio.sleep(0.06)
        await refusal_of(admission, 1)
        await refusal_of(admission, 1)
        assert disk.probes == 1

        disk.sick = False
        await asyncio.sleep(0.06)
        async with admission.admit(1):
            assert admission.trouble() is None
    assert [log["log_level"] for log in logs] == ["error", "info"], "told once each"


async def test_a_failed_write_makes_the_disk_sick(admission: Admission, disk: Disk) -> None:
    refusal = admission.report(OSError(errno.EIO, os.strerror(errno.EIO)))
    assert refusal.status == 503
    assert (await refusal_of(admission, 1)).status == 503
