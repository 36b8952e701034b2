"""Of several columns the worst one counts, and of its value only what chance does not explain."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.thresholds import LESS_OPERATORS, Threshold
from modelmonitor.core.judging.comparison import Estimate
from modelmonitor.core.judging.judgement import Measurement, Refusal, judged, unknown
from modelmonitor.core.judging.thresholds import Comparison, compare, compare_interval, describe
from modelmonitor.core.judging.verdict import ColumnFinding, Level, Verdict
from modelmonitor.core.judging.windows import Window

_RANKS = {None: 0, Level.WARNING: 1, Level.CRITICAL: 2}


@dataclass(frozen=True, slots=True)
class ColumnValue:
    """One column's value, as the threshold sees it."""

    column: str
    estimate: Estimate

    @property
    def finding(self) -> ColumnFinding:
        """The same for a verdict."""
        return ColumnFinding(self.column, self.estimate.value)


def worst_of(metric: Metric, values: Iterable[ColumnValue]) -> list[ColumnValue]:
    """Return the columns whose value is known, worst first: surest breach, then farthest out."""
    threshold = _threshold(metric)
    known = [each for each in values if math.isfinite(each.estimate.value)]

    def badness(each: ColumnValue) -> tuple[float, ...]:
        sure, found = _sure(threshold, each.estimate), compare(threshold, each.estimate.value)
        return (
            _RANKS[sure.level if sure is not None else None],
            _RANKS[found.level],
            _outwards(threshold, each.estimate.value),
        )

    return sorted(known, key=lambda each: (tuple(-part for part in badness(each)), each.column))


def judged_worst(
    metric: Metric, measured: Measurement, ordered: Sequence[ColumnValue], window: Window
) -> Verdict:
    """Return the verdict; a breach is one only if chance does not explain it.

    A ratio of a few hundred rows is off by percents. Where the value is in breach, and an end of
    its interval is not, nobody can tell.
    """
    if not ordered:
        return judged(metric, measured, window)
    threshold = _threshold(metric)
    found = [compare(threshold, each.estimate.value) for each in ordered]
    if all(each.level is None for each in found):
        recovered = all(each.recovered for each in found)
        return judged(metric, measured, window, Comparison(None, recovered))
    sure = _sure(threshold, ordered[0].estimate)
    if sure is not None and sure.level is not None:
        return judged(metric, measured, window, sure)
    refusal = Refusal(
        VerdictReason.INTERVAL_STRADDLES_THRESHOLD,
        f"{measured.text}: beyond {describe(threshold)}, but chance explains it",
    )
    return unknown(metric, refusal, window, samples=measured.samples, value=measured.value)


def _sure(threshold: Threshold, estimate: Estimate) -> Comparison | None:
    """Return what holds for every value of an interval; None if it is not known."""
    return compare_interval(threshold, estimate.low, estimate.high)


def _threshold(metric: Metric) -> Threshold:
    if metric.threshold is None:
        raise ValueError(f"metric {metric.name} has no threshold to compare with")
    return metric.threshold


def _outwards(threshold: Threshold, value: float) -> float:
    """Return a number that grows as a value gets worse."""
    if threshold.operator in LESS_OPERATORS:
        return -value
    bounds = threshold.warning_range or threshold.critical_range
    if bounds is None:
        return value
    middle = (parse_decimal(bounds.low) + parse_decimal(bounds.high)) / 2
    return abs(value - middle)
