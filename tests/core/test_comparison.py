"""Comparisons: the interval holds what both sides leave open, and no more."""

import math

import numpy as np
import pytest

from modelmonitor.api.v1alpha1.metric_options import CompareAs, CompareTo, Comparison
from modelmonitor.core.judging.comparison import UNBOUNDED, Estimate, compared, exactly, worded

Z = 1.959964


def normal(mean: float, deviation: float) -> Estimate:
    return Estimate(mean, mean - Z * deviation, mean + Z * deviation)


@pytest.mark.parametrize(
    ("as_", "value"),
    [(CompareAs.DIFFERENCE, 1.0), (CompareAs.RATIO, 1.5), (CompareAs.RELATIVE_CHANGE, 0.5)],
)
def test_what_is_known_exactly_compares_exactly(as_: CompareAs, value: float) -> None:
    assert compared(exactly(3.0), exactly(2.0), as_) == exactly(value)


def test_the_variances_of_a_difference_add_up() -> None:
    found = compared(normal(5, 3), normal(2, 4), CompareAs.DIFFERENCE)
    assert (found.value, found.low, found.high) == pytest.approx((3, 3 - 5 * Z, 3 + 5 * Z))


def test_uneven_intervals_stay_uneven() -> None:
    found = compared(Estimate(0.1, 0.09, 0.2), exactly(0.05), CompareAs.DIFFERENCE)
    assert (found.low, found.high) == pytest.approx((0.04, 0.15))


@pytest.mark.parametrize("now", [10.0, 1.0, 0.0, -1.0, -10.0])
@pytest.mark.parametrize("before", [8.0, -8.0])
def test_the_interval_of_a_ratio_is_fiellers(now: float, before: float) -> None:
    """Its ends are where now - R before is Z standard deviations from 0."""
    found = compared(normal(now, 1), normal(before, 2), CompareAs.RATIO)
    assert found.value == pytest.approx(now / before)
    for ratio in (found.low, found.high):
        assert abs(now - ratio * before) == pytest.approx(Z * math.hypot(1, ratio * 2))
    assert found.low < found.value < found.high


def test_nineteen_of_twenty_ratios_are_in_their_interval() -> None:
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(2000):
        now, before = draw.normal(6, 1), draw.normal(10, 1)
        found = compared(normal(now, 1), normal(before, 1), CompareAs.RATIO)
        held += found.low <= 0.6 <= found.high
    assert held / 2000 == pytest.approx(0.95, abs=0.015)


def test_of_a_negative_reference_more_is_still_more() -> None:
    found = compared(exactly(-5.0), Estimate(-10, -12, -8), CompareAs.RELATIVE_CHANGE)
    assert found.value == pytest.approx(0.5)
    assert found.low == pytest.approx(1 - 5 / 8)
    assert found.high == pytest.approx(1 - 5 / 12)


@pytest.mark.parametrize("before", [Estimate(1, -0.5, 2), exactly(0.0), UNBOUNDED])
@pytest.mark.parametrize("as_", [CompareAs.RATIO, CompareAs.RELATIVE_CHANGE])
def test_nothing_is_known_of_a_ratio_to_what_may_be_nothing(
    before: Estimate, as_: CompareAs
) -> None:
    found = compared(exactly(3.0), before, as_)
    assert math.isnan(found.value)
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_of_a_reference_that_may_be_nothing_the_least_ratio_is_known() -> None:
    now = Estimate(0.5, 0.45, 0.55)
    found = compared(now, Estimate(0.001, 0.0, 0.01), CompareAs.RATIO)
    assert found.value == pytest.approx(500)
    assert 45 < found.low < 60
    assert found.high == math.inf
    least = compared(now, Estimate(0.0, 0.0, 0.01), CompareAs.RATIO)
    assert least.value == least.low == pytest.approx(math.sqrt(0.45 * 0.55) / 0.01)
    change = compared(now, Estimate(0.0, 0.0, 0.01), CompareAs.RELATIVE_CHANGE)
    assert change.low == pytest.approx(least.low - 1)
    assert compared(Estimate(0.0, -1, 1), Estimate(0, 0, 1), CompareAs.RATIO) is UNBOUNDED


def test_one_sided_intervals_give_one_sided_ones() -> None:
    now, before = Estimate(4, 3, math.inf), Estimate(2, 1, math.inf)
    ratio = compared(now, before, CompareAs.RATIO)
    assert (ratio.low, ratio.high) == (0.0, math.inf)
    assert compared(now, exactly(2.0), CompareAs.RATIO).low == pytest.approx(1.5)
    difference = compared(now, before, CompareAs.DIFFERENCE)
    assert (difference.low, difference.high) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("as_", "value", "words"),
    [
        ("Difference", 0.125, "0.125 more than the baseline's"),
        ("Difference", -2.0, "2 less than the baseline's"),
        ("Ratio", 1.306, "1.31 times the baseline's"),
        ("RelativeChange", -0.104, "10.40% below the baseline's"),
        ("RelativeChange", 0.5, "50.00% above the baseline's"),
    ],
)
def test_a_comparison_is_told_in_words(as_: str, value: float, words: str) -> None:
    comparison = Comparison.model_validate({"to": "Baseline", "as": as_})
    assert worded(comparison, exactly(value)) == words
    comparison = Comparison(to=CompareTo.PREVIOUS_PERIOD)
    assert worded(comparison, exactly(1.0)) == "1 more than the previous period's"
