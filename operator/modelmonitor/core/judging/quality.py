"""Data quality: how large a flaw of the data is, the worst column's, and only what is certain."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import (
    CompareAs,
    CompareTo,
)
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.quality_options import DataQualityCheck, DataQualityOptions
from modelmonitor.core.baseline.profile import ColumnProfile
from modelmonitor.core.counting.novel import most_frequent, shortened
from modelmonitor.core.judging.comparison import Estimate, compared, exactly, reference_of
from modelmonitor.core.judging.judgement import (
    Measurement,
    Refusal,
    named,
    too_few,
    unknown,
)
from modelmonitor.core.judging.quality_checks import CHECKS, ColumnCheck, Look
from modelmonitor.core.judging.quality_rows import judge_constants, judge_duplicates, judge_schema
from modelmonitor.core.judging.rows import Reference, missing_columns, most_rows, selected
from modelmonitor.core.judging.staleness import judge_staleness
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick, Window, window_of
from modelmonitor.core.judging.worst import ColumnValue, judged_worst, worst_of
from modelmonitor.core.pane.panes import ColumnTotals
from modelmonitor.core.pane.periods import previous_period

NAMED_VALUES: Final = 4
"""New values that a message names, most frequent first."""
LONGEST_VALUE: Final = 28
LONGEST_VALUES: Final = 60
"""Characters that new values take in a message."""
ERROR_LEVEL: Final = 0.05
"""Probability that the ratio of any column is below the lower end of its interval."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a metric looks at: its window, and the one that it compares with."""

    window: Window
    rows: Mapping[str, ColumnTotals]
    before: Window | None
    rows_before: Mapping[str, ColumnTotals]


def judge_quality(
    metric: Metric, options: DataQualityOptions, reference: Reference, ticks: Sequence[Tick]
) -> Verdict:
    """Return the verdict on a DataQuality metric; of several columns the worst one counts."""
    check = options.check
    if check is DataQualityCheck.STALENESS:
        return judge_staleness(metric, reference, ticks)
    window = window_of(metric, reference.since(ticks), reference.count)
    refusal = missing_columns(reference.profile, metric) or reference.refuse(window)
    if refusal is not None:
        return unknown(metric, refusal, window)
    match check:
        case DataQualityCheck.DUPLICATE_RATIO:
            return judge_duplicates(metric, reference, window, ticks)
        case DataQualityCheck.SCHEMA_CHANGES:
            return judge_schema(metric, reference, window)
        case DataQualityCheck.CONSTANT_COLUMNS:
            columns = _selected(options, reference)
            return judge_constants(metric, columns, reference, window)
        case _:
            return _judge_columns(metric, options, reference, ticks, window)


def _selected(options: DataQualityOptions, reference: Reference) -> list[ColumnProfile]:
    if options.columns is None:
        return reference.profile.inputs
    return selected(reference.profile, options.columns)


def _judge_columns(
    metric: Metric,
    options: DataQualityOptions,
    reference: Reference,
    ticks: Sequence[Tick],
    window: Window,
) -> Verdict:
    check = CHECKS[options.check]
    columns = [column for column in _selected(options, reference) if check.fits(column)]
    if not columns:
        refusal = Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            f"{options.check} fits none of the columns: it needs {check.needs} ones",
        )
        return unknown(metric, refusal, window)
    rows = reference.rows(window.ticks)
    samples = most_rows(rows, columns)
    few = too_few(metric, samples, window, "rows")
    if few is not None:
        return unknown(metric, few, window, samples=samples)
    before = previous_period(metric, reference, ticks)
    if isinstance(before, Refusal):
        return unknown(metric, before, window, samples=samples)
    rows_before = reference.rows(before.ticks) if before is not None else {}
    sight = _Sight(window, rows, before, rows_before)
    values = _values(metric, check, columns, reference, sight)
    if isinstance(values, Refusal):
        return unknown(metric, values, window, samples=samples)
    ordered = worst_of(metric, values)
    if not ordered:
        measured = Measurement(math.nan, samples, "no value was seen")
    else:
        measured = _measurement(metric, options, ordered, rows, samples)
    return judged_worst(metric, measured, ordered, window)


