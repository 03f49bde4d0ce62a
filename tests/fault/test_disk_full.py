"""Full disks: what cannot be kept is refused, what was promised is kept, and all passes again."""

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault.judge import digests, eventually, footprint, judge
from fault.oracle import Oracle
from instances import Instance
from programs import need, need_root

FILLS = 20
RECOVERS_WITHIN = 5.0
NO_RESERVE = "[spool]\nreserve = 0\n"

MountSmall = Callable[[Path], None]


@pytest.fixture
def mount_small() -> Iterator[MountSmall]:
    """Return what puts a disk of 8 MB at a path."""
    need_root()
    need("mount")
    mounted: list[Path] = []

    def mount(path: Path) -> None:
        path.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", path], check=True)
        mounted.append(path)

    yield mount
    for path in mounted:
        subprocess.run(["umount", "--lazy", path], check=True)


@contextmanager
def full(disk: Path, *, free: int) -> Iterator[None]:
    """Leave but ``free`` bytes of a disk during the block."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(64 * 1024))
            except OSError:
                break
        file.truncate(file.tell() - free)
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "unannounced"])
def test_a_full_disk_below_the_spool_refuses_and_recovers(
    make_instance: Callable[..., Instance],
    mount_small: MountSmall,
    announced: bool,
    figure: Callable[[str], None],
) -> None:
    instance = make_instance(extra_settings=NO_RESERVE)
    mount_small(instance.data_dir)
    instance.start()
    oracle = Oracle(instance, announces_size=announced)
    oracle.post(50)
    instance.wait_drained()
    before = footprint(instance)
    seed = random.SystemRandom().randrange(10**6)
    chosen = random.Random(seed)
    refused = 0
    slowest = 0.0
    for _ in range(FILLS // 2):
        # Now and then there is room for the payload but not for what follows it, or for the whole
        # file but not for the ledger.
        with full(instance.data_dir, free=chosen.randrange(128 * 1024)):
            for id_ in (ids := [oracle.new_id() for _ in range(4)]):
                answer = oracle.attempt(id_)
                assert answer is not None
                if answer.status != 200:
                    assert (answer.status, bool(answer.retry_after)) == (503, True)
                    refused += 1
            complete = set(oracle.truth.issued.values())
            assert set(digests(instance).values()) <= complete, "a partial file is visible"
        began = time.monotonic()
        for id_ in ids:
            oracle.insist(id_)
        instance.wait_drained()
        slowest = max(slowest, time.monotonic() - began)
    assert judge(instance, oracle, before).states == {"stored"}
    figure(
        f"seed {seed}: {refused} refused in {FILLS // 2} fills, recovered within {slowest:.1f} s"
    )
    assert refused > FILLS // 2
    assert slowest <= RECOVERS_WITHIN


def test_a_full_disk_below_a_sink_pauses_it_and_its_deliveries_lose_no_attempt(
    make_instance: Callable[..., Instance],
    mount_small: MountSmall,
    figure: Callable[[str], None],
) -> None:
    instance = make_instance()
    mount_small(instance.root)
    instance.start()
    oracle = Oracle(instance, largest=20_000)
    oracle.post(20)
    instance.wait_drained()
    before = footprint(instance)
    slowest = 0.0
    for number in range(FILLS):
        with full(instance.root, free=0):
            for _ in range(4):
                answer = oracle.attempt(oracle.new_id())
                assert answer is not None
                assert answer.promises, "a sink's trouble is none of the provider's"
            wait_paused(instance, number + 1)
            if number % 5 == 0:
                time.sleep(1.5)  # the first probe of the paused sink fails
        began = time.monotonic()
        instance.wait_drained()
        slowest = max(slowest, time.monotonic() - began)
    evidence = judge(instance, oracle, before)
    figure(f"{FILLS} fills, recovered within {slowest:.1f} s")
    assert evidence.states == {"stored"}
    assert {row["attempts"] for row in evidence.deliveries} == {1}
    assert slowest <= RECOVERS_WITHIN


def wait_paused(instance: Instance, times: int) -> None:
    assert eventually(lambda: pauses(instance) == times), "the sink was not paused"


def pauses(instance: Instance) -> int:
    """Return how often the sink was paused."""
    events = instance.ask("GET", f"{instance.url}/api/v1/events", params={"limit": 1000}).json()
    return [event["type"] for event in events].count("sink.paused")
