"""What a number of alarms says about their rate (exact intervals by Garwood 1936)."""

from typing import Final

from scipy.stats import chi2

LEVEL: Final = 0.95
"""Of one-sided bounds."""


def most(events: int) -> float:
    """Return the largest mean that so few events leave possible: an upper bound, one-sided."""
    return float(chi2.ppf(LEVEL, 2 * (events + 1)) / 2)


def least(events: int) -> float:
    """Return the smallest mean that so many events leave possible: a lower bound, one-sided."""
    return float(chi2.ppf(1 - LEVEL, 2 * events) / 2) if events else 0.0