def _values(
    metric: Metric,
    check: ColumnCheck,
    columns: Sequence[ColumnProfile],
    reference: Reference,
    sight: _Sight,
) -> list[ColumnValue] | Refusal:
    """Return each column's value as the threshold sees it, compared where the metric says so."""
    level = ERROR_LEVEL / len(columns)
    z = NormalDist().inv_cdf(1 - level)
    found = []
    for column in columns:
        look = Look(
            column=column,
            totals=sight.rows[column.name],
            window=sight.window,
            reference=reference,
            z=z,
            level=level,
        )
        now = check.now(look)
        if isinstance(now, Refusal):
            return now
        before = _before(metric, check, look, sight)
        if isinstance(before, Refusal):
            return before
        if now is None:
            continue
        value = now if before is None else _compared(metric, now, before)
        if value is not None:
            found.append(ColumnValue(column.name, value))
        else:
            return Refusal(
                VerdictReason.NOT_A_NUMBER,
                f"{check.word}: {column.name} {now.value:.2%}, and none to compare with, so that "
                "there is no ratio: compare as Difference",
            )
    return found


def _compared(metric: Metric, now: Estimate, before: Estimate) -> Estimate | None:
    """Return a compared value; None where there is no number. None then and now is no change."""
    as_ = metric.compare.as_ if metric.compare is not None else CompareAs.DIFFERENCE
    if as_ is not CompareAs.DIFFERENCE and now.value == before.value == 0:
        return exactly(1.0 if as_ is CompareAs.RATIO else 0.0)
    value = compared(now, before, as_)
    return None if math.isnan(value.value) else value


def _before(
    metric: Metric, check: ColumnCheck, look: Look, sight: _Sight
) -> Estimate | Refusal | None:
    """Return what a column's value is compared with; None: with nothing."""
    if metric.compare is None:
        # Where the baseline could not list every category, its unlisted ones are no news.
        unlisted = check is CHECKS[DataQualityCheck.NEW_CATEGORY_RATIO]
        return check.before(look) if unlisted and not look.column.complete else None
    if metric.compare.to is CompareTo.BASELINE:
        return check.before(look)
    if sight.before is None:
        return None
    earlier = Look(
        column=look.column,
        totals=sight.rows_before[look.column.name],
        window=sight.before,
        reference=look.reference,
        z=look.z,
        level=look.level,
    )
    found = check.now(earlier)
    if found is not None:
        return found
    message = f"{look.column.name} has no value in the period to compare with"
    return Refusal(VerdictReason.NO_DATA, message)


def _measurement(
    metric: Metric,
    options: DataQualityOptions,
    ordered: Sequence[ColumnValue],
    rows: Mapping[str, ColumnTotals],
    samples: int,
) -> Measurement:
    findings = tuple(each.finding for each in ordered)
    notable = [finding for finding in findings if finding.value > 0] or list(findings[:1])
    text = f"{CHECKS[options.check].word}{_relation(metric)}: {named(notable, _template(metric))}"
    text = f"{text} of {samples} rows"
    if options.check is DataQualityCheck.NEW_CATEGORY_RATIO:
        text += _most_frequent(notable[0].column, rows[notable[0].column].novel)
    return Measurement(ordered[0].estimate.value, samples, text, findings)


def _relation(metric: Metric) -> str:
    compare = metric.compare
    if compare is None:
        return ""
    match compare.as_:
        case CompareAs.DIFFERENCE:
            period = compare.to is CompareTo.PREVIOUS_PERIOD
            return f" more than in the {'previous period' if period else 'baseline'}"
        case CompareAs.RATIO:
            return f", as a multiple of {reference_of(compare.to)}"
        case CompareAs.RELATIVE_CHANGE:
            return f", change against {reference_of(compare.to)}"


def _template(metric: Metric) -> str:
    match metric.compare.as_ if metric.compare is not None else CompareAs.DIFFERENCE:
        case CompareAs.DIFFERENCE:
            return "{f.column} {f.value:.2%}"
        case CompareAs.RATIO:
            return "{f.column} {f.value:.3g}"
        case CompareAs.RELATIVE_CHANGE:
            return "{f.column} {f.value:+.2%}"


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
