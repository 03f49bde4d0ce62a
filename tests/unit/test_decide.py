"""What follows from the outcome of an attempt."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.contract import (
    Fact,
    Receipt,
    RejectedError,
    SinkError,
    TransientError,
    UnusableError,
)
from sinkwell.contract.events import FileFailed, FileFinished
from sinkwell.delivery import decide
from sinkwell.delivery.decide import ReceiptError
from sinkwell.delivery.model import Lease, LeasedFile, Outcome, Settlement, Standing, State
from sinkwell.delivery.schedule import RetryPolicy

POLICY = RetryPolicy(attempts=5, base=1.0, cap=100.0)
NOW = 1_700_000_000.0
FILE = LeasedFile("f1", "shotbot", "token", 7, "ab" * 32, "image/png", None, {})
LEASE = Lease("d1", "archive", "a/key.png", 3, 2, interrupted=False, file=FILE)
RECEIPT = Receipt("a/key.png", 7, "ab" * 32, "s3://bucket/a/key.png")

attempts = st.integers(0, 20)
messages = st.text(max_size=20)
sink_errors = st.one_of(
    st.builds(TransientError, messages, retry_after=st.none() | st.floats(0, 1e6)),
    st.builds(RejectedError, messages),
    st.builds(UnusableError, messages),
    st.builds(ReceiptError, messages),
    st.builds(SinkError, messages),
    st.builds(KeyError, messages),
)


def settle(error: Exception, lease: Lease = LEASE) -> Settlement:
    return decide.failed(
        lease, error, started_at=NOW - 1, now=NOW, schedule=POLICY, rng=random.Random(0)
    )


def refuse(lease: Lease) -> None:
    decide.refuse_endless_interruption(
        interrupted=lease.interrupted, attempts=lease.attempts, schedule=POLICY
    )


def types(settlement: Settlement) -> list[str]:
    return [fact.TYPE for fact in settlement.facts]


def only_fact(settlement: Settlement) -> Fact:
    (fact,) = settlement.facts
    return fact


def test_a_good_receipt_ends_the_delivery_with_its_location() -> None:
    settlement = decide.stored(LEASE, RECEIPT, started_at=NOW - 1, now=NOW)

    assert (settlement.state, settlement.due_at, settlement.attempts) == (State.STORED, None, 3)
    assert settlement.location == "s3://bucket/a/key.png"
    assert (settlement.attempt.outcome, settlement.attempt.bytes) == (Outcome.STORED, 7)
    assert types(settlement) == ["delivery.stored"]


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ({"size": 6}, "size 6; the file has 7"),
        ({"sha256": "cd" * 32}, f"sha256 {'cd' * 32}; the file has {'ab' * 32}"),
        ({"sha256": "AB" * 32}, f"sha256 {'AB' * 32}"),
        ({"key": "another.png"}, "key another.png; the file has a/key.png"),
    ],
)
def test_a_receipt_that_lies_is_found_out(lie: dict[str, object], said: str) -> None:
    with pytest.raises(ReceiptError) as raised:
        decide.verify_receipt(LEASE, replace(RECEIPT, **lie))  # type: ignore[arg-type]  # one field
    assert said in str(raised.value)


@given(st.integers(0, 20), st.text("0123456789abcdef", min_size=64, max_size=64), messages)
def test_only_a_receipt_that_agrees_in_all_is_taken(size: int, sha256: str, key: str) -> None:
    receipt = replace(RECEIPT, size=size, sha256=sha256, key=key)
    agrees = (size, sha256, key) == (FILE.size, FILE.sha256, LEASE.key)
    try:
        decide.verify_receipt(LEASE, receipt)
    except ReceiptError:
        assert not agrees
    else:
        assert agrees


def test_a_rejected_file_is_never_tried_again() -> None:
    settlement = settle(RejectedError("5 GB are too many"), replace(LEASE, attempts=0))

    assert (settlement.state, settlement.due_at, settlement.attempts) == (State.REJECTED, None, 1)
    assert types(settlement) == ["delivery.rejected"]
    assert "5 GB are too many" in str(only_fact(settlement))


@given(attempts)
def test_an_unusable_sink_costs_its_deliveries_no_attempt(count: int) -> None:
    settlement = settle(UnusableError("no such bucket"), replace(LEASE, attempts=count))

    assert (settlement.state, settlement.attempts) == (State.PENDING, count)
    assert settlement.due_at == NOW, "it waits for the sink, not for a time"
    assert settlement.facts == (), "the sink's pause is told, not each of its deliveries"
    assert settlement.attempt.error == "no such bucket"


@given(attempts, st.none() | st.floats(0.0, 80_000.0))
def test_a_transient_failure_is_tried_again_until_the_schedule_ends(
    count: int, retry_after: float | None
) -> None:
    error = TransientError("busy", retry_after=retry_after)
    settlement = settle(error, replace(LEASE, attempts=count))

    assert settlement.attempts == count + 1
    if count + 1 < POLICY.attempts:
        assert settlement.state is State.PENDING
        assert settlement.due_at is not None
        earliest = NOW + (retry_after or 0.0)
        assert earliest <= settlement.due_at <= earliest + POLICY.bound(count + 1) + 1e-6
        assert types(settlement) == ["delivery.attempt_failed"]
    else:
        assert (settlement.state, settlement.due_at) == (State.EXHAUSTED, None)
        assert types(settlement) == ["delivery.exhausted"]


@pytest.mark.parametrize(
    "error", [KeyError("password=hunter2"), OSError(5, "hunter2"), Exception("hunter2")]
)
def test_the_text_of_a_foreign_exception_is_not_repeated(error: Exception) -> None:
    settlement = settle(error)

    assert types(settlement) == ["sink.misbehaved", "delivery.attempt_failed"]
    assert "hunter2" not in f"{settlement}", "it may hold a secret of the sink's"
    assert type(error).__name__ in (settlement.attempt.error or "")


def test_a_bug_of_a_plugin_is_tried_again_but_not_for_ever() -> None:
    settlement = settle(ZeroDivisionError(), replace(LEASE, attempts=POLICY.attempts - 1))

    assert settlement.state is State.EXHAUSTED
    assert types(settlement) == ["sink.misbehaved", "delivery.exhausted"]


def test_a_bare_sink_error_and_a_lying_receipt_are_the_plugins_bugs() -> None:
    for error in (SinkError("something"), ReceiptError("its receipt says size 0")):
        settlement = settle(error)
        assert settlement.attempt.outcome is Outcome.MISBEHAVED
        assert str(error) in (settlement.attempt.error or ""), "our own words, or the contract's"


@given(sink_errors, attempts)
def test_every_failure_leaves_the_delivery_open_and_due_or_final_and_told(
    error: Exception, count: int
) -> None:
    settlement = settle(error, replace(LEASE, attempts=count))

    assert settlement.state is not State.STORED
    assert settlement.state.final == (settlement.due_at is None)
    assert settlement.attempts - count == (settlement.attempt.outcome is not Outcome.UNUSABLE)
    assert settlement.location is None
    if settlement.state.final:
        assert types(settlement)[-1] == f"delivery.{settlement.state}"


@pytest.mark.parametrize(("interrupted", "count"), [(True, 4), (False, 5), (False, 9)])
def test_a_delivery_with_attempts_left_or_a_live_history_is_put(
    interrupted: bool, count: int
) -> None:
    lease = replace(LEASE, interrupted=interrupted, attempts=count)
    refuse(lease)


def test_a_file_that_ends_the_process_at_each_try_is_given_up() -> None:
    lease = replace(LEASE, interrupted=True, attempts=POLICY.attempts)

    with pytest.raises(TransientError) as raised:
        refuse(lease)

    assert settle(raised.value, lease).state is State.EXHAUSTED


@given(st.dictionaries(st.sampled_from(State), st.integers(0, 5), min_size=1))
def test_a_file_ends_exactly_when_its_last_delivery_does(states: dict[State, int]) -> None:
    standings = [
        Standing(f"sink{number}", state, "a.png", "s3://bucket/a.png")
        for state, count in states.items()
        for number in range(count)
    ]
    outcome = decide.file_outcome("f1", "shotbot", "token", {"a": "b"}, standings)

    still_open = states.get(State.PENDING, 0) + states.get(State.LEASED, 0)
    good = states.get(State.STORED, 0)
    bad = sum(states.values()) - good
    if still_open:
        assert outcome is None
    elif good:
        assert isinstance(outcome, FileFinished)
        assert (outcome.stored, outcome.failed) == (good, bad)
        assert Counter(each.state for each in outcome.deliveries) == +Counter(
            {state.value: count for state, count in states.items()}
        )
    else:
        assert isinstance(outcome, FileFailed)
        assert outcome.failed == bad
