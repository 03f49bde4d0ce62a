"""What the ledger must do with deliveries, in plain Python: the model of the state machine test."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sinkwell.delivery.model import Lease, Outcome, Settlement, State
from sinkwell.intake.journal import Acceptance, ProviderFailure
from sinkwell.ledger.closing import Retention

Announced = tuple[str, str]
"""Type of an event, and the id of what it is about."""

_FACTS = {
    State.STORED: "delivery.stored",
    State.REJECTED: "delivery.rejected",
    State.EXHAUSTED: "delivery.exhausted",
    State.PENDING: "delivery.attempt_failed",
}


@dataclass
class Delivery:
    id: str
    sink: str
    due_at: float | None
    state: State = State.PENDING
    epoch: int = 0
    tried: dict[int, Outcome] = field(default_factory=dict)
    """Outcome of each attempt, by epoch."""
    retried_at: int = 0
    """The epoch at which someone last asked for all attempts anew."""

    @property
    def attempts(self) -> int:
        """Attempts that count: an unusable sink takes none."""
        return sum(
            epoch > self.retried_at and outcome is not Outcome.UNUSABLE
            for epoch, outcome in self.tried.items()
        )

    @property
    def row(self) -> tuple[object, ...]:
        return self.id, self.state.value, self.due_at, self.epoch, self.attempts

    def end(self, state: State) -> None:
        self.state, self.due_at = state, None


@dataclass
class File:
    id: str
    deliveries: list[Delivery]
    state: str
    release_at: float | None = None
    released: bool = False

    @property
    def row(self) -> tuple[object, ...]:
        return self.id, self.state, self.release_at, self.released

    def outcome(self) -> Announced | None:
        """Say how the file ended, once all its deliveries have."""
        states = [delivery.state for delivery in self.deliveries]
        if not all(state.final for state in states):
            return None
        return ("file.finished" if State.STORED in states else "file.failed"), self.id


@dataclass
class Model:
    retention: Retention
    files: dict[str, File] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    file_of: dict[str, File] = field(default_factory=dict)
    """By delivery."""
    standing: dict[str, tuple[str, list[str] | None]] = field(default_factory=dict)
    """The callback that stands for each token, and the digests of its files."""
    announced: list[Announced] = field(default_factory=list)
    """What the log must have gained since the last look."""

    def accept(self, acceptance: Acceptance) -> bool:
        """Return whether it is a repeat."""
        token = acceptance.deduplication_key
        content = [manifest.sha256 for manifest, _ in acceptance.files]
        if token in self.standing:
            first, first_content = self.standing[token]
            same = "same" if content == first_content else "other"
            self.announced.append((f"callback.duplicate with {same} content", first))
            return True
        if token is not None:
            self.standing[token] = acceptance.callback_id, content
        self.announced.append(("callback.received", acceptance.callback_id))
        for manifest, planned in acceptance.files:
            file = File(manifest.file_id, [], "open" if planned else "unrouted")
            self.files[file.id] = file
            self.announced.append(("file.accepted", file.id))
            if not planned:
                self.announced.append(("file.unrouted", file.id))
            for plan in planned:
                delivery = Delivery(plan.id, plan.sink, acceptance.received_at)
                if plan.id in acceptance.leases:
                    self._lease(delivery, acceptance.received_at + acceptance.leases[plan.id])
                file.deliveries.append(delivery)
                self.deliveries[plan.id] = delivery
                self.file_of[plan.id] = file
        return False

    def fail(self, failure: ProviderFailure) -> bool:
        """Return whether it is a repeat."""
        token = failure.deduplication_key
        if token in self.standing:
            return True
        if token is not None:
            self.standing[token] = failure.callback_id, None
        self.announced.append(("callback.provider_failed", failure.callback_id))
        return False

    def claim(self, sink: str, limit: int, now: float, until: float, ids: Iterable[str]) -> None:
        """Take over what the ledger leased, and see that it was the longest due."""
        due = {
            delivery.id: delivery.due_at
            for delivery in self.deliveries.values()
            if delivery.sink == sink and delivery.due_at is not None and delivery.due_at <= now
        }
        claimed = set(ids)
        assert claimed <= due.keys()
        assert len(claimed) == min(limit, len(due))
        left = [at for delivery_id, at in due.items() if delivery_id not in claimed]
        assert all(due[delivery_id] <= min(left, default=now) for delivery_id in claimed)
        for delivery_id in claimed:
            delivery = self.deliveries[delivery_id]
            if delivery.state is State.LEASED:
                delivery.tried[delivery.epoch] = Outcome.INTERRUPTED
            self._lease(delivery, until)

    def holds(self, lease: Lease) -> bool:
        """Tell whether a lease is in force: later epochs, and an end of the delivery, undo it."""
        delivery = self.deliveries[lease.delivery_id]
        return delivery.state is State.LEASED and delivery.epoch == lease.epoch

    def settle(self, settlements: Sequence[Settlement], now: float) -> list[File]:
        """Apply those whose lease is in force, in one step; return the files let go."""
        valid = [settlement for settlement in settlements if self.holds(settlement.lease)]
        for settlement in valid:
            self._settle(settlement)
        closed = {self.file_of[s.lease.delivery_id].id for s in valid if s.state.final}
        for file in map(self.files.__getitem__, sorted(closed)):
            if outcome := file.outcome():
                self.announced.append(outcome)
                file.state = outcome[0].removeprefix("file.")
                bad = any(each.state is not State.STORED for each in file.deliveries)
                wait = self.retention.failed if bad else self.retention.stored
                file.release_at, file.released = now + wait, wait == 0
        return [file for file in map(self.files.__getitem__, closed) if file.released]

    def _settle(self, settlement: Settlement) -> None:
        delivery = self.deliveries[settlement.lease.delivery_id]
        delivery.state, delivery.due_at = settlement.state, settlement.due_at
        delivery.tried[delivery.epoch] = settlement.attempt.outcome
        if settlement.attempt.outcome is Outcome.MISBEHAVED:
            self.announced.append(("sink.misbehaved", delivery.id))
        if settlement.attempt.outcome is not Outcome.UNUSABLE:
            self.announced.append((_FACTS[delivery.state], delivery.id))

    def hand_back(self, lease: Lease, now: float) -> None:
        if self.holds(lease):
            delivery = self.deliveries[lease.delivery_id]
            delivery.state, delivery.due_at = State.PENDING, now

    def take_over(self, now: float, longest_wait: float) -> None:
        for delivery in self.deliveries.values():
            if delivery.state is State.LEASED or (
                delivery.due_at is not None and delivery.due_at > now + longest_wait
            ):
                delivery.due_at = now

    def retry(self, delivery_id: str, now: float) -> bool:
        """Return whether it can be done: only for what is final, with the file still there."""
        delivery, file = self.deliveries[delivery_id], self.file_of[delivery_id]
        if not delivery.state.final or file.released:
            return False
        delivery.state, delivery.due_at = State.PENDING, now
        delivery.retried_at = delivery.epoch
        file.state, file.release_at = "open", None
        self.announced.append(("delivery.retried", delivery_id))
        return True

    def cancel(self, delivery_id: str, now: float) -> bool:
        """Return whether it can be done: only for what nobody is trying."""
        delivery, file = self.deliveries[delivery_id], self.file_of[delivery_id]
        if delivery.due_at is None or (delivery.state is State.LEASED and delivery.due_at > now):
            return False
        delivery.end(State.CANCELLED)
        self.announced.append(("delivery.cancelled", delivery_id))
        if outcome := file.outcome():
            self.announced.append(outcome)
            file.state = outcome[0].removeprefix("file.")
            file.release_at = now + self.retention.failed
        return True

    def lose(self, file_id: str, now: float) -> None:
        file = self.files[file_id]
        if file.released:
            return
        file.state, file.released, file.release_at = "quarantined", True, now
        self.announced.append(("file.quarantined", file_id))
        opened = [each for each in file.deliveries if not each.state.final]
        for delivery in opened:
            delivery.end(State.REJECTED)
            self.announced.append(("delivery.rejected", delivery.id))
        outcome = file.outcome()
        if opened and outcome:
            self.announced.append(outcome)

    def ended_retention(self, now: float) -> list[str]:
        """Return the files that the spool may let go of by now."""
        return [
            file.id
            for file in self.files.values()
            if not file.released and file.release_at is not None and file.release_at <= now
        ]

    @staticmethod
    def _lease(delivery: Delivery, until: float) -> None:
        delivery.state, delivery.due_at = State.LEASED, until
        delivery.epoch += 1
