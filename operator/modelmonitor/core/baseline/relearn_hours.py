"""Counts by hour of the week of a column whose rows are known by the hour, where they help.

The same rule as for baselines that are built of rows (`profile_seasons`): hours are told apart
where weeks (or days) that were held out say that it helps.
"""

from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.profile import ColumnProfile, HourCells
from modelmonitor.core.baseline.profile_hours import HOURS_OF_DAY, HOURS_OF_WEEK, MOST_CELLS
from modelmonitor.core.baseline.profile_seasons import TimedColumn, best_seasonality, clock_of
from modelmonitor.core.pane.history import HOUR
from modelmonitor.core.statistics.dependence import Blocks, curve_of_counts, inflation
from modelmonitor.core.statistics.shares import Counts, share_counts

LEAST_HOURS: Final = 48
"""Hours with rows below which no hour of the day was surely seen twice."""


def timed_by_hours(
    column: ColumnProfile, hours: Counts, cells: Counts, zone: str, wanted: Seasonality
) -> TimedColumn:
    """Return a column with its counts by hour of the week, where they help.

    Parameters
    ----------
    column
        With its pooled counts, phi and envelopes.
    hours
        Numbers of the hours that had rows since the epoch, increasing, shape `(n_hours,)`.
    cells
        Their counts, shape `(n_hours, n_cells)`.
    zone
        IANA time zone of the clock.
    wanted
        The finest seasonality that is asked for.
    """
    n_cells = cells.shape[1]
    if wanted is Seasonality.NONE or hours.size < LEAST_HOURS or n_cells > MOST_CELLS:
        return TimedColumn(column)
    clock = clock_of(hours.astype(np.float64) * HOUR, zone)
    counts = np.zeros((clock.parts, HOURS_OF_WEEK, n_cells), np.int64)
    np.add.at(counts, (clock.part, clock.hour), cells)
    finest = min(wanted, clock.finest, key=list(Seasonality).index)
    best = best_seasonality(column.kind, counts, finest)
    if best is Seasonality.NONE:
        return TimedColumn(column)
    weekly = best is Seasonality.HOUR_OF_WEEK
    about = HourCells(
        packed=b"",
        phi_of_day=_phi(column, hours, cells, clock.hour % HOURS_OF_DAY),
        phi_of_week=_phi(column, hours, cells, clock.hour) if weekly else 0.0,
    )
    return TimedColumn(column, best, counts.sum(axis=0), about)


def _phi(column: ColumnProfile, hours: Counts, cells: Counts, strata: Counts) -> float:
    """Return how much the shares of hours vary about those of their stratum."""
    blocks = Blocks(np.zeros(0, np.int64), hours, HOUR)
    counts = share_counts(column.kind, cells).T
    return round(inflation(curve_of_counts(counts, cells.sum(axis=1), blocks, strata)), 3)
