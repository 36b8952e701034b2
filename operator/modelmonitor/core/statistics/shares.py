"""Shares: the numbers between 0 and 1 that drift moves.

A numeric column has one share per cut point, the part of the values at or below it; so has a text
column, of lengths. A categorical column has one share per cell, the part of the values in it; the
last cell holds what is not listed.
"""

import math

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnKind

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def share_counts(kind: ColumnKind, cells: Counts) -> Counts:
    """Return the counts behind a column's shares.

    Parameters
    ----------
    kind
        Numeric, Text or Categorical.
    cells
        Counts, shape `(…, n_cells)`.

    Returns
    -------
    NDArray
        Shape `(…, n_cells - 1)` for numeric and text columns, one per cut; `(…, n_cells)` for
        categorical ones.
    """
    if kind.ordered:
        return np.cumsum(cells, axis=-1)[..., :-1]
    return cells


def shares(kind: ColumnKind, cells: Counts) -> Floats:
    """Return a column's shares, shape as in `share_counts`; 0 where there are no values."""
    values = np.maximum(cells.sum(axis=-1, keepdims=True), 1).astype(np.float64)
    parts: Floats = share_counts(kind, cells) / values
    return parts


def dkw_radii(sizes: Floats, level: float) -> Floats:
    """Return the distance within which all shares are known from so many independent rows.

    With probability at least 1 - `level` no cumulative share is further from the truth, and not
    more than 1 (Dvoretzky, Kiefer and Wolfowitz 1956; constant by Massart 1990, corollary 1). For
    each single category the same bound is Hoeffding's.
    """
    radii: Floats = np.sqrt(np.log(2 / level) / (2 * np.maximum(sizes, 1e-9)))
    return np.minimum(1.0, radii)


def dkw_radius(size: float, level: float) -> float:
    """Return `dkw_radii` of one size."""
    return float(dkw_radii(np.array([size]), level)[0])


def wilson(hits: float, rows: float, z: float) -> tuple[float, float]:
    """Return the ends of the interval for a share (Wilson 1927).

    Parameters
    ----------
    hits, rows
        What was counted; of dependent rows, divided by how many of them are worth one. `rows` is
        more than 0; hits beyond it, of a pod that lies, are all of it.
    z
        Standard deviations.
    """
    hits = min(hits, rows)
    share, part = hits / rows, z * z / rows
    middle = (share + part / 2) / (1 + part)
    spread = z * math.sqrt(share * (1 - share) / rows + part / (4 * rows)) / (1 + part)
    # At the ends rounding must not exclude what was seen.
    low = 0.0 if hits <= 0 else max(0.0, middle - spread)
    high = 1.0 if hits >= rows else min(1.0, middle + spread)
    return low, high
