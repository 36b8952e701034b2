"""Values of the tests of other tools: equal where definitions agree, with a reason where not.

Inputs and values are theirs, named by repository and file; what is computed of them is ours.
"""

import math

import numpy as np
import pytest
from scipy import stats

from modelmonitor.core.statistics import distances
from modelmonitor.core.statistics.distances import Sides, sides
from modelmonitor.core.statistics.shares import Floats
from modelmonitor.core.statistics.significance import chi_square_test

EVIDENTLY_BEFORE = [16, 18, 16, 14, 12, 12]
EVIDENTLY_NOW = [16, 16, 16, 16, 16, 8]
BODY = [38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0]
OTHER = [39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8]


def counted(before: list[int], now: list[int]) -> Sides:
    return sides(np.array(before), np.array(now))


def rows(before: Floats | list[float], now: Floats | list[float], deviation: float = 1.0) -> Sides:
    """Return two sides of rows, every value of which is a cut."""
    cuts = np.unique(np.concatenate([before, now]))
    ours, theirs = (
        np.bincount(np.searchsorted(cuts, each), minlength=cuts.size + 1) for each in (before, now)
    )
    return Sides(ours, theirs, float(len(before)), float(len(now)), cuts, deviation)


class TestEvidently:
    """evidentlyai/evidently: tests/stattests/test_stattests.py."""

    @pytest.mark.parametrize("times", [1, 2])
    def test_hellinger(self, times: int) -> None:
        before = [times * each for each in EVIDENTLY_BEFORE]
        found = distances.hellinger(counted(before, EVIDENTLY_NOW))
        assert found.value == pytest.approx(0.06812, abs=1e-5)

    def test_the_chi_square_of_a_baseline_that_is_certain(self) -> None:
        # Their p of .67309 takes the reference for exact, as it were of infinitely many rows.
        exact = 10**9 * np.array(EVIDENTLY_BEFORE, np.float64)
        found = chi_square_test(sides(exact, np.array(EVIDENTLY_NOW)))
        assert found.freedom == 5
        assert found.p == pytest.approx(0.67309, abs=1e-5)

    def test_the_chi_square_of_a_baseline_of_as_many_rows(self) -> None:
        # Theirs is p .67309 here too. But 88 reference rows err as much as 88 current ones, which
        # halves the statistic: a table of both sides says so, as SciPy's does.
        found = chi_square_test(counted(EVIDENTLY_BEFORE, EVIDENTLY_NOW))
        expected = stats.chi2_contingency([EVIDENTLY_BEFORE, EVIDENTLY_NOW])
        assert found.p == pytest.approx(expected.pvalue)
        assert found.p == pytest.approx(0.90, abs=0.01)

    def test_the_g_test_of_a_baseline_that_is_certain(self) -> None:
        # Their .8176 is the p of Pearson's and of the G statistic alike at these rows: G is 2 n
        # times our value per row, but for the half a row by which ours is smoothed.
        now = np.array([4, 6, 8])
        found = distances.g_test(sides(10**9 * np.array([5.0, 5.0, 8.0]), now))
        assert stats.chi2.sf(2 * now.sum() * found.value, 2) == pytest.approx(0.8176, abs=1e-3)

    def test_anderson_darling(self) -> None:
        between = rows(BODY, OTHER)
        statistic = len(BODY) / 2 * distances.anderson_darling(between).value ** 2
        assert statistic == pytest.approx(_anderson_darling(BODY, OTHER))
        # Their p follows from the same statistic by its table (Scholz and Stephens 1987, table 1):
        # .0635 lies between the 10 % point, 1.226, and the 5 % point, 1.961, in standard units.
        n, total = len(BODY), 2 * len(BODY)
        assert 1.226 < (statistic - 1) / _deviation_of_anderson_darling(n, total) < 1.961

    def test_cramer_von_mises(self) -> None:
        before = stats.norm.rvs(size=100, random_state=0)
        now = stats.norm.rvs(size=100, random_state=1)
        statistic = 50 * distances.cramer_von_mises(rows(before, now)).value ** 2
        theirs = stats.cramervonmises_2samp(before, now)
        assert theirs.pvalue == pytest.approx(0.8076839, abs=1e-3)
        assert statistic == pytest.approx(theirs.statistic)

    @pytest.mark.parametrize(("shift", "expected", "near"), [(0.0, 0.0, 1e-5), (5.0, 1.9, 0.1)])
    def test_energy(self, shift: float, expected: float, near: float) -> None:
        found = distances.energy(rows(BODY, np.array(BODY) + shift))
        assert found.value == pytest.approx(expected, abs=near)

    @pytest.mark.parametrize(
        ("now", "theirs"),
        [
            ([16, 16, 16, 16, 16, 8], 0.928),
            ([10, 10, 24, 24, 10, 10], 0.085),
            ([0, 0, 0, 0, 0, 88], 0.0),
            ([16, 18, 16, 14, 12, 12], 1.0),
            ([10, 24, 12, 16, 8, 16], 0.309),
        ],
    )
    def test_total_variation_is_a_distance_of_which_theirs_is_the_p_value(
        self, now: list[int], theirs: float
    ) -> None:
        # What they call TVD is the p-value of 1,000 permutations, so that a small one is a large
        # distance. The order is the same, and what is above our noise is what they call drift.
        found = distances.total_variation(counted(EVIDENTLY_BEFORE, now))
        gaps = np.array(EVIDENTLY_BEFORE) / sum(EVIDENTLY_BEFORE) - np.array(now) / sum(now)
        assert found.value == pytest.approx(np.abs(gaps).sum() / 2)
        assert (found.value > found.noise) == (theirs < 0.05)


