"""Distance metrics: how far one column's window is from its baseline, by a chosen statistic."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import DistanceOptions, DistanceStatistic
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.baseline.profile import ColumnProfile
from modelmonitor.core.baseline.seasons import Basis, comparator_of, hour_of_week
from modelmonitor.core.drift.drift_plan import envelope_for
from modelmonitor.core.judging.judgement import (
    Measurement,
    Refusal,
    judged_between,
    too_few,
    unknown,
    words_of,
)
from modelmonitor.core.judging.rows import Reference, counted, missing_columns
from modelmonitor.core.judging.verdict import ColumnFinding, Verdict
from modelmonitor.core.judging.windows import Tick, Window, in_percent, window_of
from modelmonitor.core.pane.panes import ColumnTotals
from modelmonitor.core.statistics import distances
from modelmonitor.core.statistics.distances import Distance, Sides
from modelmonitor.core.statistics.shares import Counts, Floats
from modelmonitor.core.statistics.significance import (
    Significance,
    chi_square_test,
    likelihood_ratio_test,
)

OF_CELLS: Final[Mapping[DistanceStatistic, Callable[[Sides], Distance]]] = {
    DistanceStatistic.PSI: distances.psi,
    DistanceStatistic.KULLBACK_LEIBLER: distances.kullback_leibler,
    DistanceStatistic.JENSEN_SHANNON: distances.jensen_shannon,
    DistanceStatistic.HELLINGER: distances.hellinger,
    DistanceStatistic.TOTAL_VARIATION: distances.total_variation,
    DistanceStatistic.L_INFINITY: distances.l_infinity,
    DistanceStatistic.CHI_SQUARE: distances.chi_square,
    DistanceStatistic.G_TEST: distances.g_test,
    DistanceStatistic.CRAMERS_V: distances.cramers_v,
}
"""Statistics that every column has."""
OF_ORDER: Final[Mapping[DistanceStatistic, Callable[[Sides], Distance]]] = {
    DistanceStatistic.KOLMOGOROV_SMIRNOV: distances.kolmogorov_smirnov,
    DistanceStatistic.CRAMER_VON_MISES: distances.cramer_von_mises,
    DistanceStatistic.ANDERSON_DARLING: distances.anderson_darling,
    DistanceStatistic.WASSERSTEIN: distances.wasserstein,
    DistanceStatistic.ENERGY: distances.energy,
}
"""Statistics of numbers and of lengths of text."""
OF_SCALE: Final = frozenset({DistanceStatistic.WASSERSTEIN, DistanceStatistic.ENERGY})
"""Statistics that measure how far values moved, not only how many."""
TESTS: Final[Mapping[DistanceStatistic, tuple[str, Callable[[Sides], Significance]]]] = {
    DistanceStatistic.CHI_SQUARE: ("chi-square", chi_square_test),
    DistanceStatistic.G_TEST: ("G", likelihood_ratio_test),
}
"""Tests whose p-value people look for; it is said, not judged by."""
_HOURS: Final = {
    Basis.POOLED: "",
    Basis.HOUR_OF_DAY: ", compared with the same hours of the day",
    Basis.HOUR_OF_WEEK: ", compared with the same hours of the week",
}
SMALL_CELL: Final = 0.01
"""Share of the baseline below which an outermost cell joins its neighbour."""
LEAST_CELLS: Final = 2
"""Cells that are left at least: with one there would be nothing to compare."""


def judge_distance(
    metric: Metric,
    options: DistanceOptions,
    reference: Reference,
    ticks: Sequence[Tick],
    seasonality: Seasonality = Seasonality.NONE,
) -> Verdict:
    """Return the verdict on a Distance metric; Unknown where its interval holds a threshold.

    With a seasonality, the window is compared with the hours of the baseline that are like its own.
    """

    def values(tick: Tick) -> int:
        return reference.rows_of(tick)[options.column].valued

    refusal = missing_columns(reference.profile, metric)
    if refusal is not None:
        return unknown(metric, refusal, Window(tuple(ticks[-1:]), full=True))
    window = window_of(metric, reference.since(ticks), values)
    refusal = reference.refuse(window)
    if refusal is not None:
        return unknown(metric, refusal, window)
    column = next(each for each in reference.profile.columns if each.name == options.column)
    refusal = _unsuited(column, options.statistic)
    if refusal is not None:
        return unknown(metric, refusal, window)
    rows = reference.column(window.ticks, column.name)
    refusal = too_few(metric, rows.valued, window, "values")
    if refusal is not None:
        return unknown(metric, refusal, window, samples=rows.valued)
    baseline, basis = _baseline(column, reference, window, seasonality)
    between = sides_of(column, options.statistic, baseline, rows.cells, _worth(column, window))
    text = _text(options, between, rows, window) + _HOURS[basis]
    return _verdict(metric, options, _measured(options.statistic, between), text, rows, window)


def distance(
    column: ColumnProfile, statistic: DistanceStatistic, cells: Counts, worth: float = 1.0
) -> Distance:
    """Return the distance of counts from all of a column's baseline.

    Parameters
    ----------
    column
        Numeric or text; categorical for the statistics that need no order.
    statistic
        Which distance.
    cells
        Counts in the column's cells, with at least one row.
    worth
        Rows that are worth one independent row.
    """
    before = np.asarray(column.cells, np.float64)
    baseline = before, float(before.sum()) / column.phi
    return _measured(statistic, sides_of(column, statistic, baseline, cells, worth))


def sides_of(
    column: ColumnProfile,
    statistic: DistanceStatistic,
    baseline: tuple[Floats, float],
    cells: Counts,
    worth: float,
) -> Sides:
    """Return what a statistic compares.

    Statistics of single cells take the baseline's quantile cells, open at both ends: what is below
    the minimum and above the maximum joins the neighbour. Those of order keep every cut.

    Parameters
    ----------
    column, statistic, cells, worth
        As in `distance`.
    baseline
        Rows in each cell, and how many independent rows they are worth.
    """
    before, rows = baseline
    if statistic in OF_CELLS:
        keep = _merged_cells(before) if column.kind.ordered else _filled(before, cells)
        before, cells = np.add.reduceat(before, keep), np.add.reduceat(cells, keep)
    return Sides(
        before=before,
        now=cells,
        before_rows=rows,
        now_rows=float(cells.sum()) / worth,
        cuts=np.asarray(column.cuts, np.float64),
        deviation=_deviation(column),
    )


def _measured(statistic: DistanceStatistic, between: Sides) -> Distance:
    return (OF_CELLS.get(statistic) or OF_ORDER[statistic])(between)


def _baseline(
    column: ColumnProfile, reference: Reference, window: Window, seasonality: Seasonality
) -> tuple[tuple[Floats, float], Basis]:
    """Return the baseline's counts for the hours of a window, weighted by the window's rows.

    With them, how many independent rows they are worth, and which hours most of them are of.
    """
    if seasonality is Seasonality.NONE:
        found = comparator_of(column, seasonality, 0)
        return (found.cells, found.rows), found.basis
    hours: Counter[int] = Counter()
    for tick in window.ticks:
        hour = hour_of_week(tick.start, reference.profile.timeZone)
        hours[hour] += reference.rows_of(tick)[column.name].valued
    total = sum(hours.values())
    mixed, variance = np.zeros(len(column.cells)), 0.0
    bases: Counter[Basis] = Counter()
    for hour, rows in hours.items():
        part, found = rows / total, comparator_of(column, seasonality, hour)
        mixed += part * found.cells / found.cells.sum()
        variance += part**2 / found.rows
        bases[found.basis] += rows
    return (mixed / variance, 1 / variance), bases.most_common(1)[0][0]


def _merged_cells(before: Floats) -> Counts:
    """Return where cells begin after small outermost ones joined their neighbours."""
    starts = list(range(before.size))
    small = SMALL_CELL * before.sum()
    if len(starts) > LEAST_CELLS and before[-1] < small:
        starts.pop()
    if len(starts) > LEAST_CELLS and before[0] < small:
        starts.pop(1)
    return np.array(starts, np.int64)


def _filled(before: Floats, now: Counts) -> Counts:
    """Return the cells of a categorical column, without the rest cell if nothing is in it."""
    size = before.size
    empty = size > 1 and before[-1] == 0 and now[-1] == 0
    return np.arange(size - 1 if empty else size)


def _deviation(column: ColumnProfile) -> float:
    """Return the standard deviation of the baseline's values; 1 where they do not differ."""
    rows = sum(column.cells)
    if not column.kind.ordered or rows == 0:
        return 1.0
    variance = column.squares / rows - (column.total / rows) ** 2
    return math.sqrt(variance) if variance > 0 and math.isfinite(variance) else 1.0


