"""Two thousand lives of deliveries: whatever comes in whatever order, the ledger agrees with the
model, and in the end nothing that was accepted is lost.
"""

import random
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from delivery_model import Model
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from ledgers import ENGINES, SPOOL_ID, START, empty, make_acceptance
from sqlalchemy import Connection, Engine

from sinkwell.contract import Event, Receipt, RejectedError, TransientError, UnusableError
from sinkwell.contract.events import CallbackDuplicate
from sinkwell.delivery import decide
from sinkwell.delivery.model import Lease, Outcome, Settlement
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.ids import new_id
from sinkwell.intake.durable import leased_file
from sinkwell.intake.journal import Acceptance, ProviderFailure
from sinkwell.ledger import eventlog, leases, requests, upkeep
from sinkwell.ledger.acceptance import record_acceptances, record_failures
from sinkwell.ledger.closing import Retention
from sinkwell.ledger.leases import Claim

R = TypeVar("R")

POLICY = RetryPolicy(attempts=3, base=10.0, cap=100.0)
LEASE_FOR = 60.0
SINKS = ("one", "other")
TOKENS = st.sampled_from(("a", "b", "c", None))
ERRORS: dict[str, Exception] = {
    "transient": TransientError("it is busy"),
    "busy": TransientError("it is busy", retry_after=500.0),
    "rejected": RejectedError("it is too large"),
    "unusable": UnusableError("there is no such bucket"),
    "foreign": KeyError("a bug"),
}
ALL_ROWS = ("* FROM files", "* FROM deliveries", "* FROM attempts", "* FROM events")
OUTCOMES = st.sampled_from(("stored", *ERRORS))
PICKS = st.integers(0, 1000)
"""Numbers that pick from a list, whatever its length."""

Callbacks = st.lists(
    st.tuples(TOKENS, st.sets(st.sampled_from(SINKS)), st.booleans(), st.booleans()),
    min_size=1,
    max_size=3,
)


