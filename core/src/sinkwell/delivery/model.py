"""The states of a delivery and what passes between worker and ledger.

::

    pending ──claim──▶ leased ──┬─▶ stored      a receipt that agrees
       ▲                        ├─▶ rejected    this file never here
       ├── later, handed back ──┤
       │                        └─▶ exhausted   the last try failed
       └──────── retry ── any final state

    pending ──cancel─────────▶ cancelled    someone gave it up

A lease has an end. When it is reached without a word from the worker, the delivery may be
claimed again, under the next epoch; what the former worker then says is not heard any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from sinkwell.contract import Blob, Fact


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    LEASED = "leased"
    STORED = "stored"
    REJECTED = "rejected"
    EXHAUSTED = "exhausted"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (State.PENDING, State.LEASED)


class Outcome(StrEnum):
    """How an attempt ended."""

    STORED = "stored"
    TRANSIENT = "transient"
    REJECTED = "rejected"
    UNUSABLE = "unusable"
    MISBEHAVED = "misbehaved"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class LeasedFile:
    """The file of a lease."""

    file_id: str
    source: str
    provider_id: str
    size: int
    sha256: str
    media_type: str
    name: str | None
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Lease:
    """A delivery that a worker may work on for as long as it asked."""

    delivery_id: str
    sink: str
    key: str
    epoch: int
    attempts: int
    """Attempts that counted so far."""
    interrupted: bool
    """Whether the last attempt began and was never heard of again."""
    file: LeasedFile

    @property
    def repeated(self) -> bool:
        """Whether an earlier try may have put the file already."""
        return self.epoch > 1


class Standing(NamedTuple):
    """How one delivery of a file stands."""

    sink: str
    state: State
    key: str
    location: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, as it is kept."""

    started_at: float
    ended_at: float
    outcome: Outcome
    error: str | None
    bytes: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a try makes of a delivery: its next state, its record and its events."""

    lease: Lease
    state: State
    due_at: float | None
    attempts: int
    attempt: Attempt
    location: str | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger made of a settlement."""

    valid: bool
    """False when the lease had passed to another: nothing was written."""
    released: bool
    """Whether the spool may remove the file now."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The answer to a claim."""

    leases: tuple[Lease, ...]
    next_due: float | None
    """When more could be claimed, where fewer were found than asked for."""


class Store(Protocol):
    """The spool, as a worker sees it."""

    def blob(self, file: LeasedFile) -> Blob:
        """Describe the file as sinks are given it."""
        ...

    def exists(self, file: LeasedFile) -> bool:
        """Tell whether the file is there at all."""
        ...

    async def set_aside_if_damaged(self, file: LeasedFile) -> str | None:
        """Read the file whole. When it is not what it was, quarantine it and say why."""
        ...

    def release(self, file: LeasedFile) -> None:
        """Remove the file soon: the ledger has let it go."""
        ...


class Queue(Protocol):
    """The ledger, as a worker sees it. What it returns is durable."""

    async def claim(self, sink: str, *, limit: int, lease_for: float) -> Claims:
        """Lease deliveries of a sink that are due, the longest due first."""
        ...

    async def settle(self, settlement: Settlement) -> Settled:
        """Write the outcome of an attempt, if the lease still holds."""
        ...

    async def hand_back(self, lease: Lease) -> None:
        """End a lease as if it had never been: due at once, no attempt lost."""
        ...

    async def lose_file(self, file_id: str, reason: str) -> None:
        """End all open deliveries of a file whose spooled copy is gone or damaged."""
        ...

    async def announce(self, subject: str, *facts: Fact) -> None:
        """Write events that change no delivery."""
        ...
