"""Comparing a value with a reference: what a threshold sees where a metric says `compare`.

Both sides are known only so well, and both count: the interval of a comparison is made of the
intervals of its two sides by the method of variance estimates recovery, which keeps intervals that
are not symmetric as they are (Zou and Donner 2008; of ratios, Donner and Zou 2012).
"""

import math
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.metric_options import CompareAs, CompareTo, Comparison

_OF: Final = {
    CompareTo.BASELINE: "the baseline's",
    CompareTo.PREVIOUS_PERIOD: "the previous period's",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how well it is known.

    Attributes
    ----------
    value
        The best guess; NaN where there is none.
    low, high
        Ends of its confidence interval; infinite where nothing bounds it.
    """

    value: float
    low: float
    high: float

    def __neg__(self) -> "Estimate":
        """Return the estimate of the opposite."""
        return Estimate(-self.value, -self.high, -self.low)

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate of a multiple, `factor` being positive."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def within(self, low: float, high: float) -> "Estimate":
        """Return the estimate, knowing that the truth lies between two values."""
        return Estimate(*(min(max(each, low), high) for each in (self.value, self.low, self.high)))


UNBOUNDED: Final = Estimate(math.nan, -math.inf, math.inf)
"""Nothing is known."""


def exactly(value: float) -> Estimate:
    """Return the estimate of what is known without error."""
    return Estimate(value, value, value)


def compared(now: Estimate, before: Estimate, as_: CompareAs) -> Estimate:
    """Return a value compared with its reference, with the interval that both sides make.

    Parameters
    ----------
    now, before
        Independent of each other, with intervals of one level, which is the result's.
    as_
        Difference: now - before; Ratio: now / before; RelativeChange: (now - before) / |before|.

    Returns
    -------
    Estimate
        Of a ratio whose reference may be 0, but not negative, the least that it can be is known;
        if the reference's value is 0, it stands for the ratio. `UNBOUNDED` for a reference of
        either sign, or of exactly 0.
    """
    if as_ is CompareAs.DIFFERENCE:
        return _difference(now, before)
    if before.high < 0:
        found = _ratio(-now, -before)
    elif before.low >= 0 and before.high > 0:
        found = _ratio(now, before)
    else:
        return UNBOUNDED
    if as_ is CompareAs.RATIO:
        return found
    change = Estimate(found.value - 1, found.low - 1, found.high - 1)
    return change if before.high > 0 else -change


def worded(comparison: Comparison, change: Estimate) -> str:
    """Return a compared value in words, such as `1.31 times the baseline's`."""
    reference = _OF[comparison.to]
    match comparison.as_:
        case CompareAs.DIFFERENCE:
            side = "less" if change.value < 0 else "more"
            return f"{abs(change.value):.3g} {side} than {reference}"
        case CompareAs.RATIO:
            return f"{change.value:.3g} times {reference}"
        case CompareAs.RELATIVE_CHANGE:
            side = "below" if change.value < 0 else "above"
            return f"{abs(change.value):.2%} {side} {reference}"


def reference_of(to: CompareTo) -> str:
    """Return whose value a comparison takes as its reference: `the baseline's`."""
    return _OF[to]


def _difference(now: Estimate, before: Estimate) -> Estimate:
    value = now.value - before.value
    low = math.hypot(now.value - now.low, before.high - before.value)
    high = math.hypot(now.high - now.value, before.value - before.low)
    return Estimate(value, value - low, value + high)


def _ratio(now: Estimate, before: Estimate) -> Estimate:
    """Return now / before, no part of the interval of `before` being negative."""
    if before.low > 0:
        value = now.value / before.value
        return Estimate(value, _ratio_low(now, before), -_ratio_low(-now, before))
    if now.low < 0:
        return UNBOUNDED
    low = _ratio_low(now, before)
    return Estimate(now.value / before.value if before.value > 0 else low, low, math.inf)


def _ratio_low(now: Estimate, before: Estimate) -> float:
    """Return the least R for which the interval of now - R before holds 0 (Fieller's)."""
    if math.isinf(now.low):
        return now.low
    product, spread = now.value * before.value, now.value - now.low
    if now.low >= 0:
        # R is positive: then before is as large as it may be.
        if math.isinf(before.high):
            return 0.0
        wide, square = before.high - before.value, now.low * (2 * now.value - now.low)
        root = math.hypot(spread * before.value, wide * math.sqrt(square))
        return square / (product + root) if square > 0 else 0.0
    narrow = before.value - before.low
    square = before.low * (2 * before.value - before.low)
    return (product - math.hypot(now.value * narrow, spread * math.sqrt(square))) / square
