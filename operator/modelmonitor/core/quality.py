"""Data quality: which share of a column's values is missing, out of range, or new."""

from collections.abc import Sequence

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import DataQualityCheck, DataQualityOptions, Metric
from modelmonitor.core.judging import (
    Measurement,
    Refusal,
    judged,
    named,
    too_few,
    unknown,
    worst_first,
)
from modelmonitor.core.panes import ColumnTotals
from modelmonitor.core.profile import ColumnKind, ColumnProfile
from modelmonitor.core.rows import Reference, missing_columns, most_rows, selected
from modelmonitor.core.verdict import ColumnFinding, Verdict
from modelmonitor.core.windows import Tick, window_of

_WORDS = {
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
    return judged(metric, _measure(metric, options, columns, rows), window)


def _applies(check: DataQualityCheck, column: ColumnProfile) -> bool:
    match check:
        case DataQualityCheck.MISSING_RATIO:
            return column.kind is not ColumnKind.IGNORED
        case DataQualityCheck.OUT_OF_RANGE_RATIO:
            return column.kind is ColumnKind.NUMERIC and bool(column.cuts)
        case DataQualityCheck.NEW_CATEGORY_RATIO:
            return column.kind is ColumnKind.CATEGORICAL


def _needs(check: DataQualityCheck) -> str:
    return "numeric" if check is DataQualityCheck.OUT_OF_RANGE_RATIO else "categorical"


def _measure(
    metric: Metric,
    options: DataQualityOptions,
    columns: Sequence[ColumnProfile],
    rows: dict[str, ColumnTotals],
) -> Measurement:
    findings = []
    for column in columns:
        ratio = _ratio(options.check, rows[column.name])
        if ratio is None:
            continue
        # Where the baseline could not list every category, its unlisted ones are no news.
        relative = metric.compare is not None or not column.complete
        before = _baseline_ratio(options.check, column) if relative else 0.0
        findings.append(ColumnFinding(column.name, ratio - before))
    ordered = worst_first(findings)
    samples = most_rows(rows, columns)
    if not ordered:
        return Measurement(float("nan"), samples, "no value was seen")
    more = " more than in the baseline" if metric.compare is not None else ""
    notable = [finding for finding in ordered if finding.value > 0] or list(ordered[:1])
    text = f"{_WORDS[options.check]}{more}: {named(notable, '{f.column} {f.value:.2%}')}"
    return Measurement(ordered[0].value, samples, f"{text} of {samples} rows", ordered)


def _ratio(check: DataQualityCheck, totals: ColumnTotals) -> float | None:
    """Return the column's ratio; None where there was nothing to count."""
    if check is DataQualityCheck.MISSING_RATIO:
        return totals.missing / totals.rows if totals.rows else None
    values = totals.valued
    if not values:
        return None
    odd = totals.unknown
    if check is DataQualityCheck.OUT_OF_RANGE_RATIO:
        odd = totals.below + totals.above
    return odd / values


def _baseline_ratio(check: DataQualityCheck, column: ColumnProfile) -> float:
    match check:
        case DataQualityCheck.MISSING_RATIO:
            return column.missing / column.rows if column.rows else 0.0
        case DataQualityCheck.OUT_OF_RANGE_RATIO:
            return 0.0
        case DataQualityCheck.NEW_CATEGORY_RATIO:
            return column.cells[-1] / max(1, sum(column.cells))
