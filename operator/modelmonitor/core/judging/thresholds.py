"""Comparing a value with thresholds: which severity it breaches and whether it is safe again."""

from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.thresholds import Operator, Threshold, ValueRange
from modelmonitor.core.judging.verdict import Level

SIGNS: Final = {
    Operator.GREATER_THAN: ">",
    Operator.GREATER_THAN_OR_EQUAL: ">=",
    Operator.LESS_THAN: "<",
    Operator.LESS_THAN_OR_EQUAL: "<=",
    Operator.OUTSIDE_RANGE: "outside",
    Operator.INSIDE_RANGE: "inside",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a threshold says about a value.

    Attributes
    ----------
    level
        Severity of the breach; None without one.
    recovered
        The value is on the safe side of `recoverAt`, or of every threshold without one.
    """

    level: Level | None
    recovered: bool


def compare(threshold: Threshold, value: float) -> Comparison:
    """Return which severity a value breaches, and whether a firing alert could end with it."""
    if _breaks(threshold, threshold.critical, threshold.critical_range, value):
        return Comparison(Level.CRITICAL, recovered=False)
    if _breaks(threshold, threshold.warning, threshold.warning_range, value):
        return Comparison(Level.WARNING, recovered=False)
    return Comparison(None, recovered=not _breaks(threshold, threshold.recover_at, None, value))


def compare_interval(threshold: Threshold, low: float, high: float) -> Comparison | None:
    """Return what holds for every value between two; None if some breach and some do not.

    Where all breach, but not all the same severity, the lower severity is certain.
    """
    ends = [compare(threshold, low), compare(threshold, high)]
    levels = {end.level for end in ends}
    if len(levels) == 1:
        inside = _reaches_into(threshold, low, high)
        return None if inside else Comparison(ends[0].level, all(end.recovered for end in ends))
    return None if None in levels else Comparison(Level.WARNING, recovered=False)


def describe(threshold: Threshold) -> str:
    """Return the threshold in words, at most 64 characters: `> 0.25 critical, > 0.1 warning`."""
    sign = SIGNS[threshold.operator]
    parts = [
        f"{sign} {bound} {name}"
        for name, bound in (
            ("critical", _text(threshold.critical, threshold.critical_range)),
            ("warning", _text(threshold.warning, threshold.warning_range)),
        )
        if bound
    ]
    return ", ".join(parts)[:64]


def _breaks(
    threshold: Threshold, bound: str | None, bounds: ValueRange | None, value: float
) -> bool:
    """Return whether the operator's comparison is true; without a bound it never is."""
    if bounds is not None:
        inside = parse_decimal(bounds.low) <= value <= parse_decimal(bounds.high)
        return inside if threshold.operator is Operator.INSIDE_RANGE else not inside
    if bound is None:
        return False
    limit = parse_decimal(bound)
    match threshold.operator:
        case Operator.GREATER_THAN:
            return value > limit
        case Operator.GREATER_THAN_OR_EQUAL:
            return value >= limit
        case Operator.LESS_THAN:
            return value < limit
        case Operator.LESS_THAN_OR_EQUAL:
            return value <= limit
        case Operator.OUTSIDE_RANGE | Operator.INSIDE_RANGE:
            return False  # ranges have no single bound; the API refuses the mixture


def _reaches_into(threshold: Threshold, low: float, high: float) -> bool:
    """Return whether a whole range lies between two values that are both outside it."""
    ranges = (threshold.warning_range, threshold.critical_range)
    return any(
        low < parse_decimal(each.low) and parse_decimal(each.high) < high
        for each in ranges
        if each is not None
    )


def _text(bound: str | None, bounds: ValueRange | None) -> str:
    return f"{bounds.low} to {bounds.high}" if bounds is not None else bound or ""
