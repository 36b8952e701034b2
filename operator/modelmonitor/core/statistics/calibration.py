"""Calibration: how often a score was right in the baseline, by cells.

The rate of each cell is its own: no monotone curve is fitted through the cells (histogram binning,
Zadrozny and Elkan 2001). Isotonic regression, which is usual here, pools cells until the rates
rise; the area under the ROC curve that follows from it is that of the convex hull of the baseline's
ROC curve, which is too large: by 0.003 to 0.008 with 5,000 labelled rows, where separate rates are
off by less than 0.001 (`bench.statistics.performance`). Rates of separate cells err by chance only,
one independently of the other, so that sums over cells are unbiased and their error is known.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.performance_profile import Dependence
from modelmonitor.core.statistics.shares import Counts, Floats

MOST_PARTS: Final = 48
"""Quantile cells of the rows of a class, and of those of all others."""
ALL_PARTS: Final = 512
"""Quantile cells over all classes: what a pane holds does not grow with their number."""
LEAST_ROWS: Final = 5
"""Rows of a class, or of all others, in a quantile cell."""
LENGTHS: Final = (60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0)
"""Block lengths at which errors are looked at for dependence, seconds."""
LEAST_BLOCKS: Final = 30
"""Blocks of a length below which that length says nothing."""
CHANCE: Final = 1.645
"""Standard deviations by which a variance may exceed that of independent rows by chance."""

Bools = NDArray[np.bool_]


def edges_of(scores: Floats, own: Bools, parts: int, more: Sequence[float]) -> list[float]:
    """Return the edges between the cells of one class's scores.

    They are quantiles of the class's own rows and of all others', so that no cell holds much of
    either: the order of rows within a cell is lost, and with it no more than the product of the
    cell's parts of both, at most 1 / parts² a cell.

    Parameters
    ----------
    scores
        Shape (n,), 0 to 1.
    own
        Which rows are of the class.
    parts
        Quantile cells of either kind of rows.
    more
        Edges that have to be among them.
    """
    found = [np.asarray(more, np.float64)]
    for rows in (scores[own], scores[~own]):
        count = min(parts, rows.size // LEAST_ROWS)
        if count > 1:
            levels = np.arange(1, count) / count
            found.append(np.quantile(rows, levels, method="inverted_cdf"))
    edges = np.unique(np.concatenate(found))
    return [float(edge) for edge in edges if 0 <= edge < 1]


def rates_of(rows: Counts, hits: Counts) -> Floats:
    """Return how often rows of each cell are of the class.

    Parameters
    ----------
    rows, hits
        The baseline's, shape `(2, n_cells)`. Where a cell has no rows, the rate is that of the
        same scores with the other prediction, else that of the nearest cell with rows.
    """
    both, hit = rows.sum(axis=0), hits.sum(axis=0)
    filled = np.flatnonzero(both)
    nearest = filled[np.abs(filled[:, None] - np.arange(both.size)).argmin(axis=0)]
    pooled = (hit / np.maximum(both, 1))[nearest]
    return np.where(rows > 0, hits / np.maximum(rows, 1), pooled)


def cautious(rows: Counts, hits: Counts) -> Floats:
    """Return the variance of a row's class in each cell, shape `(2, n_cells)`, never 0.

    A cell whose rows are all of one class may still hold others (Jeffreys' prior).
    """
    rates: Floats = (hits + 0.5) / (rows + 1.0)
    return rates * (1 - rates)


def sureness_of(confidence: Floats, right: Bools) -> float:
    """Return the threshold above which confidence is as frequent as right predictions.

    Garg et al. 2022 (average thresholded confidence), equation 2.
    """
    return float(np.quantile(confidence, 1 - right.mean(), method="inverted_cdf"))


def dependence_of(times: Floats, errors: Floats, variances: Floats) -> list[Dependence]:
    """Return how dependent errors are within blocks of time, shortest blocks first.

    Parameters
    ----------
    times
        Seconds since the epoch, shape (n,), in any order.
    errors
        What happened minus what was expected, shape (n,).
    variances
        Of each error if it is independent of the others, shape (n,).

    Notes
    -----
    phi is the mean square of the blocks' sums of errors over the sum of the variances, and of it
    only what chance among so many blocks does not explain.
    """
    found = []
    for seconds in LENGTHS:
        _, index = np.unique(np.floor(times / seconds), return_inverse=True)
        blocks = int(index.max()) + 1
        expected = float(variances.sum())
        if blocks < LEAST_BLOCKS or expected <= 0:
            continue
        squares = float(np.square(np.bincount(index, weights=errors)).sum())
        phi = squares / expected / (1 + CHANCE * math.sqrt(2 / blocks))
        found.append(Dependence(seconds=seconds, phi=round(max(1.0, phi), 3)))
    return found
