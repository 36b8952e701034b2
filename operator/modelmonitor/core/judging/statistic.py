"""Statistic metrics: mean, deviation, quantiles, shares and entropy of one column's values."""

import math
from collections.abc import Sequence

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import CompareTo, StatisticOf, StatisticOptions
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.baseline.profile import ColumnProfile
from modelmonitor.core.judging.comparison import Estimate, compared, reference_of, worded
from modelmonitor.core.judging.judgement import (
    Measurement,
    Refusal,
    judged_between,
    too_few,
    unknown,
    words_of,
)
from modelmonitor.core.judging.performance_window import (
    baseline_confidence,
    mean_confidence,
    part_of,
    scored_of,
    strange,
)
from modelmonitor.core.judging.rows import Reference, counted, missing_columns
from modelmonitor.core.judging.statistic_estimates import STATISTICS, of_baseline, of_window
from modelmonitor.core.judging.verdict import ColumnFinding, Verdict
from modelmonitor.core.judging.windows import Tick, Window, window_of
from modelmonitor.core.judging.worth import worth_of
from modelmonitor.core.pane.periods import previous_period


def judge_statistic(
    metric: Metric, options: StatisticOptions, reference: Reference, ticks: Sequence[Tick]
) -> Verdict:
    """Return the verdict on a Statistic metric; Unknown where its interval holds a threshold."""

    def values(tick: Tick) -> int:
        totals = reference.rows_of(tick)[options.column]
        # Confidence is of whole answers, of text as well, whose values are in no cell.
        return totals.rows if options.of is StatisticOf.CONFIDENCE else totals.valued

    refusal = missing_columns(reference.profile, metric)
    if refusal is not None:
        return unknown(metric, refusal, Window(tuple(ticks[-1:]), full=True))
    window = window_of(metric, reference.since(ticks), values)
    column = next(each for each in reference.profile.columns if each.name == options.column)
    refusal = reference.refuse(window) or _unsuited(column, options)
    if refusal is not None:
        return unknown(metric, refusal, window)
    samples = sum(map(values, window.ticks))
    refusal = too_few(metric, samples, window, "values") or _empty(samples, window)
    if refusal is not None:
        return unknown(metric, refusal, window, samples=samples)
    now = _in_window(options, column, reference, window)
    before = _before(metric, options, column, reference, ticks)
    for found in (now, before):
        if isinstance(found, Refusal):
            return unknown(metric, found, window, samples=samples)
    return _verdict(metric, options, (now, before), samples, window)


def _unsuited(column: ColumnProfile, options: StatisticOptions) -> Refusal | None:
    if options.of is StatisticOf.CONFIDENCE:
        if column.role.is_output:
            return None
        message = f"column {column.name} is an input: Confidence is of what the model answers with"
        return Refusal(VerdictReason.COLUMN_KIND_UNSUPPORTED, message)
    if not counted([column]):
        return Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            f"column {column.name} has no values in the baseline that are counted",
        )
    statistic = STATISTICS[options.of]
    if column.kind not in statistic.kinds:
        kinds = " or ".join(sorted(kind.value for kind in statistic.kinds))
        return Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            f"column {column.name} is {column.kind.value}: {options.of} is of {kinds} columns",
        )
    if options.category is not None and options.category not in column.categories:
        return Refusal(
            VerdictReason.COLUMN_NOT_IN_BASELINE,
            f"column {column.name} of the baseline does not list the category {options.category}",
        )
    return None


def _empty(samples: int, window: Window) -> Refusal | None:
    if samples:
        return None
    message = f"there is no value in {words_of(window.seconds)}"
    return Refusal(VerdictReason.NO_DATA, message, no_data=True)


def _in_window(
    options: StatisticOptions, column: ColumnProfile, reference: Reference, window: Window
) -> Estimate | Refusal:
    if options.of is StatisticOf.CONFIDENCE:
        part = part_of(reference.profile, scores=True)
        if isinstance(part, Refusal):
            return part
        scored = scored_of(part, reference, window)
        return strange(scored, reference, window) or mean_confidence(scored)
    totals = reference.column(window.ticks, column.name)
    if not totals.valued:
        message = f"column {column.name} has no value in the period to compare with"
        return Refusal(VerdictReason.NO_DATA, message)
    sample = of_window(column, totals, worth_of(column, window.ticks[-1].interval))
    return STATISTICS[options.of].estimate(sample, options)


def _in_baseline(
    options: StatisticOptions, column: ColumnProfile, reference: Reference
) -> Estimate | Refusal:
    if options.of is StatisticOf.CONFIDENCE:
        part = part_of(reference.profile, scores=True)
        return part if isinstance(part, Refusal) else baseline_confidence(part)
    return STATISTICS[options.of].estimate(of_baseline(column), options)


def _before(
    metric: Metric,
    options: StatisticOptions,
    column: ColumnProfile,
    reference: Reference,
    ticks: Sequence[Tick],
) -> Estimate | Refusal | None:
    """Return what the value is compared with; None: with nothing."""
    if metric.compare is None:
        return None
    if metric.compare.to is CompareTo.BASELINE:
        return _in_baseline(options, column, reference)
    window = previous_period(metric, reference, ticks)
    if not isinstance(window, Window):
        return window
    return _in_window(options, column, reference, window)


def _verdict(
    metric: Metric,
    options: StatisticOptions,
    sides: tuple[Estimate | Refusal | None, Estimate | Refusal | None],
    samples: int,
    window: Window,
) -> Verdict:
    now, before = sides
    if not isinstance(now, Estimate):
        raise TypeError(f"metric {metric.name} has no value to judge")
    text = (
        f"{_name(options)} is {now.value:.4g} over {samples} values in {words_of(window.seconds)}"
    )
    value = now
    if metric.compare is not None and isinstance(before, Estimate):
        value = compared(now, before, metric.compare.as_)
        reference = reference_of(metric.compare.to)
        text = f"{text}, {worded(metric.compare, value)} {before.value:.4g}"
        if math.isnan(value.value):
            refusal = Refusal(
                VerdictReason.INTERVAL_STRADDLES_THRESHOLD,
                f"{_name(options)} is {now.value:.4g}, but {reference} {before.value:.4g} cannot "
                "be told from 0, so that there is no ratio: compare as Difference",
            )
            return unknown(metric, refusal, window, samples=samples)
    text = f"{text} (95 % interval {value.low:.4g} to {value.high:.4g})"
    finding = ColumnFinding(options.column, value.value)
    measured = Measurement(value.value, samples, text, (finding,))
    return judged_between(metric, measured, value.low, value.high, window)


def _name(options: StatisticOptions) -> str:
    about = options.quantile or options.value or options.category
    return f"{options.of} {about + ' ' if about else ''}of {options.column}"
