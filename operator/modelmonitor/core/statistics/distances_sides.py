"""What distances compare, and what they return: counts of two sides in the same cells."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.statistics.shares import Counts, Floats

NOISE_LEVEL: Final = 0.05
SMOOTHING: Final = 0.5
"""Rows added to every cell of both sides where a formula divides by shares (Jeffreys)."""


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
        95 % interval for the true distance. It is corrected for what chance adds, so that it may
        lie below `value` where the window is small.
    """

    value: float
    noise: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The baseline's counts and a window's counts in the same cells.

    Attributes
    ----------
    before, now
        Rows in each cell, shape `(n_cells,)`, each side with at least one row. The baseline's need
        not be whole numbers.
    before_rows, now_rows
        Independent rows that they are worth, more than 0.
    cuts
        Of columns with an order: where cells end, strictly increasing, shape `(n_cells - 1,)`.
    deviation
        Of columns with an order: the baseline's standard deviation, more than 0.
    """

    before: NDArray[np.float64] | Counts
    now: NDArray[np.float64] | Counts
    before_rows: float
    now_rows: float
    cuts: Floats = field(default_factory=lambda: np.zeros(0))
    deviation: float = 1.0

    @property
    def p(self) -> Floats:
        """The baseline's shares."""
        return _shares(self.before)

    @property
    def q(self) -> Floats:
        """The window's shares."""
        return _shares(self.now)

    @property
    def together(self) -> float:
        """Rows of a sample that differs from its distribution as much as the sides do by chance."""
        return 1 / (1 / self.before_rows + 1 / self.now_rows)

    @property
    def expected(self) -> Floats:
        """What the shares are if nothing has changed: the baseline's, none of them 0."""
        return _shares(np.asarray(self.before, np.float64) + SMOOTHING)


def sides(before: Floats | Counts, now: Floats | Counts, worth: float = 1.0) -> Sides:
    """Return two sides whose baseline rows are independent.

    Parameters
    ----------
    before, now
        Counts, shape `(n_cells,)`, both with at least one row.
    worth
        Rows of `now` that are worth one independent row.
    """
    return Sides(before, now, float(before.sum()), float(now.sum()) / worth)


def _shares(counts: Floats | Counts) -> Floats:
    found: Floats = counts / counts.sum()
    return found
