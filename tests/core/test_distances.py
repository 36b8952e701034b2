"""Distances: SciPy's values, golden values, and intervals that hold."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import spatial, special, stats

from modelmonitor.core.statistics.distances import (
    SMOOTHING,
    Distance,
    jensen_shannon,
    kolmogorov_smirnov,
    psi,
)
from modelmonitor.core.statistics.shares import Counts
from tests.core.monitoring import steady

Statistic = Callable[[Counts, Counts, float], Distance]
ALL: list[Statistic] = [psi, jensen_shannon, kolmogorov_smirnov]
CELLS = st.lists(st.integers(0, 1000), min_size=2, max_size=30).map(np.array)


def some(cells: Counts) -> Counts:
    """Return counts with at least one row."""
    filled = cells.astype(np.int64)
    filled[0] += 1
    return filled


@steady
@given(CELLS, st.integers(0, 10**6))
def test_psi_is_the_symmetric_divergence_of_scipy(before: Counts, seed: int) -> None:
    now = np.random.default_rng(seed).integers(0, 1000, before.size)
    p, q = ((each + SMOOTHING) / (each + SMOOTHING).sum() for each in (some(before), some(now)))
    expected = special.rel_entr(p, q).sum() + special.rel_entr(q, p).sum()
    assert psi(some(before), some(now)).value == pytest.approx(expected, abs=1e-12)


@steady
@given(CELLS, st.integers(0, 10**6))
def test_jensen_shannon_is_the_distance_of_scipy(before: Counts, seed: int) -> None:
    now = some(np.random.default_rng(seed).integers(0, 1000, before.size))
    expected = spatial.distance.jensenshannon(some(before), now, base=2)
    assert jensen_shannon(some(before), now).value == pytest.approx(expected, abs=1e-7)


@steady
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(2, 60))
def test_kolmogorov_smirnov_is_that_of_scipy_where_every_value_is_a_cut(
    seed: int, m: int, n: int
) -> None:
    draw = np.random.default_rng(seed)
    before, now = draw.integers(0, 8, m), draw.integers(0, 8, n)
    expected = stats.ks_2samp(before, now, method="exact").statistic
    counts = np.bincount(before, minlength=8), np.bincount(now, minlength=8)
    assert kolmogorov_smirnov(*counts).value == pytest.approx(expected)


def test_a_category_that_was_replaced_by_another() -> None:
    # NannyML's test of abcd against abce, Jensen-Shannon distance with base 2: 0.50
    before, now = np.array([250, 250, 250, 250, 0]), np.array([250, 250, 250, 0, 250])
    assert jensen_shannon(before, now).value == pytest.approx(0.5)


def test_distributions_without_overlap_are_as_far_as_can_be() -> None:
    # TensorFlow Data Validation's test of no overlap, Jensen-Shannon divergence with base 2: 1
    apart = np.array([1000, 0]), np.array([0, 1000])
    assert jensen_shannon(*apart).value == pytest.approx(1.0)
    assert kolmogorov_smirnov(*apart).value == 1.0


@pytest.mark.parametrize("statistic", ALL)
def test_equal_shares_are_no_distance_at_all(statistic: Statistic) -> None:
    found = statistic(np.full(10, 10_000), np.full(10, 1000), 1.0)
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.low == 0


@pytest.mark.parametrize("statistic", ALL)
@pytest.mark.parametrize("rows", [50, 200, 2000])
@pytest.mark.parametrize("cells", [20, 200])
def test_without_change_95_of_100_windows_stay_below_the_noise(
    statistic: Statistic, rows: int, cells: int
) -> None:
    draw = np.random.default_rng(21)
    shares = 1 / np.arange(1, cells + 1)
    shares /= shares.sum()
    found = [
        statistic(draw.multinomial(20_000, shares), draw.multinomial(rows, shares), 1.0)
        for _ in range(400)
    ]
    assert np.mean([each.value <= each.noise for each in found]) >= 0.88


@pytest.mark.parametrize("statistic", ALL)
@pytest.mark.parametrize("moved", [0.0, 0.05, 0.2], ids=["no change", "some", "much"])
def test_the_interval_holds_the_true_distance(statistic: Statistic, moved: float) -> None:
    draw = np.random.default_rng(22)
    p = np.full(20, 1 / 20)
    q = p + moved * np.where(np.arange(20) < 10, -1, 1) / 20 * 2
    huge = 10**9
    truth = statistic((p * huge).astype(np.int64), (q * huge).astype(np.int64), 1.0).value
    found = [
        statistic(draw.multinomial(20_000, p), draw.multinomial(1000, q), 1.0) for _ in range(300)
    ]
    held = np.mean([each.low - 1e-3 <= truth <= each.high + 1e-3 for each in found])
    assert held >= 0.9


@pytest.mark.parametrize("statistic", ALL)
def test_rows_that_are_worth_less_make_the_interval_wider(statistic: Statistic) -> None:
    before, now = np.array([5000, 3000, 2000]), np.array([300, 400, 300])
    one, ten = statistic(before, now, 1.0), statistic(before, now, 10.0)
    assert one.value == ten.value
    assert ten.low <= one.low < one.high <= ten.high
    assert ten.noise > one.noise


def test_one_row_of_a_new_category_is_no_drift() -> None:
    # The chi-square test calls this a shift with p = 0.
    before, now = np.array([30_000, 20_000, 0]), np.array([6000, 3999, 1])
    assert psi(before, now).value < 0.002
    assert jensen_shannon(before, now).value < 0.02


def test_small_windows_are_not_sure_of_anything() -> None:
    found = psi(np.full(20, 1000), np.arange(20) % 2)
    assert found.noise > 0.25
    assert found.low == 0
    assert found.high > 0.25


def test_cells_that_nobody_fills_are_no_error() -> None:
    for statistic in ALL:
        found = statistic(np.array([5, 0, 5, 0]), np.array([1, 0, 1, 0]), 1.0)
        assert math.isfinite(found.noise)
        assert 0 <= found.low <= found.value <= found.high
