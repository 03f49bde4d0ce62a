"""The judge is judged: a clean record passes, and each breach is told by its name."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from fault.judge import Evidence, Row, find_faults, footprint, judge
from fault.oracle import Oracle, Truth
from instances import Instance

ONE, TWO, FAILURE = "n1", "n2", "n3"
DIGESTS = {id_: hashlib.sha256(id_.encode()).hexdigest() for id_ in (ONE, TWO)}

Breach = Callable[[Truth, Evidence], object]


def clean_record() -> tuple[Truth, Evidence]:
    truth = Truth({**DIGESTS, FAILURE: None}, {ONE: "c1", TWO: "c2", FAILURE: "c3"})
    rows: list[Row] = [
        {"id": f"d{id_}", "token": id_, "sink": "local", "key": f"a/{id_}.png", "error": None}
        | {"state": "stored", "attempts": 1}
        for id_ in (ONE, TWO)
    ]
    return truth, Evidence(
        stored={f"a/{id_}.png": sha256 for id_, sha256 in DIGESTS.items()},
        deliveries=rows,
        attempts={row["id"]: [{"outcome": "stored"}] for row in rows},
        failures={FAILURE},
        leftovers=[],
    )


def lost(_: Truth, evidence: Evidence) -> None:
    del evidence.stored[f"a/{ONE}.png"]
    del evidence.attempts[evidence.deliveries.pop(0)["id"]]


def failed_without_a_reason(_: Truth, evidence: Evidence) -> None:
    del evidence.stored[f"a/{ONE}.png"]
    evidence.deliveries[0].update(state="rejected", attempts=1)
    evidence.attempts[f"d{ONE}"] = [{"outcome": "rejected"}]


def failed_with_a_reason(truth: Truth, evidence: Evidence) -> None:
    failed_without_a_reason(truth, evidence)
    evidence.deliveries[0]["error"] = "the disk said no"


BREACHES: dict[str, tuple[str, Breach]] = {
    "lost": ("I1 loss", lost),
    "a failure forgotten": ("I1 loss", lambda _, evidence: evidence.failures.clear()),
    "failed without a reason": ("I1 loss", failed_without_a_reason),
    "changed": ("I2 corruption", lambda _, e: e.stored.update({f"a/{ONE}.png": "0" * 64})),
    "never posted": ("I3 ghost", lambda _, e: e.stored.update({"a/who.png": "0" * 64})),
    "a file of a failure": ("I3 ghost", lambda _, e: e.stored.update({f"a/{FAILURE}.png": "0"})),
    "stored twice": ("I4 dup", lambda _, e: e.stored.update({f"b/{ONE}.png": DIGESTS[ONE]})),
    "delivered twice": ("I4 dup", lambda _, e: e.deliveries.append({**e.deliveries[0]})),
    "left behind": ("I6 leak", lambda _, e: e.leftovers.append("spool/tmp/f1")),
    "no delivery": ("I7 unexplained", lambda _, e: e.deliveries.pop()),
    "no attempt": ("I7 unexplained", lambda _, e: e.attempts[f"d{ONE}"].clear()),
    "miscounted": ("I7 unexplained", lambda _, e: e.deliveries[0].update(attempts=2)),
    "refused": ("refused without cause", lambda t, _: t.refused.append("n4: 403")),
}


def test_a_clean_record_has_no_faults() -> None:
    assert find_faults(*clean_record()) == []


def test_a_visible_failure_with_its_reason_is_no_loss() -> None:
    truth, evidence = clean_record()
    failed_with_a_reason(truth, evidence)
    assert find_faults(truth, evidence) == []


@pytest.mark.parametrize(("name", "breach"), BREACHES.values(), ids=BREACHES)
def test_each_breach_is_found_and_told_by_its_name(name: str, breach: Breach) -> None:
    truth, evidence = clean_record()
    breach(truth, evidence)
    assert any(fault.startswith(name) for fault in find_faults(truth, evidence))


def test_nothing_was_promised_so_nothing_is_lost() -> None:
    truth, evidence = clean_record()
    lost(truth, evidence)
    assert find_faults(truth.promised_until({"c2", "c3"}), evidence) == []


def test_a_running_instance_is_judged_by_what_lies_on_its_disk(instance: Instance) -> None:
    oracle = Oracle(instance, failures_every=5)
    oracle.post(20)
    judge(instance, oracle, footprint(instance))
    assert len(oracle.truth.promised) == 21

    stored = _stored_paths(instance)
    stored[0].unlink()
    stored[1].write_bytes(b"not what was sent" + stored[1].read_bytes())
    (instance.root / "nobody.png").write_bytes(b"?")
    stored[2].with_name("copies").mkdir()
    (stored[2].parent / "copies" / stored[2].name).write_bytes(stored[2].read_bytes())
    (instance.data_dir / "spool" / "tmp" / "f1").touch()
    with pytest.raises(AssertionError) as found:
        judge(instance, oracle)
    for name in ("I1 loss", "I2 corruption", "I3 ghost", "I4 duplicate", "I6 leak"):
        assert name in str(found.value)


def _stored_paths(instance: Instance) -> list[Path]:
    return sorted((instance.root / "screenshots").rglob("*.*"))