class Deliveries(RuleBasedStateMachine):
    """Runs the ledger's own statements beside the model."""

    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.rng = random.Random(0)
        self.granted: list[Lease] = []
        """Every lease that a worker was ever given, in force or not."""
        self.position = 0
        empty(self.engine)

    @initialize(stored=st.sampled_from((0.0, 50.0)), failed=st.sampled_from((0.0, 50.0)))
    def begin(self, stored: float, failed: float) -> None:
        self.retention = Retention(stored, failed)
        self.model = Model(self.retention)

    @rule(callbacks=Callbacks)
    def receive(self, callbacks: list[tuple[str | None, set[str], bool, bool]]) -> None:
        """Callbacks that share a commit: some are repeats, some find a worker with a free slot."""
        acceptances = []
        for token, sinks, changed, slot in callbacks:
            content = b"changed" if changed else b"content"
            acceptance = make_acceptance(*sorted(sinks), token=token, content=content, now=self.now)
            planned = acceptance.files[0][1]
            held = {delivery.id: LEASE_FOR for delivery in planned if slot}
            acceptances.append(replace(acceptance, leases=held))
        recorded = self.commit(
            record_acceptances, *((SPOOL_ID, acceptance) for acceptance in acceptances)
        )
        for acceptance, answer in zip(acceptances, recorded, strict=True):
            assert answer.duplicate == self.model.accept(acceptance)
            if not answer.duplicate:
                self.granted += _born(acceptance)
            elif acceptance.deduplication_key:
                assert answer.callback_id == self.model.standing[acceptance.deduplication_key][0]

    @rule(token=TOKENS)
    def hear_of_a_failure(self, token: str | None) -> None:
        failure = ProviderFailure(new_id("c"), "shotbot", token or "", "ERR", token, self.now)
        (answer,) = self.commit(record_failures, failure)
        assert answer.duplicate == self.model.fail(failure)

    @rule(sink=st.sampled_from(SINKS), limit=st.integers(1, 3))
    def claim(self, sink: str, limit: int) -> None:
        (claims,) = self.commit(leases.claim, Claim(sink, SPOOL_ID, self.now, limit, LEASE_FOR))
        ids = [lease.delivery_id for lease in claims.leases]
        self.model.claim(sink, limit, self.now, self.now + LEASE_FOR, ids)
        for lease in claims.leases:
            delivery = self.model.deliveries[lease.delivery_id]
            assert (lease.epoch, lease.attempts) == (delivery.epoch, delivery.attempts)
            was = delivery.tried.get(lease.epoch - 1)
            assert lease.interrupted == (was is Outcome.INTERRUPTED)
        if len(ids) < limit:
            due = [d.due_at for d in self.model.deliveries.values() if d.sink == sink and d.due_at]
            assert claims.next_due == min(due, default=None)
        self.granted += claims.leases

    @precondition(lambda self: self.granted)
    @rule(picked=st.lists(st.tuples(PICKS, OUTCOMES), min_size=1, max_size=3))
    def settle(self, picked: list[tuple[int, str]]) -> None:
        """Outcomes that share a commit; among them may be those of leases long passed on."""
        chosen = {-1 - pick % len(self.granted): outcome for pick, outcome in picked}
        self.settle_all([self.settlement(self.granted[n], chosen[n]) for n in chosen])

    @precondition(lambda self: self.outdated())
    @rule(pick=PICKS, outcome=OUTCOMES)
    def replay(self, pick: int, outcome: str) -> None:
        """What a worker says whose lease has passed on changes nothing at all."""
        outdated = self.outdated()
        before = self.dump()
        settlement = self.settlement(outdated[pick % len(outdated)], outcome)
        (answer,) = self.commit(leases.settle, (self.retention, settlement))
        assert (answer.valid, answer.released) == (False, False)
        assert self.dump() == before

    @precondition(lambda self: self.granted)
    @rule(pick=PICKS)
    def hand_back(self, pick: int) -> None:
        lease = self.granted[-1 - pick % len(self.granted)]
        self.commit(leases.hand_back, (lease, self.now))
        self.model.hand_back(lease, self.now)

    @rule(seconds=st.sampled_from((1.0, 20.0, LEASE_FOR, 1000.0)))
    def wait(self, seconds: float) -> None:
        """Retries become due; leases whose worker lost its reply, or its life, run out."""
        self.now += seconds

    @rule(set_back=st.sampled_from((0.0, 0.0, 1e6)))
    def crash_and_start(self, set_back: float) -> None:
        """The process ends, and starts with a clock that may have been set back meanwhile."""
        self.now -= set_back
        restart = upkeep.Restart(SPOOL_ID, self.now, POLICY.longest_wait)
        self.commit(upkeep.take_over, restart)
        self.model.take_over(self.now, POLICY.longest_wait)

    @precondition(lambda self: self.model.deliveries)
    @rule(pick=PICKS)
    def retry(self, pick: int) -> None:
        deliveries = list(self.model.deliveries)
        delivery_id = deliveries[pick % len(deliveries)]
        (answer,) = self.commit(requests.retry, (delivery_id, self.now))
        assert isinstance(answer, str) == self.model.retry(delivery_id, self.now)

    @precondition(lambda self: self.model.deliveries)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        deliveries = list(self.model.deliveries)
        delivery_id = deliveries[pick % len(deliveries)]
        (answer,) = self.commit(requests.cancel, (delivery_id, self.now, self.retention))
        assert isinstance(answer, str) == self.model.cancel(delivery_id, self.now)

    @precondition(lambda self: self.model.files)
    @rule(pick=PICKS)
    def lose(self, pick: int) -> None:
        """The spool's copy of a file turns out to be damaged."""
        files = list(self.model.files)
        file_id = files[pick % len(files)]
        self.commit(upkeep.lose_files, (file_id, "it is damaged", self.now))
        self.model.lose(file_id, self.now)

    @rule()
    def end_retention(self) -> None:
        with self.engine.connect() as connection:
            found = upkeep.find_released(connection, SPOOL_ID, self.now, 100)
        ended = [file_id for file_id, _ in found]
        assert sorted(ended) == sorted(self.model.ended_retention(self.now))
        self.commit(upkeep.mark_released, ended)
        for file_id in ended:
            self.model.files[file_id].released = True

    @invariant()
    def ledger_and_model_agree(self) -> None:
        deliveries, files, tried, head = self.dump(
            "id, state, due_at, epoch, attempts FROM deliveries",
            "id, state, release_at, released FROM files",
            "delivery_id, epoch, outcome FROM attempts",
            "position FROM event_head",
        )
        assert deliveries == {each.row for each in self.model.deliveries.values()}
        assert files == {each.row for each in self.model.files.values()}
        assert tried == {
            (each.id, epoch, outcome.value)
            for each in self.model.deliveries.values()
            for epoch, outcome in each.tried.items()
        }
        ((last,),) = head
        log = self.events_to(last)
        assert [event.position for event in log] == list(range(self.position + 1, last + 1))
        assert sorted(map(_about, log)) == sorted(self.model.announced)
        self.position = last
        self.model.announced.clear()

    def teardown(self) -> None:
        """Once all goes well again, everything that was accepted comes to an end that shows."""
        if not hasattr(self, "model"):
            return
        self.now += 1e9
        for sink in SINKS:
            self.claim(sink, limit=1000)
        held = [lease for lease in self.granted if self.model.holds(lease)]
        self.settle_all([self.settlement(lease, "stored") for lease in held])
        self.ledger_and_model_agree()
        (ended,) = self.dump("state, error IS NULL, location IS NULL FROM deliveries")
        assert {state for state, *_ in ended} <= {"stored", "rejected", "exhausted", "cancelled"}
        assert all(
            not no_place
            if state == "stored"
            else no_place and (not no_reason or state == "cancelled")
            for state, no_reason, no_place in ended
        )

    def settle_all(self, settlements: list[Settlement]) -> None:
        if not settlements:
            return
        valid = [self.model.holds(settlement.lease) for settlement in settlements]
        answers = self.commit(leases.settle, *((self.retention, each) for each in settlements))
        assert [answer.valid for answer in answers] == valid
        let_go = [
            settlement.lease.file.file_id
            for settlement, answer in zip(settlements, answers, strict=True)
            if answer.released
        ]
        assert sorted(let_go) == sorted(
            file.id for file in self.model.settle(settlements, self.now)
        )

    def settlement(self, lease: Lease, outcome: str) -> Settlement:
        if outcome == "stored":
            receipt = Receipt(lease.key, lease.file.size, lease.file.sha256, f"file:///{lease.key}")
            return decide.stored(lease, receipt, started_at=self.now, now=self.now)
        return decide.failed(
            lease,
            ERRORS[outcome],
            started_at=self.now,
            now=self.now,
            schedule=POLICY,
            rng=self.rng,
        )

    def outdated(self) -> list[Lease]:
        return [lease for lease in self.granted if not self.model.holds(lease)]

    def commit(self, function: Callable[[Connection, Sequence[Any]], R], *arguments: object) -> R:
        """Carry out commands of one kind in one transaction, as the ledger's writer does."""
        with self.engine.begin() as connection:
            return function(connection, arguments)

    def dump(self, *queries: str) -> list[set[tuple[Any, ...]]]:
        """Read past SQLAlchemy, which is half of what a step would cost."""
        with closing(self.engine.raw_connection()) as connection:
            cursor = connection.cursor()
            rows = []
            for query in queries or ALL_ROWS:
                cursor.execute(f"SELECT {query}")
                rows.append(set(cursor.fetchall()))
            return rows

    def events_to(self, last: int) -> list[Event]:
        if last == self.position:
            return []
        with self.engine.connect() as connection:
            return eventlog.read_after(connection, self.position, 1000)


def _born(acceptance: Acceptance) -> list[Lease]:
    """Return the leases with which deliveries are recorded when a worker has a slot for them."""
    return [
        Lease(plan.id, plan.sink, plan.key, 1, 0, interrupted=False, file=leased_file(manifest))
        for manifest, planned in acceptance.files
        for plan in planned
        if plan.id in acceptance.leases
    ]


def _about(event: Event) -> tuple[str, str]:
    fact, named = event.data, ("delivery_id", "file_id", "callback_id")
    about = next(getattr(fact, name) for name in named if hasattr(fact, name))
    if isinstance(fact, CallbackDuplicate):
        return f"{event.type} with {'same' if fact.same_content else 'other'} content", about
    return event.type, about


@pytest.mark.parametrize("database", list(ENGINES))
def test_whatever_happens_to_deliveries_the_ledger_agrees_with_the_model(
    database: str, tmp_path: Path
) -> None:
    with ENGINES[database](tmp_path) as engine:
        Deliveries.engine = engine
        run_state_machine_as_test(
            Deliveries,
            settings=settings(
                max_examples=2000,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
