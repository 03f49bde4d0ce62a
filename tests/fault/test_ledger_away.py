"""A ledger that cannot be written for a while."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from fault.judge import eventually, judge
from fault.oracle import Oracle
from instances import Instance


@contextmanager
def locked(instance: Instance) -> Iterator[None]:
    """Keep the ledger's one lock for writing during the block."""
    with closing(sqlite3.connect(instance.data_dir / "ledger.sqlite3")) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_what_the_ledger_could_not_take_is_recorded_late_and_never_twice(
    instance: Instance,
) -> None:
    oracle = Oracle(instance)
    oracle.post(10)
    instance.wait_drained()
    given_up, sent_again = oracle.new_id(), oracle.new_id()
    with locked(instance):
        for id_ in (given_up, sent_again):
            answer = oracle.attempt(id_)
            assert answer is not None
            assert (answer.status, answer.retry_after) == (503, "5")

    oracle.insist(sent_again)

    def both_are_stored() -> bool:
        return {given_up, sent_again} <= {path.stem for path in instance.root.rglob("*")}

    assert eventually(both_are_stored)
    evidence = judge(instance, oracle)
    assert evidence.states == {"stored"}
    assert len(evidence.stored) == 13
