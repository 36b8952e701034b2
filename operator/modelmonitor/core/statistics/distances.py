"""Distances between two distributions, given as counts in the same cells.

Each distance comes with what chance alone would make of it at these sizes, and with an interval for
the true distance. Both treat the rows of either side as independent draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.core.statistics.shares import Counts, Floats

SMOOTHING: Final = 0.5
"""Added to every cell of both sides before PSI takes logarithms (Jeffreys)."""
Z: Final = 1.959964
"""Standard deviations of a 95 % interval."""
NOISE_LEVEL: Final = 0.05


@dataclass(frozen=True, slots=True)
class Distance:
    """A distance and how well it is known.

    Attributes
    ----------
    value
        As defined, without correction.
    noise
        What 95 of 100 windows stay below if nothing has changed.
    low, high
        95 % interval for the true distance.
    """

    value: float
    noise: float
    low: float
    high: float


def psi(before: Counts, now: Counts, worth: float = 1.0) -> Distance:
    """Return the population stability index, sum (p - q) ln(p / q).

    Natural logarithm; p and q are shares after `SMOOTHING`.

    Parameters
    ----------
    before, now
        Counts, shape `(n_cells,)`, both with at least one row.
    worth
        Rows of `now` that are worth one independent row.

    Notes
    -----
    Without change, PSI / (1/n + 1/m) is chi-square with n_cells - 1 degrees of freedom to first
    order (Yurdakul and Naranjo 2020, theorem 2.1); with change, its variance follows from the
    derivatives (p - q)/q + ln(p/q) of the multinomial shares.
    """
    m, n = float(before.sum()), float(now.sum()) / worth
    p, q = _smoothed(before), _smoothed(now)
    ratio = np.log(p / q)
    value = float(((p - q) * ratio).sum())
    spread = _variance(q, -ratio - (p - q) / q, n) + _variance(p, ratio + (p - q) / p, m)
    return _with_noise(value, spread, before.size - 1, 1 / n + 1 / m, float)


def jensen_shannon(before: Counts, now: Counts, worth: float = 1.0) -> Distance:
    """Return the Jensen-Shannon distance with base 2: the root of the divergence, 0 to 1.

    Parameters are those of `psi`.

    Notes
    -----
    Without change, the divergence in nats is chi-square / 8 times (1/n + 1/m) to first order;
    with change, its variance follows from the derivatives ln(2p/(p+q))/2 of the shares
    (Lin 1991, equation 4.1).
    """
    m, n = float(before.sum()), float(now.sum()) / worth
    p, q = before / before.sum(), now / now.sum()
    left, right = _log_to_middle(p, q), _log_to_middle(q, p)
    value = float((p * left).sum() + (q * right).sum()) / 2
    spread = _variance(q, right / 2, n) + _variance(p, left / 2, m)
    scale = (1 / n + 1 / m) / 8 / np.log(2)
    return _with_noise(max(0.0, value), spread, before.size - 1, scale, np.sqrt)


def kolmogorov_smirnov(before: Counts, now: Counts, worth: float = 1.0) -> Distance:
    """Return the largest difference of cumulative shares at the cells' bounds, 0 to 1.

    Parameters are those of `psi`. Noise and interval are the Dvoretzky-Kiefer-Wolfowitz bound for
    both samples, which is safe and a little wide.
    """
    m, n = float(before.sum()), float(now.sum()) / worth
    gaps = np.abs(np.cumsum(before) / before.sum() - np.cumsum(now) / now.sum())
    value = float(gaps.max(initial=0.0))
    noise = float(np.sqrt(np.log(2 / NOISE_LEVEL) / 2 * (1 / n + 1 / m)))
    return Distance(value, min(1.0, noise), max(0.0, value - noise), min(1.0, value + noise))


def _with_noise(
    value: float, spread: float, degrees: int, scale: float, finish: Callable[[float], float]
) -> Distance:
    """Return a distance whose square-like `value` is scale · chi-square(degrees) by chance."""
    bias = degrees * scale
    deviation = float(np.sqrt(spread + 2 * degrees * scale**2))
    noise = _chi_square_upper(degrees) * scale
    low, high = max(0.0, value - bias - Z * deviation), max(0.0, value - bias + Z * deviation)
    if value < bias:  # less than chance usually makes of it: the value itself is possible
        high = max(high, value)
    return Distance(
        float(finish(value)), float(finish(noise)), float(finish(low)), float(finish(high))
    )


def _chi_square_upper(degrees: int) -> float:
    """Return the 95 % quantile of chi-square (Wilson and Hilferty 1931)."""
    if degrees < 1:
        return 0.0
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + 1.644854 * np.sqrt(part)) ** 3)


def _smoothed(counts: Counts) -> Floats:
    smooth: Floats = (counts + SMOOTHING) / (counts.sum() + SMOOTHING * counts.size)
    return smooth


def _log_to_middle(p: Floats, q: Floats) -> Floats:
    """Return log2(2p / (p + q)), 0 where p is 0."""
    middle = (p + q) / 2
    safe = np.where(p > 0, p / np.where(middle > 0, middle, 1.0), 1.0)
    return np.log2(safe)


def _variance(shares: Floats, derivative: Floats, size: float) -> float:
    """Return the variance of a function of multinomial shares, by its derivatives."""
    mean = float((shares * derivative).sum())
    return max(0.0, float((shares * derivative**2).sum()) - mean**2) / size
