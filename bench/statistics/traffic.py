"""Traffic in which nothing is wrong, of five kinds, and shifts of single columns.

Values may depend on each other through the caller (identical rows), through the time of day, or
because what they measure wanders by itself. None of that is drift.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from bench.statistics.laws import Floats, Ints, Law, heavy_laws, plain_laws
from modelmonitor.core.baseline.profile import Profile

PANE: Final = 300.0
"""Seconds of a window in the tables of false alarms: 288 a day."""
DAY: Final = 86_400.0
BASELINE_BEGINS: Final = 1_700_438_400.0
"""Monday 20 November 2023, 0:00 UTC."""
BASELINE_DAYS: Final = 30
LIVE_BEGINS: Final = BASELINE_BEGINS + (BASELINE_DAYS + 5) * DAY
"""A Monday again."""
BASELINE_ROWS: Final = 50_000
WINDOW_ROWS: Final = (200, 1000, 5000)
"""Rows in a window of the tables of false alarms."""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """One kind of traffic.

    Attributes
    ----------
    name
        What tables call it.
    laws
        Of the columns.
    callers
        Identical rows that every caller sends.
    cycle
        Greatest shift of the daily cycle, in units of the laws.
    wander
        Stationary standard deviation of the shift that wanders by itself.
    memory
        Correlation time of that wandering, in panes.
    declared
        Whether the monitor declares the seasonality that the builder recommends.
    """

    name: str
    laws: Sequence[Law] = field(default_factory=plain_laws)
    callers: int = 1
    cycle: float = 0.0
    wander: float = 0.0
    memory: float = 1.0
    declared: bool = True

    def shifts(self, random: np.random.Generator, begins: float, panes: int) -> Floats:
        """Return the shift of every column in every pane, shape `(n_panes, n_columns)`.

        Parameters
        ----------
        random
            Source of what wanders.
        begins
            Start of the first pane, seconds since the epoch.
        panes
            Number of panes.
        """
        times = begins + (np.arange(panes) + 0.5) * PANE
        found = self.cycle * np.sin(2 * np.pi * times / DAY)[:, None]
        found = np.repeat(found, len(self.laws), axis=1)
        if self.wander:
            found += self.wander * wandering(random, (panes, len(self.laws)), self.memory)
        return found

    def counts(self, random: np.random.Generator, profile: Profile, run: "Run") -> list[Ints]:
        """Return the counts of every column in every pane.

        Returns
        -------
        list
            One array a column, shape `(n_panes, n_cells)`.
        """
        shifts = self.shifts(random, run.begins, run.panes)
        found = []
        for place, law in enumerate(self.laws):
            column = profile.columns[place]
            # Where nothing moves all panes have the same probabilities.
            mine = shifts[:, place] if shifts[:, place].any() else np.zeros(1)
            cells = law.cells(column, mine)
            drawn = random.multinomial(run.rows // self.callers, cells, size=run.panes)
            found.append(self.callers * drawn)
        return found

    def table(
        self, random: np.random.Generator, rows: int, begins: float, panes: int
    ) -> tuple[dict[str, NDArray[Any]], Floats]:
        """Return rows spread evenly over some panes, in time order, and their times."""
        shifts = self.shifts(random, begins, panes)
        groups = rows // self.callers
        times = np.sort(begins + random.random(groups) * panes * PANE)
        pane = np.minimum(((times - begins) / PANE).astype(np.int64), panes - 1)
        columns = {
            law.name: np.repeat(law.rows(random, shifts[pane, place]), self.callers)
            for place, law in enumerate(self.laws)
        }
        return columns, np.repeat(times, self.callers)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Some panes in a row.

    Attributes
    ----------
    begins
        Start of the first, seconds since the epoch.
    panes
        How many.
    rows
        In each of them.
    """

    begins: float
    panes: int
    rows: int


def wandering(random: np.random.Generator, shape: tuple[int, ...], memory: float) -> Floats:
    """Return autoregressive sequences of standard deviation 1 along the first axis.

    Parameters
    ----------
    random
        Source.
    shape
        Of the result.
    memory
        Steps after which the correlation has fallen to 1/e.
    """
    keep = math.exp(-1 / memory)
    steps = random.standard_normal(shape)
    steps[1:] *= math.sqrt(1 - keep * keep)
    found: Floats = lfilter([1.0], [1.0, -keep], steps, axis=0)
    return found


def kinds() -> list[Traffic]:
    """Return the null traffic of the first table."""
    return [
        Traffic(name="independent"),
        Traffic(name="five-a-caller", callers=5),
        Traffic(name="daily-cycle", cycle=0.15),
        Traffic(name="daily-cycle-undeclared", cycle=0.15, declared=False),
        Traffic(name="heavy-tails", laws=heavy_laws()),
        Traffic(name="wanders-10-panes", wander=0.15, memory=10),
        Traffic(name="wanders-100-panes", wander=0.15, memory=100),
    ]
