"""What joint moments tell: correlations, what principal components leave over, and discrepancy.

Every answer comes with a 95 % interval, and with what 95 of 100 windows stay below by chance alone
if nothing has changed. Rows are taken for independent but for `worth`.
"""

import itertools
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.counting.moments import unpacked
from modelmonitor.core.statistics.shares import Floats
from modelmonitor.core.wire.pane import MomentCounts

LEVEL: Final = 0.05
Z: Final = NormalDist().inv_cdf(1 - LEVEL / 2)
NORMAL_KURTOSIS: Final = 3.0
LEAST_ROWS: Final = 10.0
"""Independent rows below which no variance is believed."""
EXPLAINED: Final = 0.65
"""Share of the variance that the components explain."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and how well it is known.

    Attributes
    ----------
    value
        As defined.
    low, high
        95 % interval for the true value.
    noise
        What 95 of 100 windows stay below if nothing has changed.
    """

    value: float
    low: float
    high: float
    noise: float


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and covariance of one view's vectors.

    Attributes
    ----------
    rows
        Independent rows that they are worth.
    mean
        Shape `(width,)`.
    covariance
        Shape `(width, width)`.
    kurtosis
        Fourth central moment over the squared variance, shape `(width,)`; 3 for normal numbers.
    """

    rows: float
    mean: Floats
    covariance: Floats
    kurtosis: Floats


def moments_of(counts: MomentCounts, worth: float = 1.0) -> Moments:
    """Return the moments behind counts of at least one row.

    Parameters
    ----------
    counts
        Of one view.
    worth
        Rows that are worth one independent row.
    """
    mean = unpacked(counts.sums) / counts.rows
    width = mean.size
    second = np.zeros((width, width))
    second[np.triu_indices(width)] = unpacked(counts.products) / counts.rows
    second = second + np.triu(second, 1).T
    covariance = second - np.outer(mean, mean)
    variance = np.maximum(np.diag(covariance), 0.0)
    # Third moments are not counted. About the baseline's mean, which is 0, they play no part.
    fourth = np.maximum(unpacked(counts.fourths) / counts.rows, np.diag(second) ** 2)
    kurtosis = np.divide(
        fourth, np.diag(second) ** 2, out=np.full(width, NORMAL_KURTOSIS), where=variance > 0
    )
    return Moments(counts.rows / worth, mean, covariance, kurtosis)


def correlations(moments: Moments) -> Floats:
    """Return the correlation of each pair, shape `(width, width)`; NaN where one never varies."""
    deviation = np.sqrt(np.maximum(np.diag(moments.covariance), 0.0))
    product = np.outer(deviation, deviation)
    found = np.divide(
        moments.covariance, product, out=np.full(product.shape, np.nan), where=product > 1e-12
    )
    clipped: Floats = np.clip(found, -1.0, 1.0)
    return clipped


def correlation_change(
    before: Moments, now: Moments, watched: NDArray[np.int64]
) -> tuple[Estimate, list[tuple[float, int, int]]] | None:
    """Return the largest change of a correlation, 0 to 2, and the pairs, largest change first.

    The variance of a correlation is (1 - r²)² (1 + k) / n with k a third of the excess kurtosis
    (Muirhead 1982, section 5.1.4, for elliptical distributions; k = 0 for normal ones). The
    intervals of all pairs hold together, by Bonferroni, so that they hold for the largest.

    Parameters
    ----------
    before, now
        Of one view.
    watched
        Positions of the columns to look at.

    Returns
    -------
    tuple or None
        None if no pair varies on both sides.
    """
    r0, r1 = correlations(before), correlations(now)
    pairs = [
        (i, j)
        for i, j in itertools.combinations(watched.tolist(), 2)
        if math.isfinite(r0[i, j]) and math.isfinite(r1[i, j])
    ]
    if not pairs:
        return None
    first, second = np.array(pairs).T
    a, b = r0[first, second], r1[first, second]
    changes = np.abs(b - a)
    variance = _variance(before, a, first, second) + _variance(now, b, first, second)
    chance = _variance(before, a, first, second) + _variance(now, a, first, second)
    z = NormalDist().inv_cdf(1 - LEVEL / (2 * len(pairs)))
    estimate = Estimate(
        value=float(changes.max()),
        low=float(np.maximum(changes - z * np.sqrt(variance), 0.0).max()),
        high=float(np.minimum(changes + z * np.sqrt(variance), 2.0).max()),
        noise=float((z * np.sqrt(chance)).max()),
    )
    order = np.argsort(-changes, kind="stable")
    return estimate, [(float(changes[k]), *pairs[k]) for k in order.tolist()]


def _variance(
    moments: Moments, r: Floats, first: NDArray[np.int64], second: NDArray[np.int64]
) -> Floats:
    heavier = np.maximum(moments.kurtosis[first], moments.kurtosis[second])
    excess = np.maximum(heavier / NORMAL_KURTOSIS - 1, 0.0)
    found: Floats = (1 - r**2) ** 2 * (1 + excess) / max(moments.rows - 1, LEAST_ROWS)
    return found


def principal_components(covariance: Floats) -> Floats:
    """Return the fewest orthonormal components that explain `EXPLAINED` of the variance.

    Returns
    -------
    NDArray
        Shape `(n_components, width)`, the strongest first.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    explained = np.cumsum(values) / max(float(values.sum()), 1e-300)
    count = int(np.searchsorted(explained, EXPLAINED - 1e-9)) + 1
    return np.ascontiguousarray(vectors[:, :count].T)


