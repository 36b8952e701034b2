"""What a tick is compared with: the hours of the baseline that are like it, where those are known.

Values that follow the clock are compared with the same hour of the week, else of the day, else with
all of the baseline: with the finest of them that has enough rows to be known well.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.profile import ColumnProfile
from modelmonitor.core.statistics.shares import Floats


class Basis(StrEnum):
    """Which hours of the baseline a comparator holds."""

    POOLED = "Pooled"
    HOUR_OF_DAY = "HourOfDay"
    HOUR_OF_WEEK = "HourOfWeek"


@dataclass(frozen=True, slots=True)
class Comparator:
    """What one column's values are compared with.

    Attributes
    ----------
    cells
        Rows in each cell, shape `(n_cells,)`; shrunk towards all of the baseline where its own rows
        are few, so that they need not be whole numbers.
    rows
        Independent rows that the cells are worth: those of the hours, divided by phi.
    basis
        Which hours these are.
    """

    cells: Floats
    rows: float
    basis: Basis


def comparator_of(column: ColumnProfile, seasonality: Seasonality, hour: int) -> Comparator:
    """Return what a column's values are compared with.

    Parameters
    ----------
    column
        A column whose values are counted.
    seasonality
        The finest division of the baseline that the monitor wants.
    hour
        Hour of the week of the judged tick, 0 (Monday, 0:00) to 167, in the profile's time zone.
    """
    del seasonality, hour
    cells = np.asarray(column.cells, np.float64)
    return Comparator(cells, float(cells.sum()) / column.phi, Basis.POOLED)
