"""Shares: the numbers between 0 and 1 that drift moves.

A numeric column has one share per cut point, the part of the values at or below it. A categorical
column has one share per cell, the part of the values in it; the last cell holds what is not listed.
"""

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.profile import ColumnKind

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def share_counts(kind: ColumnKind, cells: Counts) -> Counts:
    """Return the counts behind a column's shares.

    Parameters
    ----------
    kind
        Numeric or Categorical.
    cells
        Counts, shape `(…, n_cells)`.

    Returns
    -------
    NDArray
        Shape `(…, n_cells - 1)` for numeric columns, one per cut; `(…, n_cells)` for categorical
        ones.
    """
    if kind is ColumnKind.NUMERIC:
        return np.cumsum(cells, axis=-1)[..., :-1]
    return cells


def shares(kind: ColumnKind, cells: Counts) -> Floats:
    """Return a column's shares, shape as in `share_counts`; 0 where there are no values."""
    values = np.maximum(cells.sum(axis=-1, keepdims=True), 1).astype(np.float64)
    parts: Floats = share_counts(kind, cells) / values
    return parts


def dkw_radius(size: float, level: float) -> float:
    """Return the distance within which all shares are known from `size` independent rows.

    With probability at least 1 - `level` no cumulative share is further from the truth
    (Dvoretzky, Kiefer and Wolfowitz 1956; constant by Massart 1990, corollary 1). It holds for the
    shares of categories too, since each is a difference that Hoeffding's inequality bounds alike
    for one category; `level` must then be divided by the number of columns only, the categories of
    one column being covered by the mixture over them.
    """
    return min(1.0, float(np.sqrt(np.log(2 / level) / (2 * size)))) if size > 0 else 1.0
