"""Distances between two distributions, given as counts in the same cells.

Each distance comes with what chance alone would make of it at these sizes, and with an interval for
the true distance. Both treat the rows of either side as independent draws.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import special

from modelmonitor.core.statistics.shares import Counts, Floats

SMOOTHING: Final = 0.5
"""Added to every cell of both sides before PSI takes logarithms (Jeffreys)."""
Z: Final = 1.959964
"""Standard deviations of a 95 % interval."""
NOISE_LEVEL: Final = 0.05
WELL_FILLED: Final = 30
"""Expected rows of a cell from which on its part of a distance is taken for chi-square."""


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
    Without change, PSI / (1/n + 1/m) is chi-square with n_cells - 1 degrees of freedom where cells
    are well filled (Yurdakul and Naranjo 2020, theorem 2.1); with change, its variance follows from
    the derivatives (p - q)/q + ln(p/q) of the multinomial shares.
    """
    m, n = float(before.sum()), float(now.sum()) / worth
    p, q = _smoothed(before), _smoothed(now)
    ratio = np.log(p / q)
    value = float(((p - q) * ratio).sum())
    spread = _variance(q, -ratio - (p - q) / q, n) + _variance(p, ratio + (p - q) / p, m)

    def of_counts(counts: Floats) -> Floats:
        part = (counts + SMOOTHING) / (n + SMOOTHING * before.size)
        return (p - part) * np.log(p / part)

    return _with_noise(value, spread, _chance(before, n, of_counts, 1.0), float)


def jensen_shannon(before: Counts, now: Counts, worth: float = 1.0) -> Distance:
    """Return the Jensen-Shannon distance with base 2: the root of the divergence, 0 to 1.

    Parameters are those of `psi`.

    Notes
    -----
    Without change, the divergence in nats is chi-square / 8 times (1/n + 1/m) where cells are well
    filled; with change, its variance follows from the derivatives log2(2p/(p+q))/2 of the shares
    (Lin 1991, equation 4.1).
    """
    m, n = float(before.sum()), float(now.sum()) / worth
    p, q = before / before.sum(), now / now.sum()
    left, right = _log_to_middle(p, q), _log_to_middle(q, p)
    value = float((p * left).sum() + (q * right).sum()) / 2
    spread = _variance(q, right / 2, n) + _variance(p, left / 2, m)

    def of_counts(counts: Floats) -> Floats:
        part = counts / n
        halves: Floats = p * _log_to_middle(p, part) + part * _log_to_middle(part, p)
        return halves / 2

    chance = _chance(before, n, of_counts, 1 / (8 * np.log(2)))
    return _with_noise(max(0.0, value), spread, chance, np.sqrt)


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


@dataclass(frozen=True, slots=True)
class _Chance:
    """Mean and variance of a distance where nothing has changed."""

    mean: float
    variance: float


def _chance(
    before: Counts, n: float, of_counts: Callable[[Floats], Floats], unit: float
) -> _Chance:
    """Return what chance alone makes of a distance that is a sum over cells.

    Parameters
    ----------
    before
        The baseline's counts.
    n
        Independent rows of the window.
    of_counts
        What each cell adds if it holds these counts, shape `(…, n_cells)`.
    unit
        What a well filled cell adds on average, times 1/n + 1/m.

    Notes
    -----
    Cells in which few rows are expected are far from chi-square; for them mean and variance are
    summed over the Poisson probabilities of their counts. The baseline's own chance is added to
    first order.
    """
    cells, m = before.size, float(before.sum())
    expected = before / m * n
    mean, square = np.full(cells, unit / n), np.full(cells, 3 * (unit / n) ** 2)
    sparse = expected < WELL_FILLED
    if sparse.any():
        counts = np.arange(4 * WELL_FILLED)[:, None] + np.zeros(cells)
        logs = special.xlogy(counts, expected) - expected - special.gammaln(counts + 1)
        weight, added = np.exp(logs), of_counts(counts)
        mean = np.where(sparse, (weight * added).sum(axis=0), mean)
        square = np.where(sparse, (weight * added**2).sum(axis=0), square)
    # The counts of all cells add up to n, which takes one degree of freedom from the sum.
    free = (cells - 1) / cells
    baseline = (cells - 1) * unit / m
    total = free * float(mean.sum())
    variance = free * float((square - mean**2).sum())
    grown = (total + baseline) / total if total > 0 else 1.0
    return _Chance(total + baseline, variance * grown**2)


def _with_noise(
    value: float, spread: float, chance: _Chance, finish: Callable[[float], float]
) -> Distance:
    """Return a distance with noise and interval; `finish` turns the sum over cells into it."""
    deviation = math.sqrt(spread + chance.variance)
    low = max(0.0, value - chance.mean - Z * deviation)
    high = max(0.0, value - chance.mean + Z * deviation)
    if value < chance.mean:  # less than chance usually makes of it: the value itself is possible
        high = max(high, value)
    noise = _gamma_upper(chance)
    return Distance(
        float(finish(value)), float(finish(noise)), float(finish(low)), float(finish(high))
    )


def _gamma_upper(chance: _Chance) -> float:
    """Return the 95 % quantile of a gamma variable (Wilson and Hilferty 1931)."""
    if chance.mean <= 0 or chance.variance <= 0:
        return 0.0
    part = chance.variance / (9 * chance.mean**2)
    return chance.mean * max(0.0, 1 - part + 1.644854 * math.sqrt(part)) ** 3


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
