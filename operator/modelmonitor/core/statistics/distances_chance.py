"""What chance makes of a distance that is a sum over places.

A place is a cell with its share, or a cut with its cumulative share. By chance alone each share is
a binomial proportion; what a place adds to the distance is averaged over it exactly, without a
Taylor series, so that the mean holds for sparse cells too. Places depend on each other: if two
standard normal variables correlate by rho, functions of them with Hermite coefficients a_r and b_r
have the covariance sum a_r b_r rho^r / r! (Mehler 1866), of which four terms are used.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
from scipy import special

from modelmonitor.core.statistics.distances_interval import interval
from modelmonitor.core.statistics.distances_sides import NOISE_LEVEL, SMOOTHING, Distance, Sides
from modelmonitor.core.statistics.shares import Floats

WELL_FILLED: Final = 12.0
"""Variance of a count from which on it is taken for normal."""
NODES: Final = 37
"""Counts, or points of the normal distribution, over which a place is averaged."""
REACH: Final = 5.0
"""Standard deviations that these points span on either side."""
EDGE: Final = 1e-12

Part: TypeAlias = Callable[[Floats, Floats], Floats]
"""Shares before and now, shapes that broadcast to `(…, n_places)` → what each place adds."""
Relation: TypeAlias = Callable[[Floats, Floats], Floats]
"""Shares `(n_truths, n_places)` and four coefficients of each, `(4, n_truths, n_places)` → the
covariances of all different pairs, summed, shape `(n_truths,)`."""


class Smoothed(Enum):
    """Which sides are smoothed."""

    NEITHER = 0
    BASELINE = 1
    BOTH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A distance as a sum over places.

    Attributes
    ----------
    part
        What each place adds.
    places
        Shares of cells to shares of places.
    pairs
        How places depend on each other.
    finish
        Increasing; turns the sum into the distance.
    smoothed
        To which sides `SMOOTHING` rows a cell are added first: to those by which it divides.
    """

    part: Part
    places: Callable[[Floats], Floats]
    pairs: Relation
    finish: Callable[[float], float]
    smoothed: Smoothed = Smoothed.NEITHER

    def origin(self, shares: Floats, rows: float) -> Floats:
        """Return the baseline's shares as the formula takes them; `rows` were really counted."""
        return shares if self.smoothed is Smoothed.NEITHER else _smooth(shares, rows)

    def window(self, shares: Floats, rows: float) -> Floats:
        """Return the window's shares as the formula takes them; `rows` were really counted."""
        return _smooth(shares, rows) if self.smoothed is Smoothed.BOTH else shares


@dataclass(frozen=True, slots=True)
class Law:
    """How a distance is spread over repetitions: a gamma variable that may be shifted.

    Sums of squares of normal variables are close to it (Satterthwaite 1946; three moments: Pearson
    1959).
    """

    mean: float
    deviation: float
    skew: float

    def below(self, value: float) -> float:
        """Return how probable values up to this one are."""
        if self.deviation <= 0:
            return 1.0 if value >= self.mean else 0.0
        shape = 4 / self.skew**2
        reach = shape + (value - self.mean) / self.deviation * math.sqrt(shape)
        return float(special.gammainc(shape, max(0.0, reach)))

    def quantile(self, level: float) -> float:
        """Return the value that this part of all values stays below."""
        if self.deviation <= 0:
            return self.mean
        shape = 4 / self.skew**2
        reach = float(special.gammaincinv(shape, level)) - shape
        return self.mean + self.deviation * reach / math.sqrt(shape)


def laws(
    part: Callable[[Floats], Floats], shares: Floats, rows: float, pairs: Relation
) -> list[Law]:
    """Return how a sum over places is spread whose shares are those of a sample, for some truths.

    Parameters
    ----------
    part
        Shares of the sample, shape `(n_nodes, n_truths, n_places)`, to what each place adds.
    shares
        True shares, shape `(n_truths, n_places)`.
    rows
        Independent rows of the sample.
    pairs
        How places depend on each other.
    """
    points, weights = _sample(shares, rows)
    added = part(points)
    means = (weights * added).sum(axis=0)
    centred = added - means
    weighted = weights * centred
    deviations = np.sqrt(np.maximum(shares * (1 - shares) / rows, EDGE**2))
    z = (points - shares) / deviations
    square = z * z
    hermite = (z, square - 1, z * (square - 3), square * (square - 6) + 3)
    coefficients = np.stack([(each * weighted).sum(axis=0) for each in hermite])
    squares = weighted * centred
    variances = squares.sum(axis=(0, 2)) + pairs(shares, coefficients)
    thirds = (squares * centred).sum(axis=(0, 2))
    return [
        _law(float(mean), float(variance), float(third))
        for mean, variance, third in zip(means.sum(axis=1), variances, thirds, strict=True)
    ]


def _law(mean: float, variance: float, third: float) -> Law:
    if mean <= 0 or variance <= 0:
        return Law(mean, 0.0, 1.0)
    deviation = math.sqrt(variance)
    return Law(mean, deviation, max(2 * deviation / mean, third / deviation**3))


def between_cells(shares: Floats, coefficients: Floats) -> Floats:
    """Return the covariances of multinomial cells: rho = -sqrt(odds_i odds_j)."""
    odds = np.sqrt(shares / np.maximum(1 - shares, EDGE))
    total = np.zeros(len(shares))
    for order, rows in enumerate(coefficients, start=1):
        scaled = rows * odds**order
        pairs = scaled.sum(axis=1) ** 2 - (scaled**2).sum(axis=1)
        total += (-1) ** order * pairs / math.factorial(order)
    return total


