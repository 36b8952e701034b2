"""Shifts of one column whose finding is timed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.statistics.laws import NUMERIC, Floats, Law, Zipf, listed
from modelmonitor.core.baseline.profile import ColumnProfile

TEN_LEVELS: Final = NUMERIC + 2
"""Number of the column with ten categories."""
RAMP: Final = 30
"""Panes until a ramp has its full height."""


@dataclass(frozen=True, kw_only=True)
class Shift:
    """What happens to one column, from one pane to the next.

    Attributes
    ----------
    name
        What tables call it.
    column
        Number of the column.
    height
        Of numbers, in standard deviations; of categories, the mass that moves.
    ramp
        Panes until the height is reached; 0: at once.
    change
        Of categories: shares before and mass in, shares after out.
    replicas
        Of which one sees the shift.
    """

    name: str
    column: int
    height: float
    ramp: int = 0
    change: Callable[[Floats, float], Floats] | None = None
    replicas: int = 1

    def at(self, pane: int) -> float:
        """Return the height in the `pane`-th pane after it began, from 0."""
        return self.height * min(1.0, (pane + 1) / self.ramp) if self.ramp else self.height

    def cells(self, law: Law, column: ColumnProfile, height: float) -> Floats:
        """Return the probabilities of the column's cells, shape `(n_cells,)`."""
        if self.change is None:
            found: Floats = law.cells(column, np.array([height]))[0]
        else:
            found = listed(column, self._shares(law, height)[None])[0]
        return found

    def rows(
        self, random: np.random.Generator, law: Law, height: float, rows: int
    ) -> NDArray[np.float64]:
        """Return values of the column."""
        if self.change is None:
            return law.rows(random, np.full(rows, height)).astype(np.float64)
        shares = self._shares(law, height)
        return random.choice(shares.size, rows, p=shares).astype(np.float64)

    def _shares(self, law: Law, height: float) -> Floats:
        if self.change is None or not isinstance(law, Zipf):
            raise ValueError(f"{self.name}: only categories have shares")
        return self.change(law.shares(np.zeros(1))[0], height)


def from_the_largest(shares: Floats, mass: float) -> Floats:
    """Move mass from the most frequent category to the others, in proportion."""
    others = np.where(np.arange(shares.size) > 0, shares, 0.0)
    found: Floats = shares + mass * (others / others.sum())
    found[0] -= mass
    return found


def to_the_rarest(shares: Floats, mass: float) -> Floats:
    """Move mass from all other categories, in proportion, to the rarest."""
    others = np.where(np.arange(shares.size) < shares.size - 1, shares, 0.0)
    found: Floats = shares - mass * (others / others.sum())
    found[-1] += mass
    return found


def all_shifts() -> list[Shift]:
    """Return what is timed."""
    shapes = ("normal", "lognormal", "gamma")
    return [
        *(
            Shift(name=f"{shape} +{height:g} sd", column=column, height=height)
            for column, shape in enumerate(shapes)
            for height in (0.1, 0.2, 0.3, 0.5, 1.0)
        ),
        Shift(
            name="10 % of mass from the largest category",
            column=TEN_LEVELS,
            height=0.1,
            change=from_the_largest,
        ),
        Shift(
            name="4 % of mass to the rarest category",
            column=TEN_LEVELS,
            height=0.04,
            change=to_the_rarest,
        ),
        *(
            Shift(
                name=f"normal ramp to +{height:g} sd in {RAMP} panes",
                column=0,
                height=height,
                ramp=RAMP,
            )
            for height in (0.3, 1.0)
        ),
        *(
            Shift(
                name=f"normal +{height:g} sd in one replica of four",
                column=0,
                height=height,
                replicas=4,
            )
            for height in (0.5, 1.0)
        ),
    ]
