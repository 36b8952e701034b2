"""A baseline from what was served: a profile's cells with the counts of a period's panes.

The columns, their cut points and categories are those of the profile by which the panes were
counted. Counts, dependence and envelopes come from the panes: hours, and their ticks, are the
blocks over which the dependence of rows is measured (`core.statistics.dependence`).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.production import Period
from modelmonitor.core.baseline.profile import (
    MAX_PROFILE_BYTES,
    ColumnProfile,
    Envelope,
    Profile,
    canonical,
)
from modelmonitor.core.baseline.profile_seasons import TimedColumn, with_hours
from modelmonitor.core.baseline.relearn_hours import timed_by_hours
from modelmonitor.core.judging.rows import COUNTED
from modelmonitor.core.pane.history import HOUR, THOUSANDTHS, ColumnHour, Hour, Origin
from modelmonitor.core.statistics.dependence import (
    LEAST_ENVELOPE_BLOCKS,
    Blocks,
    BlockShares,
    BlockSums,
    curve_of_counts,
    inflation,
    shares_of_sums,
)
from modelmonitor.core.statistics.shares import Counts, share_counts
from modelmonitor.core.times import format_time

RESERVE: Final = 4096
"""Bytes of a profile that counts by hour leave free."""
LEAST_ROWS: Final = 1000
"""Rows in a period below which it is no baseline: shares would be known to 0.04 at best."""

Parts = Sequence[tuple[float, ColumnHour]]
"""Start of an hour, seconds since the epoch, and what it holds of one column."""


def rows_in(digest: str, hours: Sequence[Hour], period: Period) -> int:
    """Return the rows of a period: those of its fullest column; parameters as in `relearned`."""
    rows: dict[str, int] = {}
    for _, origin in _origins(digest, hours, period):
        for name, column in origin.columns.items():
            rows[name] = rows.get(name, 0) + column.rows
    return max(rows.values(), default=0)


def relearned(
    skeleton: Profile,
    digest: str,
    hours: Sequence[Hour],
    period: Period,
    seasonality: Seasonality = Seasonality.NONE,
) -> Profile:
    """Return a profile with the cells of one profile and the counts of a period's panes.

    The rows of all revisions count: what the model is asked does not depend on who answers. What
    panes do not tell (schema, time zone, calibration) stays that of the skeleton.

    Parameters
    ----------
    skeleton
        Whose columns, cut points and categories the panes were counted by.
    digest
        Its digest; what was counted by others is left out.
    hours
        In any order; those outside the period are left out.
    period
        Of which hours the profile is made.
    seasonality
        The finest hours that columns are counted by, where it helps.
    """
    work = Relearning(skeleton, digest, hours, period, seasonality)
    return work.profile([work.column(column) for column in skeleton.columns])


class Relearning:
    """`relearned`, column by column, for who has other things to do in between.

    Parameters are those of `relearned`.
    """

    def __init__(
        self,
        skeleton: Profile,
        digest: str,
        hours: Sequence[Hour],
        period: Period,
        seasonality: Seasonality,
    ) -> None:
        self._skeleton = skeleton
        self._seasonality = seasonality
        self._period = period
        self._taken = _origins(digest, hours, period)
        intervals = {origin.interval for _, origin in self._taken}
        self._interval = intervals.pop() if len(intervals) == 1 else None

    def column(self, column: ColumnProfile) -> TimedColumn:
        """Return one column of the skeleton with the counts of the period."""
        parts = [(start, origin.columns[column.name]) for start, origin in self._taken]
        pooled = _column(column, parts, self._interval)
        if not sum(pooled.cells):
            return TimedColumn(pooled)
        hours, cells = _by_hour(len(pooled.cells), parts)
        return timed_by_hours(pooled, hours, cells, self._skeleton.timeZone, self._seasonality)

    def profile(self, columns: Sequence[TimedColumn]) -> Profile:
        """Return the profile of all columns."""
        pooled = self._pooled([column.profile for column in columns])
        room = MAX_PROFILE_BYTES - RESERVE - len(canonical(pooled))
        order = list(Seasonality)
        finest = max((column.seasonality for column in columns), key=order.index)
        return msgspec.structs.replace(
            pooled, columns=with_hours(columns, room), seasonality=finest.value
        )

    def _pooled(self, columns: list[ColumnProfile]) -> Profile:
        return msgspec.structs.replace(
            self._skeleton,
            rows=max((column.rows for column in columns), default=0),
            columns=columns,
            seasonality=Seasonality.NONE.value,
            firstTime=format_time(self._period.since),
            lastTime=format_time(self._period.until),
            ordered=True,
            expectedAlarms=None,
            warnings=_gaps(len({start for start, _ in self._taken}), self._period),
        )


def _origins(digest: str, hours: Sequence[Hour], period: Period) -> list[tuple[float, Origin]]:
    return [
        (hour.start, origin)
        for hour in sorted(hours, key=lambda each: each.start)
        if period.since <= hour.start < period.until
        for origin in hour.origins
        if origin.digest == digest
    ]


def _gaps(seen: int, period: Period) -> list[str]:
    if seen >= period.hours:
        return []
    return [f"only {seen} of {period.hours} hours of the period had rows"]


def _column(column: ColumnProfile, parts: Parts, interval: float | None) -> ColumnProfile:
    empty = msgspec.structs.replace(
        column,
        rows=sum(part.rows for _, part in parts),
        missing=sum(part.missing for _, part in parts),
        empty=None,
        cells=[0] * len(column.cells),
        total=0.0,
        squares=0.0,
        phi=1.0,
        envelopes=[],
        hours=None,
        warnings=[],
    )
    if column.kind not in COUNTED or not column.cells:
        return empty
    starts, cells = _by_hour(len(column.cells), parts)
    pooled = cells.sum(axis=0)
    ticks = None if interval is None else _over_ticks(column, pooled, parts, interval)
    curve = _over_hours(column, starts, cells)
    return msgspec.structs.replace(
        empty,
        cells=[int(count) for count in pooled],
        total=_finite(part.total for _, part in parts),
        squares=_finite(part.squares for _, part in parts),
        phi=round(inflation(curve if ticks is None else [ticks, *curve]), 3),
        envelopes=[] if ticks is None else _envelopes(ticks),
        warnings=_weaknesses(int(pooled.sum())),
    )


def _by_hour(n_cells: int, parts: Parts) -> tuple[Counts, Counts]:
    """Return the hours with values, as numbers since the epoch, and their counts.

    Shapes are `(n_hours,)` and `(n_hours, n_cells)`.
    """
    numbers = np.array([round(start / HOUR) for start, _ in parts], np.int64)
    counts = np.array([part.cells for _, part in parts], np.int64).reshape(-1, n_cells)
    hours, index = np.unique(numbers, return_inverse=True)
    cells = np.zeros((hours.size, n_cells), np.int64)
    np.add.at(cells, index, counts)
    filled = cells.sum(axis=1) > 0
    return hours[filled], cells[filled]


def _over_hours(column: ColumnProfile, hours: Counts, cells: Counts) -> list[BlockShares]:
    blocks = Blocks(np.zeros(0, np.int64), hours, HOUR)
    return curve_of_counts(share_counts(column.kind, cells).T, cells.sum(axis=1), blocks)


def _over_ticks(
    column: ColumnProfile, pooled: Counts, parts: Parts, interval: float
) -> BlockShares | None:
    """Return what the column's shares did over the ticks of all hours."""
    ticks = [part.ticks for _, part in parts if part.ticks.low]
    if not ticks:
        return None
    sums = BlockSums(
        seconds=interval,
        rows=float(pooled.sum()),
        rows_squared=math.fsum(each.squared for each in ticks),
        hits=share_counts(column.kind, pooled).astype(np.float64),
        crossed=np.sum([each.crossed for each in ticks], axis=0),
        hits_squared=np.sum([each.hits_squared for each in ticks], axis=0),
        low=np.min([each.low for each in ticks], axis=0) / THOUSANDTHS,
        high=np.max([each.high for each in ticks], axis=0) / THOUSANDTHS,
    )
    return shares_of_sums(sums)


def _envelopes(ticks: BlockShares) -> list[Envelope]:
    if ticks.blocks < LEAST_ENVELOPE_BLOCKS:
        return []
    return [
        Envelope(
            seconds=ticks.seconds,
            phi=round(inflation([ticks]), 3),
            low=[float(share) for share in ticks.low],
            high=[float(share) for share in ticks.high],
        )
    ]


def _finite(parts: Iterable[float]) -> float:
    """Return a sum; 0 where what pods sent does not add up to a number."""
    try:
        return math.fsum(part for part in parts if math.isfinite(part))
    except OverflowError:
        return 0.0


def _weaknesses(values: int) -> list[str]:
    if not values:
        return ["the column had no values in the period: it cannot be watched"]
    if values < LEAST_ROWS:
        return [f"the column had only {values} values in the period; {LEAST_ROWS} are needed"]
    return []