def between_cuts(shares: Floats, coefficients: Floats) -> Floats:
    """Return the covariances of cumulative shares: rho = sqrt(odds_i / odds_j), i before j."""
    odds = np.sqrt(np.maximum(shares, EDGE) / np.maximum(1 - shares, EDGE))
    left, right = odds[:, :, None], odds[:, None, :]
    rho = np.minimum(left, right) / np.maximum(left, right)
    places = np.arange(shares.shape[1])
    rho[:, places, places] = 0.0
    total, power = np.zeros(len(shares)), np.ones_like(rho)
    for order, rows in enumerate(coefficients, start=1):
        power = power * rho
        products = (rows[:, None, :] @ power @ rows[:, :, None])[:, 0, 0]
        total += products / math.factorial(order)
    return total


def summed(
    between: Sides, of: Sum, unchanged: Part | None = None, hidden: tuple[float, float] = (0.0, 0.0)
) -> Distance:
    """Return a distance that is a function of a sum over places.

    Parameters
    ----------
    between
        What is compared.
    of
        The distance.
    unchanged
        What each place adds if nothing has changed, where that is another formula.
    hidden
        By how much the true sum may be less and more than that of the counts, because counts do
        not say where in their cell rows lie.
    """
    before, counted = float(between.before.sum()), float(between.now.sum())
    origin = of.places(between.expected)
    observed = of.places(of.window(between.q, counted))
    value = float(of.part(of.places(of.origin(between.p, before)), observed).sum())

    def truths(shares: Floats) -> Floats:
        found: Floats = of.part(origin, of.places(shares)).sum(axis=-1)
        return found

    def spread(part: Part, shares: Floats, rows: float) -> list[Law]:
        def of_window(points: Floats) -> Floats:
            return part(origin, of.window(points, counted))

        return laws(of_window, of.places(shares), rows, of.pairs)

    def spread_by_baseline(shares: Floats) -> list[Law]:
        now = of.places(shares)

        def of_baseline(points: Floats) -> Floats:
            return of.part(of.origin(points, before), now)

        return laws(of_baseline, np.broadcast_to(origin, now.shape), between.before_rows, of.pairs)

    sizes = (between.together, between.now_rows, between.before_rows)
    same = between.expected[None]
    null, *alone = (spread(unchanged or of.part, same, rows)[0] for rows in sizes)
    crossed = _crossed(null, *alone)
    # A window that is more even than chance makes it proves no more than an ordinary one.
    ordinary = max(value, null.mean)

    def below(shares: Floats) -> list[tuple[float, float]]:
        by_side = (spread(of.part, shares, between.now_rows), spread_by_baseline(shares))
        found = (
            _together(now, theirs, float(truth), crossed)
            for now, theirs, truth in zip(*by_side, truths(shares), strict=True)
        )
        return [(each.below(value), each.below(ordinary)) for each in found]

    low, high = interval(between, truths, below)
    ends = (value, null.quantile(1 - NOISE_LEVEL), low - hidden[0], high + hidden[1])
    return Distance(*(float(of.finish(max(0.0, each))) for each in ends))


def _smooth(shares: Floats, rows: float) -> Floats:
    extra = SMOOTHING / rows
    found: Floats = (shares + extra) / (1 + extra * shares.shape[-1])
    return found


def _crossed(null: Law, now: Law, before: Law) -> float:
    """Return the variance that exists only because both sides are samples."""
    return max(0.0, null.deviation**2 - now.deviation**2 - before.deviation**2)


def _together(now: Law, before: Law, truth: float, crossed: float) -> Law:
    """Return how a distance is spread of which both sides are samples."""
    mean = now.mean + before.mean - truth
    deviation = math.sqrt(now.deviation**2 + before.deviation**2 + crossed)
    if mean <= 0 or deviation <= 0:
        return Law(mean, 0.0, 1.0)
    return Law(
        mean, deviation, max(2 * deviation / mean, now.skew * (now.deviation / deviation) ** 3)
    )


def _sample(shares: Floats, rows: float) -> tuple[Floats, Floats]:
    """Return points of the binomial proportions and their weights, shape `(NODES, …)`."""
    deviation = np.sqrt(shares * (1 - shares) / rows)
    grid = np.linspace(-REACH, REACH, NODES)[:, None, None]
    points = np.clip(shares + grid * deviation, 0.0, 1.0)
    weights = np.broadcast_to(np.exp(-(grid**2) / 2), points.shape).copy()
    sparse = rows * shares * (1 - shares) < WELL_FILLED
    if sparse.any():
        points[:, sparse], weights[:, sparse] = _binomial(shares[sparse], rows)
    weights /= weights.sum(axis=0)
    return points, weights


def _binomial(shares: Floats, rows: float) -> tuple[Floats, Floats]:
    """Return the same of counts that may be any whole number, seen from the rarer outcome."""
    rare = np.minimum(shares, 1 - shares)
    counts = np.arange(NODES, dtype=np.float64)[:, None] + np.zeros(shares.size)
    possible = counts <= rows
    others = np.maximum(rows - counts, 0.0)
    logs = (
        special.gammaln(rows + 1)
        - special.gammaln(counts + 1)
        - special.gammaln(others + 1)
        + special.xlogy(counts, rare)
        + special.xlog1py(others, -rare)
    )
    weights = np.where(possible, np.exp(logs), 0.0)
    parts = np.minimum(counts / rows, 1.0)
    return np.where(shares <= rare, parts, 1 - parts), weights
