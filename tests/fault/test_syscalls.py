"""SIGKILL, and a disk that fails, at each system call by which a callback passes."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fault.judge import footprint, judge
from fault.oracle import Oracle
from fault.points import LEDGER, ONE_DIRECTORY_A_FILE, SINK, SPOOL, watch
from fault.strace import SYNCS, injected
from instances import Instance
from programs import need_tracing

RECOVERS_WITHIN = 5.0
_DIES_WITHIN = 3.0


@pytest.fixture
def watched(make_instance: Callable[..., Instance]) -> Instance:
    need_tracing()
    instance = make_instance(extra_settings=ONE_DIRECTORY_A_FILE)
    instance.start()
    return instance


@pytest.mark.parametrize(
    "size", [5_000, pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])]
)
def test_a_kill_at_any_system_call_of_a_callback_loses_nothing(
    watched: Instance, tmp_path: Path, size: int, figure: Callable[[str], None]
) -> None:
    oracle = Oracle(watched, smallest=size, largest=size)
    oracle.insist(oracle.new_id())  # what a process does but for its first callback is no point
    watched.wait_drained()
    points = watch(watched, oracle, tmp_path / "trace.txt").points
    killed = 0
    for point in points:
        seen = watch(watched, oracle, tmp_path / "trace.txt")
        id_ = oracle.new_id()
        print(f"{id_}: killed at {point}")
        fault = f"{point.call}:signal=SIGKILL:when={point.number}"
        with injected(seen.threads(watched, point.role), fault):
            oracle.attempt(id_)
            killed += dies(watched)
        watched.kill()
        watched.start()
        oracle.insist(id_)
    assert judge(watched, oracle).states == {"stored"}
    figure(f"{killed} kills at {len(points)} points")
    assert killed > 0.9 * len(points), "how many pages a commit writes may vary, but not so much"


def dies(instance: Instance) -> bool:
    """Wait for the end by SIGKILL; False when the process lives on."""
    assert instance.process is not None
    try:
        return instance.process.wait(_DIES_WITHIN) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False


def test_a_sync_that_fails_is_answered_503_leaves_nothing_partial_and_is_recovered_from(
    watched: Instance, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    oracle = Oracle(watched, largest=20_000)
    seen = watch(watched, oracle, tmp_path / "trace.txt")
    before = footprint(watched)
    sites = [point for point in seen.points if point.call in SYNCS]
    assert {site.role for site in sites} == {LEDGER, SINK, SPOOL}
    slowest = 0.0
    for site in sites:
        id_ = oracle.new_id()
        fault = f"{site.call}:error=EIO:when={site.number}"
        with injected(seen.threads(watched, site.role), fault):
            answer = oracle.attempt(id_)
        # The ledger's first commit is the one that records the callback.
        before_the_answer = site.role == SPOOL or (site.role, site.number) == (LEDGER, 1)
        assert answer is not None
        assert answer.status == (503 if before_the_answer else 200), str(site)
        assert bool(answer.retry_after) == before_the_answer
        slowest = max(slowest, recovery(watched, oracle, id_))
    assert judge(watched, oracle, before).states == {"stored"}
    figure(f"{len(sites)} sites, recovered within {slowest:.1f} s")
    assert slowest <= RECOVERS_WITHIN


def recovery(instance: Instance, oracle: Oracle, id_: str) -> float:
    """Return how long it takes until a callback, sent again, is taken and all is delivered."""
    began = time.monotonic()
    oracle.insist(id_)
    instance.wait_drained()
    return time.monotonic() - began
