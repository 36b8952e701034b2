"""Distances that are the largest difference of all: at one cell, or at one cut."""

import math
from typing import Final

import numpy as np
from scipy import special

from modelmonitor.core.statistics.distances_sides import NOISE_LEVEL, Distance, Sides
from modelmonitor.core.statistics.shares import Floats, dkw_radius

HALVINGS: Final = 20
"""Steps in which the noise of L-infinity is narrowed down from the interval 0 to 1."""
EDGE: Final = 1e-12


def kolmogorov_smirnov(between: Sides) -> Distance:
    """Return the largest difference of cumulative shares at the cuts, 0 to 1.

    Noise and reach of the interval are the Dvoretzky-Kiefer-Wolfowitz bound, of which two samples
    need no more than one of `Sides.together` rows has (Wei and Dudley 2012): safe and a little
    wide. Between two cuts the difference can be larger than at them; the interval holds that too.
    """
    left_p, left_q = (np.cumsum(each) - each for each in (between.p, between.q))
    right_p, right_q = left_p + between.p, left_q + between.q
    value = float(np.abs(right_p - right_q).max(initial=0.0))
    most = float(np.maximum(right_p - left_q, right_q - left_p).max(initial=0.0))
    noise = dkw_radius(between.together, NOISE_LEVEL)
    return Distance(value, noise, max(0.0, value - noise), min(1.0, most + noise))


def l_infinity(between: Sides) -> Distance:
    """Return the largest difference of any cell's share, max |p - q|, 0 to 1.

    The noise follows from the binomial tails of all cells, taken together as if they were
    independent, which is safe (Sidak 1967). The interval holds the differences of all cells at
    once, which is safer than it need be.
    """
    value = float(np.abs(between.p - between.q).max(initial=0.0))
    least_p, most_p = _bounds(between.p, between.before_rows)
    least_q, most_q = _bounds(between.q, between.now_rows)
    low = float(np.maximum(least_q - most_p, least_p - most_q).max(initial=0.0))
    high = float(np.maximum(most_q - least_p, most_p - least_q).max(initial=0.0))
    return Distance(value, _largest_by_chance(between.expected, between.together), low, high)


def _bounds(shares: Floats, rows: float) -> tuple[Floats, Floats]:
    """Return what all shares of one side are at least and at most, at once.

    Clopper and Pearson 1934, with Bonferroni's correction for the cells and the sides.
    """
    level = NOISE_LEVEL / (4 * shares.size)
    hits, others = shares * rows, np.maximum((1 - shares) * rows, 0.0)
    least = special.betaincinv(np.maximum(hits, EDGE), others + 1, level)
    most = special.betaincinv(hits + 1, np.maximum(others, EDGE), 1 - level)
    return np.where(hits > 0, least, 0.0), np.where(others > 0, most, 1.0)


def _largest_by_chance(shares: Floats, rows: float) -> float:
    """Return what the largest deviation of 95 of 100 samples stays below."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _stays_within(shares, rows, middle) < 1 - NOISE_LEVEL:
            low = middle
        else:
            high = middle
    return high


def _stays_within(shares: Floats, rows: float, radius: float) -> float:
    """Return how probable it is, at least, that all shares of a sample deviate by less.

    Rows need not be whole: the binomial tails are those of the incomplete beta function.
    """
    over, under = (shares + radius) * rows, (shares - radius) * rows
    more = special.betainc(np.minimum(over, rows), np.maximum(rows - over, 0.0) + 1, shares)
    less = special.betaincc(np.maximum(under, 0.0) + 1, np.maximum(rows - under, EDGE), shares)
    outside = np.where(over <= rows, more, 0.0) + np.where(under >= 0, less, 0.0)
    return math.exp(float(np.log1p(-np.minimum(outside, 1 - EDGE)).sum()))
