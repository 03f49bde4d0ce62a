"""The order of what makes a callback durable, read from the system calls of the whole process.

For each callback: its spool file is written, then fsynced, then renamed into ``files/``, then that
directory is fsynced, then the ledger's log is written and synced, and only then is it answered.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from fault.oracle import Oracle, Truth
from fault.powercut import answers
from fault.strace import SYNCS, Call, calls, recording, wait_recorded
from instances import Instance
from programs import need, need_tracing

ACKNOWLEDGEMENTS = 200

_MANIFEST = re.compile(rb'"callback_id":"(\w+)"')

Step = tuple[str, Callable[[Call], bool]]


def violations(trace: Sequence[Call], truth: Truth, instance: Instance) -> list[str]:
    """Return, for each callback that was answered out of order, what lacked before its answer."""
    sent = answers(trace)
    writes = [call for call in trace if "write" in call.name and "/spool/tmp/" in call.file]
    last_write = {call.file: call for call in sorted(writes, key=lambda call: call.ended)}
    written = {
        manifest[1].decode(): last_write[call.file]
        for call in writes
        if (manifest := _MANIFEST.search(call.data))
    }
    found = []
    for id_, callback_id in truth.promised.items():
        steps = list(_ledger_steps(instance, callback_id))
        if truth.issued[id_] is not None:
            steps = [*_spool_steps(instance, written[callback_id]), *steps]
        if missing := _first_missing(trace, steps, sent[callback_id]):
            found.append(f"{id_} was answered before {missing}")
    return found


def _spool_steps(instance: Instance, last_write: Call) -> Iterator[Step]:
    path = last_write.file
    files = instance.data_dir / "spool" / "files"
    kept = str(files / Path(path).name)
    yield "its file was written", lambda call: call is last_write
    yield "its file was fsynced", lambda call: call.name == "fsync" and call.file == path
    yield "it was renamed", lambda call: "rename" in call.name and kept in call.paths
    yield "files/ was fsynced", lambda call: call.name == "fsync" and call.file == str(files)


def _ledger_steps(instance: Instance, callback_id: str) -> Iterator[Step]:
    wal = str(instance.data_dir / "ledger.sqlite3-wal")
    row = callback_id.encode()
    yield (
        "its row was written",
        lambda call: call.name == "pwrite64" and call.file == wal and row in call.data,
    )
    yield "its row was synced", lambda call: call.name in SYNCS and call.file == wal


def _first_missing(trace: Sequence[Call], steps: Sequence[Step], answer: Call) -> str | None:
    """Return the first step that was not over before the next began, and all before the answer."""
    after: float = -1
    for name, is_it in steps:
        done = [
            call.ended
            for call in trace
            if call.began > after and call.ended < answer.began and call.result >= 0 and is_it(call)
        ]
        if not done:
            return name
        after = min(done)
    return None


@pytest.fixture
def post_traced(make_instance: Callable[..., Instance], tmp_path: Path) -> Callable[..., list[str]]:
    need_tracing()

    def run(*under: str, extra_settings: str = "") -> list[str]:
        log = tmp_path / "trace.txt"
        instance = make_instance(prefix=[*recording(log), *under], extra_settings=extra_settings)
        instance.start()
        oracle = Oracle(instance, largest=2_000, failures_every=10)
        oracle.post(ACKNOWLEDGEMENTS)
        instance.kill()
        wait_recorded(log, instance)
        assert len(oracle.truth.promised) == ACKNOWLEDGEMENTS
        return violations(calls(log), oracle.truth, instance)

    return run


def test_every_answer_comes_after_all_that_makes_its_callback_durable(
    post_traced: Callable[..., list[str]],
) -> None:
    assert post_traced() == []


def test_a_ledger_that_does_not_sync_each_commit_is_found_out(
    post_traced: Callable[..., list[str]],
) -> None:
    found = post_traced(extra_settings='[ledger]\nsynchronous = "normal"\n')
    assert len(found) > ACKNOWLEDGEMENTS / 2
    assert {text.partition("before ")[2] for text in found} == {"its row was synced"}


def test_a_process_that_never_syncs_is_found_out(post_traced: Callable[..., list[str]]) -> None:
    need("eatmydata")
    found = post_traced("eatmydata")
    assert len(found) == ACKNOWLEDGEMENTS
    assert {text.partition("before ")[2] for text in found} == {
        "its file was fsynced",
        "its row was synced",
    }
