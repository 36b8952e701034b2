"""Distances that look at each cell by itself: of numbers as well as of categories.

Where a formula divides by shares, these are smoothed by half a row a cell, so that a category that
one side lacks counts for much, but not for infinity.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy import special

from modelmonitor.core.statistics.distances_chance import (
    Part,
    Smoothed,
    Sum,
    between_cells,
    summed,
)
from modelmonitor.core.statistics.distances_sides import NOISE_LEVEL, Distance, Sides
from modelmonitor.core.statistics.shares import Floats, dkw_radius


def psi(between: Sides) -> Distance:
    """Return the population stability index, sum (p - q) ln(p / q), smoothed; 0 to infinity.

    Without change it is chi-square with n_cells - 1 degrees of freedom, times 1/n + 1/m, where
    cells are well filled (Yurdakul and Naranjo 2020, theorem 2.1).
    """
    return _of_cells(between, lambda p, q: (p - q) * np.log(p / q), _same, Smoothed.BOTH)


def kullback_leibler(between: Sides) -> Distance:
    """Return the divergence of the window from the baseline, sum p ln(p / q), smoothed, in nats.

    0 to infinity; p are the baseline's shares (Kullback and Leibler 1951, equation 2.4).
    """
    return _of_cells(between, _divergence, _same, Smoothed.BOTH)


def jensen_shannon(between: Sides) -> Distance:
    """Return the Jensen-Shannon distance with base 2, 0 to 1.

    The root of the mean divergence of both sides from their middle (Lin 1991, equation 4.1).
    """

    def part(p: Floats, q: Floats) -> Floats:
        middle = np.maximum((p + q) / 2, np.finfo(np.float64).tiny)
        halves: Floats = special.xlogy(p, p / middle) + special.xlogy(q, q / middle)
        return halves / (2 * math.log(2))

    return _of_cells(between, part, math.sqrt, Smoothed.NEITHER)


def hellinger(between: Sides) -> Distance:
    """Return the Hellinger distance, the root of 1 - sum sqrt(p q), 0 to 1."""

    def part(p: Floats, q: Floats) -> Floats:
        gaps: Floats = np.sqrt(p) - np.sqrt(q)
        return gaps**2 / 2

    return _of_cells(between, part, math.sqrt, Smoothed.NEITHER)


def total_variation(between: Sides) -> Distance:
    """Return the total variation distance, sum |p - q| / 2: the share that moved, 0 to 1.

    Many small differences can hide below the noise. Chance only adds to it on average, and one row
    changes it by at most 1 / n, so that the truth is hardly ever above the upper end (McDiarmid
    1989, lemma 1.2).
    """
    found = _of_cells(between, lambda p, q: np.abs(p - q) / 2, _same, Smoothed.NEITHER)
    return replace(found, high=min(1.0, found.value + dkw_radius(between.together, NOISE_LEVEL)))


def chi_square(between: Sides) -> Distance:
    """Return Cohen's w, the root of sum (q - p)^2 / p, smoothed; 0 to infinity.

    The root of the chi-square statistic per row of the window, when the baseline is taken for the
    expected shares: an effect size that does not grow with the rows (Cohen 1988, equation 7.2.1).
    """
    return _of_cells(between, lambda p, q: (q - p) ** 2 / p, math.sqrt, Smoothed.BASELINE)


def g_test(between: Sides) -> Distance:
    """Return sum q ln(q / p), smoothed, in nats: G / 2 per row of the window; 0 to infinity.

    The log-likelihood that the window's rows lose, each, when the baseline's shares are taken for
    theirs (Wilks 1938); the divergence of the baseline from the window.
    """
    return _of_cells(between, lambda p, q: _divergence(q, p), _same, Smoothed.BASELINE)


def cramers_v(between: Sides) -> Distance:
    """Return Cramér's V of cell and side, both sides counted alike, 0 to 1.

    The root of sum (p - q)^2 / (2 (p + q)) (Cramér 1946, section 21.9). Were sides weighted by
    their rows, V would go to 0 as the baseline grows.
    """

    def part(p: Floats, q: Floats) -> Floats:
        return (p - q) ** 2 / np.maximum(2 * (p + q), np.finfo(np.float64).tiny)

    return _of_cells(between, part, math.sqrt, Smoothed.NEITHER)


def _of_cells(
    between: Sides, part: Part, finish: Callable[[float], float], smoothed: Smoothed
) -> Distance:
    of = Sum(part=part, places=np.asarray, pairs=between_cells, finish=finish, smoothed=smoothed)
    return summed(between, of)


def _divergence(p: Floats, q: Floats) -> Floats:
    """Return p ln(p / q) of each cell, without what adds up to 0 over all of them."""
    found: Floats = special.xlogy(p, p / q) - p + q
    return found


def _same(value: float) -> float:
    return value