class TestNannyML:
    """NannyML/nannyml: tests/drift/test_univariate_drift_methods.py; all of seed 1."""

    def test_jensen_shannon_of_equal_rows(self) -> None:
        draw = np.random.RandomState(1)
        before = draw.choice(np.linspace(0, 2, 6), 10_000)
        assert distances.jensen_shannon(rows(before, before)).value == 0

    def test_jensen_shannon_of_numbers(self) -> None:
        # Theirs is .05 in 15 equal-width cells (Doane's rule). Ours has 22 cells, each as full as
        # the others, and so more of what is chance only; its noise floor says so.
        draw = np.random.RandomState(1)
        before, now = draw.normal(0, 1, 10_000), draw.normal(0, 1, 1000)
        found = distances.jensen_shannon(_in_quantile_cells(before, now))
        assert 0.05 < found.value < found.noise < 0.1

    def test_jensen_shannon_and_hellinger_of_few_values(self) -> None:
        draw = np.random.RandomState(1)
        before = draw.choice(np.linspace(0, 2, 6), 10_000)
        now = draw.choice(np.linspace(0, 2, 3), 1000)
        # Of the three values the baseline knows two.
        between = rows(before, now)
        assert distances.jensen_shannon(between).value == pytest.approx(0.73, abs=0.005)
        assert distances.hellinger(between).value == pytest.approx(0.72, abs=0.005)

    def test_jensen_shannon_and_hellinger_of_categories(self) -> None:
        draw = np.random.RandomState(1)
        known = ["a", "b", "c", "d", "e"]
        before = draw.choice(["a", "b", "c", "d"], 10_000)
        now = draw.choice(["a", "b", "c", "e"], 1000)
        between = counted(
            [int((before == each).sum()) for each in known],
            [int((now == each).sum()) for each in known],
        )
        assert distances.jensen_shannon(between).value == pytest.approx(0.5, abs=0.005)
        assert distances.hellinger(between).value == pytest.approx(0.5, abs=0.005)

    @pytest.mark.parametrize(
        ("now", "expected"), [([2, 2, 2, 1], 0.14), ([2, 2, 2, 0], 0.0), ([0, 5, 0, 0], 0.67)]
    )
    def test_l_infinity(self, now: list[int], expected: float) -> None:
        found = distances.l_infinity(counted([2, 2, 2, 0], now))
        assert found.value == pytest.approx(expected, abs=0.005)

    @pytest.mark.parametrize(
        ("size", "mean", "expected"), [(10_000, 1.0, 1.01), (100_000, -4.0, 3.99)]
    )
    def test_wasserstein(self, size: int, mean: float, expected: float) -> None:
        draw = np.random.RandomState(1)
        before, now = draw.normal(0, 1, size), draw.normal(mean, 1, 1000)
        cuts = np.unique(np.concatenate([before, now]))
        ours, theirs = (np.searchsorted(np.sort(each), cuts, "right") for each in (before, now))
        exact = float((np.abs(ours / size - theirs / 1000)[:-1] * np.diff(cuts)).sum())
        assert exact == pytest.approx(expected, abs=0.005)
        # Of counts in cells it is known within bounds, and rows beyond the baseline's minimum
        # count as this: what they add is said in words, not in the value.
        found = distances.wasserstein(_in_quantile_cells(before, now))
        clipped = stats.wasserstein_distance(before, np.clip(now, before.min(), before.max()))
        assert found.low <= clipped / float(before.std()) <= found.high

    @pytest.mark.parametrize(
        ("mean", "expected"), [(7.0, 1.0), (-2.0, 0.63)], ids=["no overlap", "small drift"]
    )
    def test_hellinger_of_numbers(self, mean: float, expected: float) -> None:
        # Of two normal distributions it is sqrt(1 - exp(-mean^2 / 8)): .999 and .627. Cells hide
        # a little of it, of any kind: the quantile cells' values lie below.
        draw = np.random.RandomState(1)
        before, now = draw.normal(0, 1, 10_000), draw.normal(mean, 1, 10_000)
        found = distances.hellinger(_in_quantile_cells(before, now)).value
        assert found == pytest.approx(expected, abs=0.12)
        assert found <= math.sqrt(1 - math.exp(-(mean**2) / 8)) + 0.01


