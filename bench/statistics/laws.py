"""The 25 columns of all tables: how their values are distributed, and what a shift does to them.

Rows are drawn where a peer or the profile builder wants rows. Ours needs counts in cells only, and
a sum over independent rows of one law is multinomial: drawing it is exact and a hundred times
cheaper.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from modelmonitor.core.baseline.profile import ColumnProfile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NUMERIC: Final = 20
LEVELS: Final = (3, 5, 10, 50, 200)
"""Categories of the categorical columns."""


class Law(Protocol):
    """How the values of one column are distributed."""

    @property
    def name(self) -> str:
        """Of the column."""
        ...

    def rows(self, random: np.random.Generator, shifts: Floats) -> NDArray[Any]:
        """Return one value a row, each drawn under its own shift, shape `(n_rows,)`."""
        ...

    def cells(self, column: ColumnProfile, shifts: Floats) -> Floats:
        """Return the probability of each cell under each shift, shape `(n_shifts, n_cells)`."""
        ...


@dataclass(frozen=True)
class Continuous:
    """Numbers; a shift of 1 moves them by one standard deviation (or what stands for it).

    Attributes
    ----------
    distribution
        A frozen distribution of scipy.
    spread
        What one unit of shift adds to the values.
    """

    name: str
    distribution: Any
    spread: float

    def rows(self, random: np.random.Generator, shifts: Floats) -> NDArray[Any]:
        """Return one number a row."""
        found: Floats = self.distribution.rvs(shifts.size, random_state=random)
        return found + shifts * self.spread

    def cells(self, column: ColumnProfile, shifts: Floats) -> Floats:
        """Return the probability of each cell between cut points."""
        cuts = np.asarray(column.cuts)
        below = self.distribution.cdf(cuts - shifts[:, None] * self.spread)
        parts: Floats = np.diff(below, prepend=0.0, append=1.0, axis=1)
        return np.maximum(parts, 0.0)


@dataclass(frozen=True)
class Zipf:
    """Categories `v0`, `v1`, …, the k-th with a share in proportion to 1 / k.

    A shift tilts them: the logarithm of a category's share changes by the shift times a fixed
    weight, +1 and -1 in turns.
    """

    name: str
    levels: int

    def shares(self, shifts: Floats) -> Floats:
        """Return the share of each category, shape `(n_shifts, levels)`."""
        places = np.arange(self.levels)
        weights = np.where(places % 2 == 0, 1.0, -1.0)
        parts = np.exp(shifts[:, None] * weights) / (1.0 + places)
        found: Floats = parts / parts.sum(axis=1, keepdims=True)
        return found

    def rows(self, random: np.random.Generator, shifts: Floats) -> NDArray[Any]:
        """Return one category a row, as the number of the category."""
        distinct, index = np.unique(shifts, return_inverse=True)
        # One ladder of cumulative shares after the other, each a whole number higher.
        edges = np.cumsum(self.shares(distinct), axis=1) + np.arange(distinct.size)[:, None]
        uniform = random.random(shifts.size)
        picked = np.searchsorted(edges.ravel(), uniform + index, side="right")
        picked -= index * self.levels
        return np.clip(picked, 0, self.levels - 1)

    def cells(self, column: ColumnProfile, shifts: Floats) -> Floats:
        """Return the probability of each listed category, then that of all others."""
        return listed(column, self.shares(shifts))


def listed(column: ColumnProfile, shares: Floats) -> Floats:
    """Return shares of categories in the order of a profile's cells, shape `(n, n_cells)`."""
    places = [int(float(name)) for name in column.categories]
    mine = shares[:, places]
    rest = np.maximum(0.0, 1.0 - mine.sum(axis=1, keepdims=True))
    found: Floats = np.concatenate([mine, rest], axis=1)
    # What is not listed was never drawn in the baseline, or is the rounding of a sum.
    return np.where(found < 1e-12, 0.0, found)


def plain_laws() -> list[Law]:
    """Return 20 columns of numbers (normal, lognormal, gamma) and 5 of categories."""
    shapes = (
        ("normal", stats.norm()),
        ("lognormal", stats.lognorm(1.0)),
        ("gamma", stats.gamma(2.0)),
    )
    return _laws([(name, shape, float(shape.std())) for name, shape in shapes])


def heavy_laws() -> list[Law]:
    """Return the same with heavy tails: Student's t(2), Pareto(1.5), lognormal(2).

    The first two have no variance: their unit of shift is the interquartile range.
    """
    shapes = (
        ("student2", stats.t(2.0)),
        ("pareto1.5", stats.pareto(1.5)),
        ("lognormal2", stats.lognorm(2.0)),
    )
    return _laws([(name, shape, float(np.ptp(shape.ppf([0.25, 0.75])))) for name, shape in shapes])


def _laws(shapes: list[tuple[str, Any, float]]) -> list[Law]:
    numbers = [
        Continuous(f"{shapes[place % len(shapes)][0]}_{place}", *shapes[place % len(shapes)][1:])
        for place in range(NUMERIC)
    ]
    return [*numbers, *(Zipf(f"category_{levels}", levels) for levels in LEVELS)]
