"""Statistics of counts: what is known of a column's values from its cells and sums.

Sketches from pods are not read. Where a statistic is not known from the cells exactly, its interval
holds the whole cell in which it lies.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from scipy import special

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.metric_options import StatisticOf, StatisticOptions
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile
from modelmonitor.core.counting.repetition import MOST_UNCOUNTED, NOT_COUNTED
from modelmonitor.core.judging.comparison import UNBOUNDED, Estimate
from modelmonitor.core.judging.judgement import Refusal
from modelmonitor.core.pane.panes import ColumnTotals, MarkTotals
from modelmonitor.core.statistics.shares import Floats, wilson

Z: Final = 1.959964
"""Standard deviations of a 95 % interval."""
TAIL: Final = 0.975
LEAST_CUTS: Final = 4
"""Cuts from which on cells tell how heavy the tails are."""
EXPONENTIAL_KURTOSIS: Final = 9.0
"""Taken where they do not; a normal distribution has 3."""
MOST_DEVIATIONS: Final = 1e6
"""How far a cut may be from the mean: of values far from all cuts, cells tell nothing."""
_LARGEST_LOGARITHM: Final = 300.0
_ROUNDING: Final = 4 * float(np.finfo(np.float64).eps)
"""Of a variance that is a difference of squares, as a share of them."""
_CLOSE: Final = 1e-12
"""Shares that are equal but for rounding."""
_ORDERED: Final = frozenset({ColumnKind.NUMERIC, ColumnKind.TEXT})
_CATEGORICAL: Final = frozenset({ColumnKind.CATEGORICAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What is known of some values.

    Attributes
    ----------
    column
        Whose cells these are.
    cells
        Counts, shape `(n_cells,)`, with at least one value.
    total, squares
        Sums over the finite numbers.
    finite
        How many those are.
    worth
        Values that are worth one independent one.
    marks
        Exact counts about some values; None: none are counted, and cells must do.
    """

    column: ColumnProfile
    cells: Floats
    total: float
    squares: float
    finite: int
    worth: float
    marks: Mapping[float, MarkTotals] | None = field(default=None)

    @property
    def values(self) -> float:
        """How many there are."""
        return float(self.cells.sum())

    @property
    def independent(self) -> float:
        """How many independent ones they are worth."""
        return self.values / self.worth

    def share(self, hits: float) -> Estimate:
        """Return the estimate of a share of the values."""
        low, high = wilson(hits / self.worth, self.independent, Z)
        return Estimate(hits / self.values, low, high)


@dataclass(frozen=True, slots=True)
class Statistic:
    """One statistic: of which columns it is, and how it is estimated."""

    kinds: frozenset[ColumnKind]
    estimate: Callable[[Sample, StatisticOptions], Estimate | Refusal]


def of_window(column: ColumnProfile, totals: ColumnTotals, worth: float) -> Sample:
    """Return what a window says of a column's values."""
    return Sample(
        column=column,
        cells=totals.cells.astype(np.float64),
        total=totals.total,
        squares=totals.squares,
        finite=totals.valued - totals.infinite,
        worth=worth,
        marks=totals.marks,
    )


def of_baseline(column: ColumnProfile) -> Sample:
    """Return what the baseline says of a column's values."""
    cells = np.asarray(column.cells, np.float64)
    return Sample(
        column=column,
        cells=cells,
        total=column.total,
        squares=column.squares,
        finite=int(cells.sum()),
        worth=column.phi,
    )


def mean(sample: Sample, options: StatisticOptions) -> Estimate:
    """Return the mean of the finite numbers, with Student's interval."""
    del options
    if sample.finite < 1:
        return UNBOUNDED
    value, independent = sample.total / sample.finite, sample.finite / sample.worth
    if independent <= 1:
        return Estimate(value, -math.inf, math.inf)
    variance, rounding = _variance(sample)
    unbiased = (variance + rounding) * independent / (independent - 1)
    spread = float(special.stdtrit(independent - 1, TAIL)) * math.sqrt(unbiased / independent)
    return Estimate(value, value - spread, value + spread)


def standard_deviation(sample: Sample, options: StatisticOptions) -> Estimate:
    """Return the standard deviation of the finite numbers.

    Its own variance is (m4 - s^4) / (4 n s^2), by the delta method (Cramér 1946, section 27.4), on
    the scale of its logarithm; the fourth moment m4 is that of the cells.
    """
    del options
    variance, rounding = _variance(sample)
    independent = sample.finite / sample.worth
    if independent <= 1:
        return UNBOUNDED
    value = math.sqrt(variance)
    if variance <= rounding:
        return Estimate(value, 0.0, math.sqrt(variance + rounding))
    # With cells that are all alike the moment says nothing; the square of a chi-square remains.
    spread = Z * math.sqrt(max(_kurtosis(sample, value) - 1, 2 / independent) / (4 * independent))
    factor = math.exp(min(spread, _LARGEST_LOGARITHM))
    return Estimate(
        value,
        math.sqrt(variance - rounding) / factor,
        math.sqrt(variance + rounding) * factor,
    )