class TestTensorFlowDataValidation:
    """tensorflow/data-validation: tensorflow_data_validation/anomalies/metrics_test.cc."""

    @pytest.mark.parametrize(
        ("before", "now", "divergence"),
        [
            ([2987, 1007, 2007], [2987, 1007, 2007], 0.0),
            ([2, 2, 0, 0], [0, 1, 1, 2], 0.65563906222),
            ([2, 2, 0, 0], [0, 0, 2, 2], 1.0),
            ([4, 0, 0], [0, 2, 2], 1.0),
        ],
        ids=["equal", "other bounds, in common cells", "no overlap", "all in one"],
    )
    def test_jensen_shannon(self, before: list[int], now: list[int], divergence: float) -> None:
        # Theirs is the divergence; ours, as NannyML's and SciPy's, the distance: its root.
        found = distances.jensen_shannon(counted(before, now))
        assert found.value**2 == pytest.approx(divergence, abs=1e-9)

    def test_missing_values_are_no_cell_of_ours(self) -> None:
        # Their divergence of 1 NaN and 3 numbers from 4 numbers is .13792538096, because NaN is a
        # cell. Ours would be the same of such cells; but missing values are a matter of data
        # quality, and equal shares of them are no distance, where theirs are.
        assert distances.jensen_shannon(counted([1, 3], [0, 4])).value ** 2 == pytest.approx(
            0.13792538096
        )
        assert distances.jensen_shannon(counted([3], [4])).value == 0

    @pytest.mark.parametrize(
        ("before", "now", "expected"),
        [
            ([10, 90], [30, 70], 0.2),
            ([0, 90, 10], [30, 70, 0], 0.3),
            ([30, 70, 0], [0, 90, 10], 0.3),
        ],
    )
    def test_l_infinity(self, before: list[int], now: list[int], expected: float) -> None:
        assert distances.l_infinity(counted(before, now)).value == pytest.approx(expected)


