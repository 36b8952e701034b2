"""Latency buckets: within 1 % of the order statistics, and additive."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.counting.latency import (
    LatencyCounter,
    bucket_index,
    bucket_upper,
    bucket_value,
    cumulative,
    merge,
    quantile,
)
from modelmonitor.core.wire.pane import LATENCY_GAMMA, LatencyCounts

seconds = st.floats(1e-6, 1e4)
latencies = st.lists(seconds, min_size=1, max_size=200)


def counted(values: list[float]) -> LatencyCounts:
    counter = LatencyCounter()
    for value in values:
        counter.add(value)
    return counter.counts()


@given(seconds)
def test_a_bucket_holds_what_is_above_its_lower_and_up_to_its_upper_bound(value: float) -> None:
    index = bucket_index(value)
    assert bucket_upper(index - 1) * (1 - 1e-12) <= value <= bucket_upper(index) * (1 + 1e-12)


@given(seconds)
def test_the_value_of_a_bucket_is_within_one_percent(value: float) -> None:
    assert bucket_value(bucket_index(value)) == pytest.approx(value, rel=0.01)


@given(latencies, st.floats(0.0, 1.0))
def test_a_quantile_is_the_order_statistic_within_one_percent(
    values: list[float], share: float
) -> None:
    rank = max(1, math.ceil(share * len(values) - 1e-9))
    assert quantile(counted(values), share) == pytest.approx(sorted(values)[rank - 1], rel=0.01)


def test_quantiles_agree_with_numpy() -> None:
    values = np.random.default_rng(3).lognormal(-3.0, 1.0, 10_000)
    counts = counted(values.tolist())
    for share in (0.5, 0.9, 0.99):
        oracle = np.quantile(values, share, method="inverted_cdf")
        assert quantile(counts, share) == pytest.approx(oracle, rel=0.01)


@given(latencies, latencies)
def test_merging_is_counting_together(left: list[float], right: list[float]) -> None:
    merged = merge([counted(left), counted(right)])
    together = counted(left + right)
    assert merged.buckets == together.buckets
    assert merged.count == together.count
    assert merged.total == pytest.approx(together.total)
    assert merge([counted(right), counted(left)]).buckets == merged.buckets


def test_nothing_has_no_quantile() -> None:
    assert quantile(LatencyCounts(), 0.5) is None
    assert merge([]) == LatencyCounts()


def test_a_share_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1, not 99"):
        quantile(counted([1.0]), 99)


def test_clocks_that_run_backwards_count_as_a_microsecond() -> None:
    counts = counted([-0.5, 0.0, 1e-9])
    assert counts.buckets == {bucket_index(1e-6): 3}
    assert counts.total == pytest.approx(1e-9)


@given(latencies)
def test_cumulative_counts_rise_to_the_whole(values: list[float]) -> None:
    bounds = [1e-4, 1e-2, 1.0, math.inf]
    passed = cumulative(counted(values), bounds)
    assert passed == sorted(passed)
    assert passed[-1] == len(values)
    for bound, times in zip(bounds[:-1], passed, strict=False):
        assert sum(value <= bound / LATENCY_GAMMA for value in values) <= times
        assert times <= sum(value <= bound * LATENCY_GAMMA for value in values)
