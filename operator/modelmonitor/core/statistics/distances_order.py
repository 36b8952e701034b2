"""Distances of cumulative shares F and G: of numbers, and of the lengths of text.

Counts say how many rows lie in a cell, not where. A distance is computed as if they lay at the
cell's upper cut, which is exact where every value is a cut. Its interval holds every place that
they could have: F and G only grow, so that between two cuts |F - G| is at most the larger of
F(right) - G(left) and G(right) - F(left), and at least F(left) - G(right) and G(left) - F(right).
"""

import math
from dataclasses import dataclass

import numpy as np

from modelmonitor.core.statistics.distances_chance import EDGE, Part, Sum, between_cuts, summed
from modelmonitor.core.statistics.distances_sides import Distance, Sides
from modelmonitor.core.statistics.shares import Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Gaps:
    """What |F - G| can be inside each cell, shape `(n_cells,)`."""

    least: Floats
    most: Floats


def cramer_von_mises(between: Sides) -> Distance:
    """Return the root of the mean of (F - G)^2 over both sides, counted alike; 0 to 0.577.

    With n rows on either side, n / 2 times its square is the two-sample statistic (Anderson 1962,
    equation 2).
    """
    mass = (between.p + between.q) / 2
    gaps = _gaps(between)
    bounds = float((mass * gaps.least**2).sum()), float((mass * gaps.most**2).sum())
    return _squares(between, mass[:-1], between.expected[:-1], bounds)


def anderson_darling(between: Sides) -> Distance:
    """Return the root of the mean of (F - G)^2 / (H (1 - H)) over both sides; 0 to 1.243.

    H = (F + G) / 2 counts both sides alike. With n rows on either side, n / 2 times the square is
    the two-sample statistic (Scholz and Stephens 1987, equation 3).
    """
    mass = (between.p + between.q) / 2
    middle = np.concatenate([[0.0], _cumulative(mass), [1.0]])
    bounds = _tail_bounds(_gaps(between), middle)
    observed, unchanged = _tail_weighted(mass[:-1]), _tail_weighted(between.expected[:-1])
    return _folded(between, observed, unchanged, bounds, root=True)


def wasserstein(between: Sides) -> Distance:
    """Return the integral of |F - G| over the values, in standard deviations of the baseline.

    How far rows have to move on average (Vallender 1974); 0 to the baseline's range. Values beyond
    the baseline's minimum and maximum count as these.
    """
    widths, gaps = _widths(between), _gaps(between)
    inside = widths[:-1]
    bounds = (
        float((inside * gaps.least[1:-1]).sum()),
        float((inside * gaps.most[1:-1]).sum()),
    )

    def part(p: Floats, q: Floats) -> Floats:
        found: Floats = widths * np.abs(p - q)
        return found

    return _folded(between, part, part, bounds, root=False)


def energy(between: Sides) -> Distance:
    """Return the energy distance, the root of 2 times the integral of (F - G)^2.

    Of values in standard deviations of the baseline (Székely 2003; Székely and Rizzo 2013, equation
    2.5); values beyond the baseline's minimum and maximum count as these.
    """
    widths, gaps = 2 * _widths(between), _gaps(between)
    inside = widths[:-1]
    bounds = (
        float((inside * gaps.least[1:-1] ** 2).sum()),
        float((inside * gaps.most[1:-1] ** 2).sum()),
    )
    return _squares(between, widths, widths, bounds)


def _squares(
    between: Sides, weights: Floats, unchanged: Floats, bounds: tuple[float, float]
) -> Distance:
    """Return the root of a weighted sum of (F - G)^2 over cuts."""
    return _folded(between, _weighted(weights), _weighted(unchanged), bounds, root=True)


def _weighted(weights: Floats) -> Part:
    def part(p: Floats, q: Floats) -> Floats:
        found: Floats = weights * (p - q) ** 2
        return found

    return part


def _tail_weighted(mass: Floats) -> Part:
    def part(p: Floats, q: Floats) -> Floats:
        middle = (p + q) / 2
        found: Floats = mass * (p - q) ** 2 / np.maximum(middle * (1 - middle), EDGE)
        return found

    return part


def _folded(
    between: Sides, part: Part, unchanged: Part, bounds: tuple[float, float], *, root: bool
) -> Distance:
    """Return a sum over cuts, with what cells hide between `bounds` in its interval."""
    p, q = _cumulative(between.p), _cumulative(between.q)
    value = float(part(p, q).sum())
    of = Sum(
        part=part,
        places=_cumulative,
        pairs=between_cuts,
        finish=math.sqrt if root else float,
    )
    hidden = (max(0.0, value - bounds[0]), max(0.0, bounds[1] - value))
    return summed(between, of, unchanged, hidden)


def _cumulative(cells: Floats) -> Floats:
    """Return the shares at or below each cut, shape `(n_cells - 1,)`."""
    return np.minimum(np.cumsum(cells, axis=-1), 1.0)[..., :-1]


def _gaps(between: Sides) -> _Gaps:
    left_p, left_q = (np.concatenate([[0.0], _cumulative(each)]) for each in (between.p, between.q))
    right_p, right_q = left_p + between.p, left_q + between.q
    return _Gaps(
        least=np.maximum(0.0, np.maximum(left_p - right_q, left_q - right_p)),
        most=np.minimum(1.0, np.maximum(right_p - left_q, right_q - left_p)),
    )


def _widths(between: Sides) -> Floats:
    """Return how far each cut is from the next one, 0 for the last, in standard deviations."""
    return np.append(np.diff(between.cuts), 0.0) / between.deviation


def _tail_bounds(gaps: _Gaps, middle: Floats) -> tuple[float, float]:
    """Return what the integral of (F - G)^2 / (H (1 - H)) over H can be at least and at most.

    Towards the ends |F - G| is at most 2 H, and 2 (1 - H), which keeps the integral finite.
    """
    inside = np.clip(middle, EDGE, 1 - EDGE)
    logits = np.diff(np.log(inside) - np.log1p(-inside))
    lower = 4 * np.diff(-np.log1p(-inside) - inside)
    upper = 4 * np.diff(inside + np.log(inside))
    most = np.minimum(gaps.most**2 * logits, np.minimum(lower, upper))
    return float((gaps.least**2 * logits).sum()), float(most.sum())
