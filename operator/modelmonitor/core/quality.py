"""Data quality: which share of a column's values is missing, out of range, or new."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Final

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import DataQualityCheck, DataQualityOptions
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.thresholds import Operator
from modelmonitor.core.judging import (
    Measurement,
    Refusal,
    judged,
    named,
    too_few,
    unknown,
    worst_first,
)
from modelmonitor.core.novel import most_frequent, shortened
from modelmonitor.core.panes import ColumnTotals
from modelmonitor.core.profile import ColumnKind, ColumnProfile
from modelmonitor.core.rows import Reference, missing_columns, most_rows, selected
from modelmonitor.core.statistics.shares import wilson_low
from modelmonitor.core.thresholds import compare, describe
from modelmonitor.core.verdict import ColumnFinding, Verdict
from modelmonitor.core.windows import Tick, Window, window_of

NAMED_VALUES: Final = 4
"""New values that a message names, most frequent first."""
LONGEST_VALUE: Final = 28
LONGEST_VALUES: Final = 60
"""Characters that new values take in a message."""
ERROR_LEVEL: Final = 0.05
"""Probability that the ratio of any column is below the lower end of its interval."""
_GREATER: Final = frozenset({Operator.GREATER_THAN, Operator.GREATER_THAN_OR_EQUAL})
_WORDS: Final = {
    DataQualityCheck.MISSING_RATIO: "missing",
    DataQualityCheck.OUT_OF_RANGE_RATIO: "out of range",
    DataQualityCheck.NEW_CATEGORY_RATIO: "new",
}


def judge_quality(
    metric: Metric, options: DataQualityOptions, reference: Reference, ticks: Sequence[Tick]
) -> Verdict:
    """Return the verdict on a DataQuality metric: the worst column's ratio counts."""
    window = window_of(metric, reference.since(ticks), reference.count)
    columns = [
        column
        for column in selected(reference.profile, options.columns)
        if _applies(options.check, column)
    ]
    refusal = missing_columns(reference.profile, metric) or reference.refuse(window)
    if refusal is None and not columns:
        refusal = Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            f"{options.check} fits none of the columns: it needs {_needs(options.check)} ones",
        )
    if refusal is not None:
        return unknown(metric, refusal, window)
    rows = reference.rows(window.ticks)
    samples = most_rows(rows, columns)
    refusal = too_few(metric, samples, window, "rows")
    if refusal is not None:
        return unknown(metric, refusal, window, samples=samples)
    measured, certain = _measure(metric, options, columns, rows)
    return _verdict(metric, measured, certain, window)


def _verdict(metric: Metric, measured: Measurement, certain: float, window: Window) -> Verdict:
    """Return the verdict; a breach is one only if chance does not explain it.

    A ratio of a few hundred rows is off by percents. Where the ratio is in breach, and the lower
    end of its interval is not, nobody can tell.
    """
    threshold = metric.threshold
    if threshold is None or threshold.operator not in _GREATER or math.isnan(certain):
        return judged(metric, measured, window)
    if compare(threshold, measured.value).level is None:
        return judged(metric, measured, window)
    sure = compare(threshold, certain)
    if sure.level is None:
        refusal = Refusal(
            VerdictReason.INTERVAL_STRADDLES_THRESHOLD,
            f"{measured.text}: above {describe(threshold)}, but chance explains it",
        )
        return unknown(metric, refusal, window, samples=measured.samples, value=measured.value)
    return judged(metric, measured, window, sure)


def _applies(check: DataQualityCheck, column: ColumnProfile) -> bool:
    match check:
        case DataQualityCheck.MISSING_RATIO:
            return column.kind is not ColumnKind.IGNORED
        case DataQualityCheck.OUT_OF_RANGE_RATIO:
            return column.kind.ordered and bool(column.cuts)
        case DataQualityCheck.NEW_CATEGORY_RATIO:
            return column.kind is ColumnKind.CATEGORICAL


def _needs(check: DataQualityCheck) -> str:
    return "numeric or text" if check is DataQualityCheck.OUT_OF_RANGE_RATIO else "categorical"


def _measure(
    metric: Metric,
    options: DataQualityOptions,
    columns: Sequence[ColumnProfile],
    rows: Mapping[str, ColumnTotals],
) -> tuple[Measurement, float]:
    """Return the worst column's ratio, and how large the worst one is for certain."""
    z = NormalDist().inv_cdf(1 - ERROR_LEVEL / len(columns))
    findings, certain = [], math.nan
    for column in columns:
        hits, values = _counted(options.check, rows[column.name])
        if not values:
            continue
        # Where the baseline could not list every category, its unlisted ones are no news.
        relative = metric.compare is not None or not column.complete
        before = _baseline_ratio(options.check, column) if relative else 0.0
        findings.append(ColumnFinding(column.name, hits / values - before))
        low = wilson_low(hits, values, z) - before
        certain = low if math.isnan(certain) else max(certain, low)
    ordered = worst_first(findings)
    samples = most_rows(rows, columns)
    if not ordered:
        return Measurement(math.nan, samples, "no value was seen"), certain
    more = " more than in the baseline" if metric.compare is not None else ""
    notable = [finding for finding in ordered if finding.value > 0] or list(ordered[:1])
    text = f"{_WORDS[options.check]}{more}: {named(notable, '{f.column} {f.value:.2%}')}"
    text = f"{text} of {samples} rows"
    if options.check is DataQualityCheck.NEW_CATEGORY_RATIO:
        text += _most_frequent(notable[0].column, rows[notable[0].column].novel)
    return Measurement(ordered[0].value, samples, text, ordered), certain


def _most_frequent(column: str, novel: Mapping[str, int]) -> str:
    """Return the names of the most frequent new values, for a message; empty if there are none."""
    text = ""
    for name in most_frequent(novel, NAMED_VALUES):
        part = shortened(name, LONGEST_VALUE) or "(empty)"
        longer = f"{text}, {part}" if text else part
        if len(longer) > LONGEST_VALUES:
            break
        text = longer
    return f"; most of {column}: {text}" if text else ""


def _counted(check: DataQualityCheck, totals: ColumnTotals) -> tuple[int, int]:
    """Return what is counted of a column, and of how many."""
    match check:
        case DataQualityCheck.MISSING_RATIO:
            return totals.missing, totals.rows
        case DataQualityCheck.OUT_OF_RANGE_RATIO:
            return totals.below + totals.above, totals.valued
        case DataQualityCheck.NEW_CATEGORY_RATIO:
            return totals.unknown, totals.valued


def _baseline_ratio(check: DataQualityCheck, column: ColumnProfile) -> float:
    match check:
        case DataQualityCheck.MISSING_RATIO:
            return column.missing / column.rows if column.rows else 0.0
        case DataQualityCheck.OUT_OF_RANGE_RATIO:
            return 0.0
        case DataQualityCheck.NEW_CATEGORY_RATIO:
            return column.cells[-1] / max(1, sum(column.cells))