def reconstruction_error(before: MomentCounts, now: MomentCounts, worth: float) -> Estimate | None:
    """Return the mean squared error of rows rebuilt from the components, over the baseline's.

    1 means as in the baseline, more that rows no longer lie where they did.

    Parameters
    ----------
    before, now
        Of one view with components, at least one row each.
    worth
        Rows of either side that are worth one independent row.

    Returns
    -------
    Estimate or None
        None if the baseline's rows are rebuilt without error.
    """
    base, base_variance = _mean_error(before, worth)
    mean, variance = _mean_error(now, worth)
    if base <= 0:
        return None
    ratio = mean / base
    # First order in both means.
    spread = Z * math.sqrt(variance + ratio**2 * base_variance) / base
    by_chance = math.sqrt(base_variance * before.rows / max(now.rows, 1) + base_variance) / base
    return Estimate(
        ratio, max(0.0, ratio - spread), ratio + spread, 1 + NormalDist().inv_cdf(0.95) * by_chance
    )


def _mean_error(counts: MomentCounts, worth: float) -> tuple[float, float]:
    """Return the mean error of a row, and the variance of that mean."""
    mean = counts.errors / counts.rows
    spread = max(counts.errorSquares / counts.rows - mean**2, 0.0)
    return mean, spread / max(counts.rows / worth - 1, LEAST_ROWS)


def discrepancy(before: Moments, now: Moments) -> Estimate:
    """Return the maximum mean discrepancy of two samples' random features.

    It is the root of the squared distance of the mean features, less what chance adds to it
    (unbiased, hence cut off at 0; Gretton et al. 2012, lemma 6). The variance of the square is
    4 d' S d + 2 tr(S²), with S the covariance of the difference d of the means.

    Parameters
    ----------
    before, now
        Of one view with a projection.
    """
    difference = now.mean - before.mean
    spread = before.covariance / max(before.rows - 1, LEAST_ROWS)
    spread = spread + now.covariance / max(now.rows - 1, LEAST_ROWS)
    square = float(difference @ difference) - float(np.trace(spread))
    chance = 2 * float((spread**2).sum())
    deviation = math.sqrt(max(0.0, 4 * float(difference @ spread @ difference) + chance))
    return Estimate(
        value=_root(square),
        low=_root(square - Z * deviation),
        high=_root(square + Z * deviation),
        noise=_root(_gamma_excess(float(np.trace(spread)), chance)),
    )


def _gamma_excess(mean: float, variance: float) -> float:
    """Return by how much a sum of chi-squares is above its mean in 5 of 100 cases.

    By a gamma distribution of that mean and variance (Satterthwaite 1946; its quantile by Wilson
    and Hilferty 1931).
    """
    if mean <= 0 or variance <= 0:
        return 0.0
    part = 2 * variance / (9 * 2 * mean**2)
    z = NormalDist().inv_cdf(1 - LEVEL)
    return mean * (max(1 - part + z * math.sqrt(part), 0.0) ** 3 - 1)


def _root(square: float) -> float:
    return math.sqrt(max(0.0, square))