def quantile(sample: Sample, options: StatisticOptions) -> Estimate:
    """Return a quantile: between the bounds of its cell, by straight line.

    The interval is that of order statistics (David and Nagaraja 2003, section 7.1): how many of n
    values are up to it is binomial, and the cells bound what that leaves possible.
    """
    level = parse_decimal(options.quantile or "0.5")
    low, high = _ranks(level, max(1.0, math.floor(sample.independent)))
    bounds, shares = _distribution(sample)
    return Estimate(
        _interpolated(bounds, shares, level),
        _bound_below(bounds, shares, low),
        _bound_above(bounds, shares, high),
    )


def share_above(sample: Sample, options: StatisticOptions) -> Estimate | Refusal:
    """Return the share of the values that are larger than one."""
    value = parse_decimal(options.value or "0")
    mark = _mark(sample, value)
    if mark is not None:
        scale = sample.values / mark.counted
        return sample.share((mark.counted - mark.below - mark.at) * scale)
    if sample.marks is not None and value not in sample.column.cuts:
        return NOT_COUNTED
    least, most = _reached(sample, value)
    return _complement(_between(sample, least, most))


def share_below(sample: Sample, options: StatisticOptions) -> Estimate | Refusal:
    """Return the share of the values that are smaller than one."""
    value = parse_decimal(options.value or "0")
    mark = _mark(sample, value)
    if mark is not None:
        return sample.share(mark.below * sample.values / mark.counted)
    if sample.marks is not None:
        return NOT_COUNTED
    # What is at the value itself is not below it: how much that is, the cell does not tell.
    least, most = _reached(sample, math.nextafter(value, -math.inf))
    return _between(sample, least, most)


def category_share(sample: Sample, options: StatisticOptions) -> Estimate:
    """Return the share of the values that are one category."""
    place = sample.column.categories.index(options.category or "")
    return sample.share(float(sample.cells[place]))


def entropy(sample: Sample, options: StatisticOptions) -> Estimate:
    """Return the entropy of the categories' shares in nats; what is not listed is one category.

    Corrected for its bias, (K - 1) / 2n (Miller 1955), with the variance of the delta method and,
    for equal shares, where that is 0, of the chi-square variable that is left.
    """
    del options
    cells, independent = sample.cells[sample.cells > 0], sample.independent
    part = cells / cells.sum()
    logs = np.log(part)
    plain = float(-(part * logs).sum())
    free = cells.size - 1
    variance = max(0.0, float((part * logs**2).sum()) - plain**2) / independent
    spread = Z * math.sqrt(variance + free / (2 * independent**2))
    value = plain + free / (2 * independent)
    most = math.log(max(2, sample.cells.size))
    return Estimate(value, value - spread, value + spread).within(0.0, most)


STATISTICS: Final[Mapping[StatisticOf, Statistic]] = {
    StatisticOf.MEAN: Statistic(_ORDERED, mean),
    StatisticOf.STANDARD_DEVIATION: Statistic(_ORDERED, standard_deviation),
    StatisticOf.QUANTILE: Statistic(_ORDERED, quantile),
    StatisticOf.SHARE_ABOVE: Statistic(_ORDERED, share_above),
    StatisticOf.SHARE_BELOW: Statistic(_ORDERED, share_below),
    StatisticOf.CATEGORY_SHARE: Statistic(_CATEGORICAL, category_share),
    StatisticOf.ENTROPY: Statistic(_CATEGORICAL, entropy),
}
"""Those that are judged from one column's counts."""


def _variance(sample: Sample) -> tuple[float, float]:
    """Return the variance of the finite numbers, and how far off rounding may have left it."""
    value, square = sample.total / sample.finite, sample.squares / sample.finite
    return max(0.0, square - value * value), _ROUNDING * max(square, value * value)


