"""Distances: what SciPy says of the same rows, and what they are of few and of odd ones."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import spatial, special, stats

from modelmonitor.core.statistics import distances
from modelmonitor.core.statistics.distances import SMOOTHING, Distance, Sides, sides
from modelmonitor.core.statistics.shares import Counts, Floats
from modelmonitor.core.statistics.significance import chi_square_test, likelihood_ratio_test
from tests.core.monitoring import steady

Statistic = Callable[[Sides], Distance]
OF_CELLS: list[Statistic] = [
    distances.psi,
    distances.kullback_leibler,
    distances.jensen_shannon,
    distances.hellinger,
    distances.total_variation,
    distances.l_infinity,
    distances.chi_square,
    distances.g_test,
    distances.cramers_v,
]
OF_ORDER: list[Statistic] = [
    distances.kolmogorov_smirnov,
    distances.cramer_von_mises,
    distances.anderson_darling,
    distances.wasserstein,
    distances.energy,
]
ALL = OF_CELLS + OF_ORDER
COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=30).map(np.array)
SEEDS = st.integers(0, 10**6)


def some(cells: Counts) -> Counts:
    """Return counts with at least one row."""
    filled = cells.astype(np.int64)
    filled[0] += 1
    return filled


def like(before: Counts, seed: int) -> Counts:
    return some(np.random.default_rng(seed).integers(0, 1000, before.size))


def between(before: Counts, now: Counts, worth: float = 1.0) -> Sides:
    """Return two sides whose cells end at 0, 1, 2 and so on."""
    found = sides(np.asarray(before), np.asarray(now), worth)
    cuts = np.arange(found.now.size - 1, dtype=np.float64)
    return Sides(found.before, found.now, found.before_rows, found.now_rows, cuts)


def in_cells(before: Floats, now: Floats, cuts: Floats) -> Sides:
    ours, theirs = (
        np.bincount(np.searchsorted(cuts, each), minlength=cuts.size + 1) for each in (before, now)
    )
    return Sides(ours, theirs, float(before.size), float(now.size), cuts, float(before.std()))


@steady
@given(COUNTS, SEEDS)
def test_distances_of_cells_are_those_of_scipy(before: Counts, seed: int) -> None:
    before, now = some(before), like(before, seed)
    p, q = before / before.sum(), now / now.sum()
    a, b = ((each + SMOOTHING) / (each + SMOOTHING).sum() for each in (before, now))
    expected = {
        distances.psi: special.rel_entr(a, b).sum() + special.rel_entr(b, a).sum(),
        distances.kullback_leibler: stats.entropy(a, b),
        distances.jensen_shannon: spatial.distance.jensenshannon(p, q, base=2),
        distances.hellinger: spatial.distance.euclidean(np.sqrt(p), np.sqrt(q)) / math.sqrt(2),
        distances.total_variation: spatial.distance.cityblock(p, q) / 2,
        distances.l_infinity: spatial.distance.chebyshev(p, q),
        distances.chi_square: math.sqrt(((q - a) ** 2 / a).sum()),
        distances.g_test: special.rel_entr(q, a).sum(),
        # Balanced sides: as many rows of each.
        distances.cramers_v: stats.contingency.association(
            np.stack([before * now.sum(), now * before.sum()])[:, (before + now) > 0]
        ),
    }
    for statistic, value in expected.items():
        assert statistic(sides(before, now)).value == pytest.approx(value, abs=1e-7)


@steady
@given(COUNTS, SEEDS)
def test_tests_of_equal_shares_are_those_of_scipy(before: Counts, seed: int) -> None:
    before, now = some(before), like(before, seed)
    table = np.stack([before, now])[:, (before + now) > 0]
    for test, kind in ((chi_square_test, "pearson"), (likelihood_ratio_test, "log-likelihood")):
        expected = stats.chi2_contingency(table, correction=False, lambda_=kind)
        found = test(sides(before, now))
        assert found.statistic == pytest.approx(expected.statistic, abs=1e-6)
        assert found.p == pytest.approx(expected.pvalue, abs=1e-9)
        assert found.freedom == expected.dof


@steady
@given(SEEDS, st.integers(2, 60), st.integers(2, 60))
def test_distances_of_order_are_those_of_scipy_where_every_value_is_a_cut(
    seed: int, m: int, n: int
) -> None:
    draw = np.random.default_rng(seed)
    before, now = draw.integers(0, 8, m), draw.integers(0, 8, n)
    found = between(np.bincount(before, minlength=9), np.bincount(now, minlength=9))
    expected = {
        distances.kolmogorov_smirnov: stats.ks_2samp(before, now, method="asymp").statistic,
        distances.wasserstein: stats.wasserstein_distance(before, now),
        distances.energy: stats.energy_distance(before, now),
    }
    for statistic, value in expected.items():
        assert statistic(found).value == pytest.approx(value, abs=1e-9)


@steady
@given(SEEDS, st.integers(5, 60))
def test_mean_squares_are_the_two_sample_statistics_of_equally_many_rows(seed: int, n: int) -> None:
    draw = np.random.default_rng(seed)
    before, now = draw.normal(size=n), draw.normal(0.5, 2, size=n)
    cuts = np.sort(np.concatenate([before, now]))
    found = in_cells(before, now, cuts)
    cramer = n / 2 * distances.cramer_von_mises(found).value ** 2
    assert cramer == pytest.approx(stats.cramervonmises_2samp(before, now).statistic)
    anderson = n / 2 * distances.anderson_darling(found).value ** 2
    ranks = np.arange(1, 2 * n)
    mine = np.searchsorted(np.sort(before), cuts[:-1], "right")
    table = ((2 * mine - ranks) ** 2 / (ranks * (2 * n - ranks))).sum()
    assert anderson == pytest.approx(table)


@settings(steady, max_examples=20)
@given(SEEDS, st.integers(50, 400), st.floats(-1, 1), st.floats(0.3, 3))
def test_intervals_hold_what_cells_hide(seed: int, n: int, shift: float, scale: float) -> None:
    draw = np.random.default_rng(seed)
    before, now = draw.gamma(2, size=400), shift + scale * draw.gamma(2, size=n)
    cuts = np.unique(
        np.concatenate([[before.min()], np.quantile(before, np.arange(1, 21) / 21), [before.max()]])
    )
    found = in_cells(before, now, cuts)
    clipped = np.clip(now, cuts[0], cuts[-1])
    both = np.sort(np.concatenate([before, now]))
    f, g = (np.searchsorted(np.sort(each), both, "right") / each.size for each in (before, now))
    # Both sides count alike, whatever their rows.
    weight = (
        np.where(np.isin(both, before), 1 / before.size, 0) + np.where(np.isin(both, now), 1 / n, 0)
    ) / 2
    h = np.clip((f + g) / 2, 1e-12, 1 - 1e-12)
    truth = {
        distances.kolmogorov_smirnov: stats.ks_2samp(before, now).statistic,
        distances.cramer_von_mises: math.sqrt((weight * (f - g) ** 2).sum()),
        distances.anderson_darling: math.sqrt((weight * (f - g) ** 2 / (h * (1 - h))).sum()),
        distances.wasserstein: stats.wasserstein_distance(before, clipped) / before.std(),
        distances.energy: stats.energy_distance(before, clipped) / math.sqrt(before.std()),
    }
    for statistic, value in truth.items():
        one = statistic(found)
        assert one.low - 1e-9 <= value <= one.high + 1e-9, statistic.__name__


@pytest.mark.parametrize("statistic", ALL)
def test_equal_shares_are_no_distance_at_all(statistic: Statistic) -> None:
    found = statistic(between(np.full(10, 10_000), np.full(10, 1000)))
    assert found.value == pytest.approx(0, abs=1e-4)
    assert found.low == 0


@pytest.mark.parametrize("statistic", ALL)
def test_distributions_without_overlap_are_as_far_as_can_be(statistic: Statistic) -> None:
    most = {"cramer_von_mises": 3**-0.5, "anderson_darling": (8 * math.log(2) - 4) ** 0.5}
    lower, upper = np.arange(30), np.minimum(np.arange(30, 60), 58)
    wide = {
        "wasserstein": stats.wasserstein_distance(lower, upper),
        "energy": stats.energy_distance(lower, upper),
    }
    before, now = np.repeat([20, 0], 30), np.repeat([0, 20], 30)
    found = statistic(between(before, now)).value
    bounded = ("jensen", "hellinger", "total", "cramers_v", "kolmogorov")
    if statistic.__name__.startswith(bounded):
        assert found == pytest.approx(1.0)
    elif statistic.__name__ in most:
        assert found == pytest.approx(most[statistic.__name__], rel=0.05)
    elif statistic.__name__ in wide:
        # What is above the last cut, 58, counts as it.
        assert found == pytest.approx(wide[statistic.__name__])
    elif statistic is distances.l_infinity:
        assert found == pytest.approx(1 / 30)
    else:
        assert 3 < found < 10


@pytest.mark.parametrize("statistic", ALL)
def test_rows_that_are_worth_less_make_the_interval_wider(statistic: Statistic) -> None:
    before, now = np.array([5000, 3000, 2000]), np.array([300, 400, 300])
    one, ten = (statistic(between(before, now, worth)) for worth in (1.0, 10.0))
    assert one.value == pytest.approx(ten.value)
    assert ten.low <= one.low < one.high <= ten.high
    assert ten.noise > one.noise


@pytest.mark.parametrize("statistic", ALL)
def test_a_baseline_of_dependent_rows_makes_the_interval_wider(statistic: Statistic) -> None:
    before, now = np.full(20, 1000.0), 20 + np.arange(20) ** 2
    cuts = np.arange(19.0)
    sure, unsure = (
        statistic(Sides(before, now, rows, float(now.sum()), cuts)) for rows in (20_000.0, 500.0)
    )
    assert unsure.value == sure.value
    assert unsure.noise > sure.noise
    assert unsure.low < sure.low
    assert unsure.high - unsure.low > sure.high - sure.low


@pytest.mark.parametrize("statistic", ALL)
def test_one_row_of_a_new_category_is_no_certain_shift(statistic: Statistic) -> None:
    # The chi-square test calls this a shift with p = 0.
    found = statistic(between(np.array([30_000, 20_000, 0]), np.array([6000, 3999, 1])))
    assert found.low < 0.02
    assert found.value < 0.03


@pytest.mark.parametrize("statistic", ALL)
def test_small_windows_are_not_sure_of_anything(statistic: Statistic) -> None:
    draw = np.random.default_rng(3)
    found = statistic(between(np.full(20, 1000), draw.multinomial(10, np.full(20, 1 / 20))))
    assert found.low < 0.01 * found.noise
    assert found.value < found.noise
    assert found.high > 0.1 * found.noise


@pytest.mark.parametrize("statistic", ALL)
def test_cells_that_nobody_fills_are_no_error(statistic: Statistic) -> None:
    found = statistic(between(np.array([5, 0, 5, 0]), np.array([1, 0, 1, 0])))
    assert all(math.isfinite(each) for each in (found.value, found.noise, found.low, found.high))
    assert 0 <= found.low <= found.high


@pytest.mark.parametrize("statistic", ALL)
@pytest.mark.parametrize(
    ("before", "now"),
    [([7], [3]), ([7, 0], [3, 0]), ([1, 0], [0, 1]), ([0, 0, 9], [4, 0, 0])],
    ids=["one cell", "one filled cell", "one row each", "all elsewhere"],
)
def test_the_smallest_tables(statistic: Statistic, before: list[int], now: list[int]) -> None:
    found = statistic(between(np.array(before), np.array(now)))
    assert all(math.isfinite(each) for each in (found.value, found.noise, found.low, found.high))
    assert 0 <= found.low <= found.high
