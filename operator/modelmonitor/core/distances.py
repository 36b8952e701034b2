"""Distance metrics: PSI, Jensen-Shannon and Kolmogorov-Smirnov of one column's window."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import DistanceOptions, DistanceStatistic
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.drift_plan import envelope_for
from modelmonitor.core.judging import Measurement, Refusal, judged, too_few, unknown, words_of
from modelmonitor.core.profile import ColumnProfile
from modelmonitor.core.rows import Reference, counted, missing_columns
from modelmonitor.core.statistics.distances import (
    Distance,
    jensen_shannon,
    kolmogorov_smirnov,
    psi,
)
from modelmonitor.core.statistics.shares import Counts
from modelmonitor.core.thresholds import compare_interval, describe
from modelmonitor.core.verdict import ColumnFinding, Verdict
from modelmonitor.core.windows import Tick, Window, window_of

STATISTICS: Final[Mapping[DistanceStatistic, Callable[[Counts, Counts, float], Distance]]] = {
    DistanceStatistic.PSI: psi,
    DistanceStatistic.JENSEN_SHANNON: jensen_shannon,
    DistanceStatistic.KOLMOGOROV_SMIRNOV: kolmogorov_smirnov,
}
SMALL_CELL: Final = 0.01
"""Share of the baseline below which an outermost cell joins its neighbour."""
LEAST_CELLS: Final = 2
"""Cells that are left at least: with one there would be nothing to compare."""


def judge_distance(
    metric: Metric, options: DistanceOptions, reference: Reference, ticks: Sequence[Tick]
) -> Verdict:
    """Return the verdict on a Distance metric; Unknown where its interval holds a threshold."""

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
    found = distance(column, options.statistic, rows.cells, _worth(column, window))
    return _verdict(metric, options, found, rows.valued, window)


def distance(
    column: ColumnProfile, statistic: DistanceStatistic, cells: Counts, worth: float = 1.0
) -> Distance:
    """Return the distance of counts from a column's baseline.

    Parameters
    ----------
    column
        Numeric, text or, but for Kolmogorov-Smirnov, categorical.
    statistic
        Which distance. PSI and Jensen-Shannon take the baseline's quantile cells, open at both
        ends: the cells below the minimum and above the maximum join their neighbours.
    cells
        Counts in the column's cells, with at least one row.
    worth
        Rows that are worth one independent row.
    """
    before = np.asarray(column.cells, np.int64)
    if statistic is not DistanceStatistic.KOLMOGOROV_SMIRNOV:
        keep = _merged_cells(before) if column.kind.ordered else _filled(before, cells)
        before, cells = np.add.reduceat(before, keep), np.add.reduceat(cells, keep)
    return STATISTICS[statistic](before, cells, worth)


def _merged_cells(before: Counts) -> Counts:
    """Return where cells begin after small outermost ones joined their neighbours."""
    starts = list(range(before.size))
    small = SMALL_CELL * before.sum()
    if len(starts) > LEAST_CELLS and before[-1] < small:
        starts.pop()
    if len(starts) > LEAST_CELLS and before[0] < small:
        starts.pop(1)
    return np.array(starts, np.int64)


def _filled(before: Counts, now: Counts) -> Counts:
    """Return the cells of a categorical column, without the rest cell if nothing is in it."""
    size = before.size
    empty = size > 1 and before[-1] == 0 and now[-1] == 0
    return np.arange(size - 1 if empty else size)


def _worth(column: ColumnProfile, window: Window) -> float:
    """Return how many rows of the window are worth one independent row, within a pane."""
    envelope = envelope_for(column, window.ticks[-1].interval)
    return 1.0 if envelope is None else envelope.phi


def _unsuited(column: ColumnProfile, statistic: DistanceStatistic) -> Refusal | None:
    if not counted([column]):
        return Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            f"column {column.name} has no values in the baseline that are counted",
        )
    if statistic is DistanceStatistic.KOLMOGOROV_SMIRNOV and not column.kind.ordered:
        return Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            f"column {column.name} is categorical: use PSI or JensenShannon",
        )
    return None


def _verdict(
    metric: Metric, options: DistanceOptions, found: Distance, samples: int, window: Window
) -> Verdict:
    if metric.threshold is None:
        raise ValueError(f"metric {metric.name} has no threshold to compare with")
    text = (
        f"{options.statistic} of {options.column} is {found.value:.3g} over {samples} values in "
        f"{words_of(window.seconds)} (95 % interval {found.low:.3g} to {found.high:.3g}, by chance "
        f"up to {found.noise:.3g})"
    )
    comparison = compare_interval(metric.threshold, found.low, found.high)
    if comparison is None:
        refusal = Refusal(
            VerdictReason.INTERVAL_STRADDLES_THRESHOLD,
            f"{text}: either side of {describe(metric.threshold)} is possible",
        )
        return unknown(metric, refusal, window, samples=samples, value=found.value)
    finding = ColumnFinding(options.column, found.value)
    return judged(metric, Measurement(found.value, samples, text, (finding,)), window, comparison)
