"""When a failed delivery is tried again."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.delivery.schedule import RetryPolicy
from sinkwell.settings.model import RetrySettings

HOUR = 3600.0
DEFAULT = RetryPolicy(RetrySettings().attempts, RetrySettings().base, RetrySettings().cap)

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 100),
    base=st.floats(0.01, 100.0),
    cap=st.floats(100.0, 1e6),
)
tries = st.integers(1, 10_000)
retry_after = st.one_of(
    st.none(), st.floats(-10.0, 86_400.0), st.sampled_from((math.inf, math.nan, 1e12))
)


@given(policies, tries, st.randoms(use_true_random=False))
def test_a_wait_is_never_above_its_bound_nor_below_nothing(
    policy: RetryPolicy, failed: int, rng: random.Random
) -> None:
    assert 0.0 <= policy.wait(failed, None, rng) <= policy.bound(failed) <= policy.cap


@given(policies, tries, st.floats(0.0, 86_400.0), st.randoms(use_true_random=False))
def test_a_wait_is_never_below_what_the_sink_asked_for(
    policy: RetryPolicy, failed: int, asked: float, rng: random.Random
) -> None:
    assert policy.wait(failed, asked, rng) >= asked


@given(policies, tries, retry_after, st.randoms(use_true_random=False))
def test_whatever_a_sink_asks_for_the_wait_ends(
    policy: RetryPolicy, failed: int, asked: float | None, rng: random.Random
) -> None:
    wait = policy.wait(failed, asked, rng)
    assert 0.0 <= wait <= policy.longest_wait < math.inf


@given(policies, st.integers(1, 100))
def test_bounds_never_shrink_from_try_to_try(policy: RetryPolicy, failed: int) -> None:
    assert policy.bound(failed) <= policy.bound(failed + 1)


@pytest.mark.parametrize("failed", [1, 2, 3, 7])
@pytest.mark.parametrize("asked", [None, 30.0])
def test_jitter_uses_the_whole_range(failed: int, asked: float | None) -> None:
    rng = random.Random(failed)
    floor, bound = asked or 0.0, DEFAULT.bound(failed)
    waits = [DEFAULT.wait(failed, asked, rng) - floor for _ in range(2000)]

    tenths = {int(wait / bound * 10) for wait in waits}

    assert tenths == set(range(10)), "a sink that comes back must not be met by all at once"
    assert sum(waits) / len(waits) == pytest.approx(bound / 2, rel=0.1)


def test_three_tries_are_quick_and_the_tail_then_rides_over_a_day() -> None:
    bounds = [DEFAULT.bound(failed) for failed in range(1, DEFAULT.attempts)]

    assert sum(bounds[:2]) <= 3.0, "the first three tries ride over a hiccup"
    assert bounds[2] >= 60.0, "then the sink is left in peace"
    assert 12 * HOUR <= sum(bounds) / 2 <= 36 * HOUR, "what it waits in all, on average"


def test_a_short_schedule_keeps_to_its_settings() -> None:
    policy = RetryPolicy(attempts=5, base=1.0, cap=30.0)

    assert [policy.bound(failed) for failed in range(1, 5)] == [1.0, 2.0, 30.0, 30.0]
