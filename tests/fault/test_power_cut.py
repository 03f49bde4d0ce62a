"""Power cuts: what is not synced is gone, and nothing that was answered may be."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault.judge import find_faults, gather
from fault.oracle import Oracle, Truth
from fault.powercut import Disk, answers
from fault.strace import Call, calls, recording, wait_recorded
from instances import Instance
from programs import need, need_tracing

CALLBACKS = 150
CUTS = 50
LARGEST = 8_000
ROOT = "data/files"
"""As where nothing is configured: all of it lies below the data directory, made at first start."""

Make = Callable[..., Instance]


@dataclass(frozen=True, slots=True)
class Recording:
    """All that an instance did to its disk, from its first start on, and what it promised."""

    calls: list[Call]
    root: Path
    truth: Truth

    def faults_after_cuts(self, make_instance: Make, moments: list[int]) -> dict[int, list[str]]:
        """Cut the power at these lines of the trace; return what is wrong after each."""
        sent = answers(self.calls)
        disk = Disk(self.root)
        faults: dict[int, list[str]] = {}
        for line in disk.play(self.calls):
            if line not in moments or line in faults:
                continue
            rebooted = make_instance(root_name=ROOT)
            disk.cut(rebooted.directory)
            rebooted.start()
            rebooted.wait_drained()
            answered = {id_ for id_, call in sent.items() if call.began <= line}
            truth = self.truth.promised_until(answered)
            evidence = gather(rebooted)
            faults[line] = find_faults(truth, evidence)
            faults[line] += [f"{state} after it" for state in evidence.states - {"stored"}]
            rebooted.kill()
        return faults


@pytest.fixture
def record(make_instance: Make, tmp_path: Path) -> Callable[..., Recording]:
    need_tracing()

    def run(*under: str, extra_settings: str = "") -> Recording:
        log = tmp_path / "trace.txt"
        instance = make_instance(
            prefix=[*recording(log), *under], extra_settings=extra_settings, root_name=ROOT
        )
        instance.directory.mkdir()
        instance.start()
        oracle = Oracle(instance, largest=LARGEST, failures_every=5)
        oracle.post(CALLBACKS)
        instance.wait_drained()
        instance.kill()
        wait_recorded(log, instance)
        return Recording(calls(log), instance.directory, oracle.truth)

    return run


def moments_of(recording: Recording, number: int, seed: int) -> list[int]:
    """Choose moments: the first answer, then as many others as moments anywhere after it."""
    chosen = random.Random(seed)
    first, *sent = sorted(call.began for call in answers(recording.calls).values())
    after_answers = (number - 1) // 2
    lines = {call.began for call in recording.calls if call.began > first} - set(sent)
    anywhere = chosen.sample(sorted(lines), number - 1 - after_answers)
    return [first, *chosen.sample(sent, after_answers), *anywhere]


def test_a_power_cut_at_any_moment_loses_nothing_that_was_answered(
    record: Callable[..., Recording], make_instance: Make
) -> None:
    recording = record()
    assert len(answers(recording.calls)) == CALLBACKS
    seed = random.SystemRandom().randrange(10**6)
    faults = recording.faults_after_cuts(make_instance, moments_of(recording, CUTS, seed))
    assert faults == {moment: [] for moment in faults}, f"seed {seed}"
    assert len(faults) == CUTS


def test_without_any_fsync_the_same_harness_reports_loss(
    record: Callable[..., Recording], make_instance: Make
) -> None:
    need("eatmydata")
    recording = record("eatmydata")
    last = recording.calls[-1].began
    (faults,) = recording.faults_after_cuts(make_instance, [last]).values()
    assert sum(fault.startswith("I1 loss") for fault in faults) == CALLBACKS


def test_with_a_ledger_that_does_not_sync_each_commit_the_same_harness_reports_loss(
    record: Callable[..., Recording], make_instance: Make
) -> None:
    recording = record(extra_settings='[ledger]\nsynchronous = "normal"\n')
    last = max(call.began for call in answers(recording.calls).values())
    (faults,) = recording.faults_after_cuts(make_instance, [last]).values()
    lost = [fault for fault in faults if fault.startswith("I1 loss: the provider's failure")]
    assert len(lost) == CALLBACKS // 5
