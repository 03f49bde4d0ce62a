"""The ledger where the state machine does not reach: other spools, other processes' clocks."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
from ledgers import FOR_EVER, START, MovedClock, make_acceptance, make_ledger

from sinkwell.contract import TransientError
from sinkwell.delivery import decide
from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.ledger.ledger import Ledger
from sinkwell.ledger.reads import Filter

POLICY = RetryPolicy(attempts=5, base=1.0, cap=100.0)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def ledger(tmp_path: Path, clock: MovedClock) -> AsyncIterator[Ledger]:
    ledger = make_ledger(tmp_path, clock)
    yield ledger
    await ledger.close()


async def test_files_in_another_spool_are_neither_claimed_nor_waited_for(
    tmp_path: Path, clock: MovedClock, ledger: Ledger
) -> None:
    await ledger.record_acceptance(make_acceptance("archive"))
    await ledger.close()
    moved = Ledger(tmp_path / "ledger.sqlite3", spool_id="another", clock=clock, retention=FOR_EVER)

    claims = await moved.claim("archive", limit=5, lease_for=60.0)
    await moved.close()

    assert claims.leases == ()
    assert claims.next_due is None, "a worker would look for it again and again at once"


@pytest.mark.parametrize(("set_back", "waits"), [(0.0, True), (10 * 86_400.0, False)])
async def test_a_restart_obeys_retry_after_but_no_wait_that_a_wrong_clock_made(
    ledger: Ledger, clock: MovedClock, set_back: float, waits: bool
) -> None:
    await ledger.record_acceptance(make_acceptance("archive"))
    (lease,) = (await ledger.claim("archive", limit=1, lease_for=60.0)).leases
    busy = TransientError("busy", retry_after=80_000.0)
    await ledger.settle(
        decide.failed(lease, busy, started_at=START, now=START, schedule=POLICY, rng=Random(1))
    )

    clock.present -= set_back
    await ledger.take_over(POLICY.longest_wait)

    (delivery,) = await ledger.list_deliveries(Filter())
    assert delivery.due_at is not None
    assert (delivery.due_at > clock.present) == waits