class TestFrouros:
    """IFCA-Advanced-Computing/frouros: frouros/tests/integration/test_data_drift.py; seed 31."""

    def test_chi_square(self) -> None:
        found = chi_square_test(counted([4, 2, 0], [1, 1, 4]))
        assert found.statistic == pytest.approx(6.13333333)
        assert found.p == pytest.approx(0.04657615)

    def test_wasserstein_and_energy(self) -> None:
        between = rows(*_far_apart())
        assert distances.wasserstein(between).value == pytest.approx(3.85346006)
        assert distances.energy(between).value == pytest.approx(2.11059982)

    def test_hellinger(self) -> None:
        # Their Bhattacharyya distance of .55516059 is the square of it, 1 - sum sqrt(p q).
        found = distances.hellinger(_in_ten_cells(*_far_apart())).value
        assert found == pytest.approx(0.74509099)
        assert found**2 == pytest.approx(0.55516059)
        near = distances.hellinger(_in_ten_cells(*_same_distribution()))
        assert near.value == pytest.approx(0.04792538)
        assert near.value < near.noise

    def test_what_histograms_do_not_share_is_the_total_variation(self) -> None:
        found = distances.total_variation(_in_ten_cells(*_far_apart()))
        assert found.value == pytest.approx(0.78)

    def test_psi_where_every_cell_is_filled(self) -> None:
        # Half a row in each of ten cells makes the difference from .01840072.
        found = distances.psi(_in_ten_cells(*_same_distribution()))
        assert found.value == pytest.approx(0.01840072, rel=0.06)
        assert found.value < found.noise

    def test_psi_where_cells_are_empty(self) -> None:
        # Theirs is 461.20379435, because they take an empty cell for a share of 2e-308: with
        # another tiny number it would be another value, 24.17 with 2e-16. Half a row a cell is
        # what 100 rows can say.
        found = distances.psi(_in_ten_cells(*_far_apart())).value
        assert found == pytest.approx(3.914, abs=1e-3)

    def test_jensen_shannon(self) -> None:
        # Theirs is .67010107 with the natural logarithm and other cells for each side. In the same
        # ten cells, and with base 2, it is SciPy's .791; the natural one is sqrt(ln 2) times that.
        found = distances.jensen_shannon(_in_ten_cells(*_far_apart())).value
        assert found * math.sqrt(math.log(2)) == pytest.approx(0.67010107, abs=0.015)

    def test_kullback_leibler(self) -> None:
        # Theirs is infinite: a value that the baseline has and the window lacks. A threshold cannot
        # be compared with infinity, so that ours is smoothed.
        assert distances.kullback_leibler(_in_ten_cells(*_far_apart())).value < 10


def _far_apart() -> tuple[Floats, Floats]:
    return np.random.RandomState(31).normal(1, 1, 100), np.random.RandomState(31).normal(5, 2, 100)


def _same_distribution() -> tuple[Floats, Floats]:
    draw = np.random.RandomState(31)
    return draw.normal(1, 1, 500), draw.normal(1, 1, 500)


def _in_ten_cells(before: Floats, now: Floats) -> Sides:
    both = np.concatenate([before, now])
    edges = np.linspace(both.min(), both.max(), 11)
    return sides(np.histogram(before, edges)[0], np.histogram(now, edges)[0])


def _deviation_of_anderson_darling(n: int, total: int) -> float:
    """Return the standard deviation under the null for two samples of n rows (their equation 4)."""
    h = sum(1 / i for i in range(1, total))
    harmonic = 2 / n
    g = sum(1 / ((total - i) * j) for i in range(1, total - 1) for j in range(i + 1, total))
    a = (4 * g - 6) + (10 - 6 * g) * harmonic
    b = (2 * g - 4) * 4 + 8 * h * 2 + (2 * g - 14 * h - 4) * harmonic - 8 * h + 4 * g - 6
    c = (6 * h + 2 * g - 2) * 4 + (4 * h - 4 * g + 6) * 2 + (2 * h - 6) * harmonic + 4 * h
    d = (2 * h + 6) * 4 - 4 * h * 2
    variance = a * total**3 + b * total**2 + c * total + d
    return math.sqrt(variance / ((total - 1) * (total - 2) * (total - 3)))


def _anderson_darling(before: list[float], now: list[float]) -> float:
    """Return the two-sample statistic as Scholz and Stephens 1987 write it, without ties."""
    both = sorted([*before, *now])
    n, total = len(before), len(both)
    found = 0.0
    for rank in range(1, total):
        mine = sum(value <= both[rank - 1] for value in before)
        found += (mine * total - rank * n) ** 2 / (rank * (total - rank))
    return found / (n * (total - n))


def _in_quantile_cells(before: Floats, now: Floats) -> Sides:
    """Return rows counted between minimum, 20 quantile edges and maximum of the baseline."""
    edges = np.quantile(before, np.arange(1, 21) / 21)
    cuts = np.concatenate([[before.min()], edges, [before.max()]])
    ours, theirs = (
        np.bincount(np.searchsorted(cuts, each), minlength=cuts.size + 1) for each in (before, now)
    )
    sizes = float(before.size), float(now.size)
    return Sides(ours, theirs, *sizes, cuts, float(before.std()))