def _worth(column: ColumnProfile, window: Window) -> float:
    """Return how many rows of the window are worth one independent row, within a pane."""
    envelope = envelope_for(column, window.ticks[-1].interval)
    return 1.0 if envelope is None else envelope.phi


def _unsuited(column: ColumnProfile, statistic: DistanceStatistic) -> Refusal | None:
    reason = VerdictReason.COLUMN_KIND_UNSUPPORTED
    if not counted([column]):
        return Refusal(reason, f"column {column.name} has no values in the baseline that count")
    if statistic in OF_ORDER and not column.kind.ordered:
        return Refusal(
            reason,
            f"column {column.name} is categorical and has no order, which {statistic} needs: "
            "use PSI or JensenShannon",
        )
    if statistic in OF_SCALE and len(column.cuts) < LEAST_CELLS:
        return Refusal(
            reason,
            f"column {column.name} has one value only in the baseline, so that {statistic} has no "
            "scale: use KolmogorovSmirnov",
        )
    return None


def _text(options: DistanceOptions, between: Sides, rows: ColumnTotals, window: Window) -> str:
    """Return what a message says about a distance beside its value."""
    text = f"over {rows.valued} values in {words_of(window.seconds)}"
    if options.statistic in TESTS:
        name, test = TESTS[options.statistic]
        found = test(between)
        text += f" ({name} {found.statistic:.4g}, df {found.freedom}, p {found.p:.2g})"
    beyond = (rows.below + rows.above) / max(1, rows.valued)
    if options.statistic in OF_SCALE and beyond > 0:
        text += f" ({in_percent(beyond)} beyond the baseline's range count as its ends)"
    return text


def _verdict(
    metric: Metric,
    options: DistanceOptions,
    found: Distance,
    about: str,
    rows: ColumnTotals,
    window: Window,
) -> Verdict:
    text = (
        f"{options.statistic} of {options.column} is {found.value:.3g} {about} (95 % interval "
        f"{found.low:.3g} to {found.high:.3g}, by chance up to {found.noise:.3g})"
    )
    finding = ColumnFinding(options.column, found.value)
    measured = Measurement(found.value, rows.valued, text, (finding,))
    return judged_between(metric, measured, found.low, found.high, window)