def _kurtosis(sample: Sample, deviation: float) -> float:
    """Return the fourth central moment in standard deviations, as the cells tell it.

    Values of inner cells are taken to be in their middle. Those of the outermost cells, whose
    middle says little, have an exponential distribution from the inner edge on, as long as the
    cell is wide; how long makes the variance what it is.
    """
    centre = sample.total / sample.finite
    cuts = (np.asarray(sample.column.cuts) - centre) / deviation
    if cuts.size < LEAST_CUTS or float(np.abs(cuts).max()) > MOST_DEVIATIONS:
        return EXPONENTIAL_KURTOSIS
    middles, inner = (cuts[2:-1] + cuts[1:-2]) / 2, sample.cells[2:-2]
    rows = np.array([sample.cells[:2].sum(), sample.cells[-2:].sum()])
    edges = np.array([-cuts[1], cuts[-2]])
    widths = np.array([cuts[1] - cuts[0], cuts[-1] - cuts[-2]])
    left = sample.finite - float((inner * middles**2).sum())
    square, linear = 2 * float((rows * widths**2).sum()), 2 * float((rows * edges * widths).sum())
    root = linear**2 + 4 * square * (left - float((rows * edges**2).sum()))
    scale = max(0.0, (math.sqrt(max(0.0, root)) - linear) / (2 * square)) if square else 0.0
    means = scale * widths
    outer = (
        edges**4
        + 4 * edges**3 * means
        + 12 * edges**2 * means**2
        + 24 * edges * means**3
        + 24 * means**4
    )
    return float((inner * middles**4).sum() + (rows * outer).sum()) / sample.finite


def _distribution(sample: Sample) -> tuple[Floats, Floats]:
    """Return where the share of values up to there is known, and those shares."""
    reached = np.cumsum(sample.cells)[:-1] / sample.values
    known = dict(zip(sample.column.cuts, reached.tolist(), strict=True))
    for value in sample.marks or ():
        mark = _mark(sample, value)
        if mark is not None:
            known[math.nextafter(value, -math.inf)] = mark.below / mark.counted
            known[value] = (mark.below + mark.at) / mark.counted
    bounds = np.array(sorted(known))
    # Panes that did not count at a mark yet could make shares fall.
    shares = np.maximum.accumulate([known[bound] for bound in bounds.tolist()])
    return bounds, np.asarray(shares, np.float64)


def _interpolated(bounds: Floats, shares: Floats, level: float) -> float:
    place = int(np.searchsorted(shares, level, side="left"))
    if place == 0:
        return float(bounds[0])
    if place == shares.size:
        return float(bounds[-1])
    left, right = shares[place - 1], shares[place]
    part = (level - left) / (right - left)
    return float(bounds[place - 1] + part * (bounds[place] - bounds[place - 1]))


def _ranks(level: float, values: float) -> tuple[float, float]:
    """Return the shares of a sample up to its quantile: the least, and the first one too large."""
    least = float(special.bdtrik(1 - TAIL, values, level))
    most = float(special.bdtrik(TAIL, values, level))
    first = 0.0 if math.isnan(least) else math.ceil(max(0.0, least))
    last = values if math.isnan(most) else math.ceil(most)
    return first / values - _CLOSE, (last + 1) / values - _CLOSE


def _bound_below(bounds: Floats, shares: Floats, level: float) -> float:
    """Return the least that a quantile can be; it is above every bound with a smaller share."""
    place = int(np.searchsorted(shares, level, side="left"))
    return -math.inf if place == 0 else math.nextafter(float(bounds[place - 1]), math.inf)


def _bound_above(bounds: Floats, shares: Floats, level: float) -> float:
    """Return the most that a quantile can be; it is not above the first bound with that share."""
    place = int(np.searchsorted(shares, level, side="left"))
    return math.inf if place == shares.size else float(bounds[place])


def _mark(sample: Sample, value: float) -> MarkTotals | None:
    """Return the counts about a value; None unless nearly all values were counted there."""
    mark = (sample.marks or {}).get(value)
    if mark is None or mark.counted < (1 - MOST_UNCOUNTED) * sample.values:
        return None
    return mark


def _reached(sample: Sample, value: float) -> tuple[float, float]:
    """Return how many values there are up to one, at least and at most, as cells tell."""
    cuts, reached = np.asarray(sample.column.cuts), np.cumsum(sample.cells)
    below = int(np.searchsorted(cuts, value, side="right"))
    least = float(reached[below - 1]) if below else 0.0
    at_cut = below > 0 and cuts[below - 1] == value
    return least, least if at_cut else float(reached[below])


def _between(sample: Sample, least: float, most: float) -> Estimate:
    low, high = sample.share(least), sample.share(most)
    return Estimate((low.value + high.value) / 2, low.low, high.high)


def _complement(share: Estimate) -> Estimate:
    return Estimate(1 - share.value, 1 - share.high, 1 - share.low)
