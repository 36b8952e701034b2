"""The history of a monitor: what its panes counted, hour by hour, for baselines of its own service.

An hour holds, per revision and baseline digest, the sums of the panes that observed well enough.
Counts add up, so late panes are added whenever they come; an hour takes them while it is *open*,
for as long as collectors keep panes, and is closed for good then. Beside the counts it keeps what
its ticks' shares add up to, so that the dependence of rows within a tick can be told without them.

Everything here is pure: the same panes in the same order give the same history to the bit.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import numpy as np

from modelmonitor.core.baseline.profile import ColumnProfile, Profile
from modelmonitor.core.counting.novel import most_frequent
from modelmonitor.core.judging.rows import COUNTED
from modelmonitor.core.judging.windows import COVERAGE_FLOOR, Tick, copied_share, decoded_share
from modelmonitor.core.pane.panes import ColumnTotals, columns_of, fits, in_cells_of, traffic_of
from modelmonitor.core.statistics.shares import Counts, Floats, share_counts
from modelmonitor.core.wire.pane import Pane

HOUR: Final = 3600.0
OPEN_FOR: Final = 3 * HOUR
"""Seconds after its end for which an hour takes late panes; collectors keep panes for two hours."""
MOST_CELLS: Final = 8192
"""Cells of all columns together. An hour takes at most 30 bytes a cell, five weeks of them 200 MB;
25 numeric columns have 550 cells, and five weeks of them 12 MB."""
MOST_ORIGINS: Final = 4
"""Revisions and baseline digests in one hour; of more, the first that came."""
MOST_NAMED: Final = 256
"""New values of a column in one hour; of more, the most frequent."""
THOUSANDTHS: Final = 1000


class TickShares(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one column's shares did over ticks, as sums.

    With k_b rows of a share among n_b rows with a value in tick b; shares are cumulative for
    ordered columns, and one per cell for categorical ones.
    """

    squared: float = 0.0
    """Sum of n_b²."""
    crossed: list[float] = []
    """Sum of k_b n_b, per share."""
    hits_squared: list[float] = []
    """Sum of k_b², per share."""
    low: list[int] = []
    """Smallest share of any tick in thousandths, rounded down."""
    high: list[int] = []
    """Largest share of any tick in thousandths, rounded up."""


class ColumnHour(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column in one hour."""

    rows: int = 0
    missing: int = 0
    cells: list[int] = []
    total: float = 0.0
    squares: float = 0.0
    ticks: TickShares = TickShares()
    novel: dict[str, int] = {}
    """Values that the baseline does not list → rows; only while categories are learned."""


class Origin(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rows of one hour that add up: of one revision, counted by one baseline."""

    revision: str
    digest: str
    interval: float
    """Seconds of a tick; another one begins a new origin."""
    columns: dict[str, ColumnHour] = {}


class Hour(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One hour of a monitor's history."""

    start: float
    """Seconds since the epoch, a multiple of 3600."""
    origins: list[Origin] = []

    @property
    def end(self) -> float:
        """Seconds since the epoch."""
        return self.start + HOUR


class Recording(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The history that is still being written."""

    digest: str
    """Of the profile by whose cells rows are counted; with another one, a recording begins anew."""
    began: float
    """Start of the first hour that was recorded from its begin, seconds since the epoch."""
    hours: list[Hour] = []
    """Hours that take late panes, oldest first."""
    rows: int = 0
    """Rows of all panes, those of their fullest column."""
    naming: bool = False
    """New values are kept as well: categories are being learned."""


def unrecordable(profile: Profile) -> str:
    """Return why a monitor's history cannot be kept in a profile's cells; empty if it can."""
    cells = sum(len(column.cells) for column in profile.columns)
    if cells <= MOST_CELLS:
        return ""
    return (
        f"the baseline has {cells} cells, and panes are kept by the hour for at most {MOST_CELLS}: "
        "build it with fewer columns or categories"
    )


def begin(digest: str, now: float) -> Recording:
    """Return an empty recording; the hour that is running counts only if it has just begun."""
    return Recording(digest=digest, began=float(-(-now // HOUR) * HOUR))


def begin_naming(digest: str, now: float) -> Recording:
    """Return an empty recording that keeps new values, in which categories are found."""
    return msgspec.structs.replace(begin(digest, now), naming=True)


def hour_of(time: float) -> float:
    """Return the start of the hour that a time lies in, both in seconds since the epoch."""
    return float(time // HOUR * HOUR)


def with_tick(recording: Recording, profile: Profile, tick: Tick) -> Recording:
    """Return the recording with the judged revision's rows of a tick.

    Parameters
    ----------
    recording
        Of what was judged before.
    profile
        The one whose digest the recording has.
    tick
        The tick that was judged last.
    """
    panes = [
        pane
        for pane in tick.origins.get((tick.judged_revision, recording.digest), ())
        if fits(pane, profile) and observed_well(pane)
    ]
    if not panes:
        return recording
    return _added(recording, profile, panes, tick.start, whole=True)


def with_late_pane(
    recording: Recording, profile: Profile, pane: Pane, *, revision: str, judged_until: float
) -> Recording:
    """Return the recording with a pane that came after its tick was judged.

    Parameters
    ----------
    recording, profile
        As in `with_tick`.
    pane
        Sound, and new.
    revision
        The judged one.
    judged_until
        End of the last judged tick, seconds since the epoch. Hours that closed before are done.
    """
    fitting = (
        pane.revision == revision
        and pane.baselineDigest == recording.digest
        and fits(pane, profile)
        and observed_well(pane)
    )
    start = hour_of(pane.start)
    if not fitting or start < recording.began or start + HOUR + OPEN_FOR <= judged_until:
        return recording
    return _added(recording, profile, [pane], pane.start, whole=False)


def observed_well(pane: Pane) -> bool:
    """Return whether a pane's rows can stand for what its replica served."""
    traffic = traffic_of([pane])
    return copied_share(traffic) >= COVERAGE_FLOOR and decoded_share(traffic) >= COVERAGE_FLOOR


def rows_before(recording: Recording, until: float) -> int:
    """Return the rows of a recording but for those of open hours that begin at `until` or later.

    `until` is in seconds since the epoch; rows are those of the fullest column.
    """
    later = [
        max((column.rows for column in origin.columns.values()), default=0)
        for hour in recording.hours
        if hour.start >= until
        for origin in hour.origins
    ]
    return recording.rows - sum(later)


def closed(recording: Recording, judged_until: float) -> list[Hour]:
    """Return the hours that take no pane any more."""
    return [hour for hour in recording.hours if hour.end + OPEN_FOR <= judged_until]


def without(recording: Recording, hours: Iterable[Hour]) -> Recording:
    """Return the recording without hours that are kept elsewhere."""
    gone = {hour.start for hour in hours}
    return msgspec.structs.replace(
        recording, hours=[hour for hour in recording.hours if hour.start not in gone]
    )


def _added(
    recording: Recording, profile: Profile, panes: Sequence[Pane], time: float, *, whole: bool
) -> Recording:
    start = hour_of(time)
    if start < recording.began:
        return recording
    totals = columns_of(panes)
    first = panes[0]
    hours = {hour.start: hour for hour in recording.hours}
    hour = hours.get(start, Hour(start=start))
    name = (first.revision, first.baselineDigest, first.interval)
    origins = {(each.revision, each.digest, each.interval): each for each in hour.origins}
    if name not in origins and len(origins) >= MOST_ORIGINS:
        return recording
    known = origins.get(name)
    columns = {
        column.name: _column(
            column,
            ColumnHour() if known is None else known.columns[column.name],
            in_cells_of(column, totals.get(column.name)),
            whole=whole,
        )
        for column in profile.columns
    }
    if recording.naming:
        columns = {name: _named(each, totals.get(name)) for name, each in columns.items()}
    origins[name] = Origin(revision=name[0], digest=name[1], interval=name[2], columns=columns)
    hours[start] = Hour(start=start, origins=list(origins.values()))
    return msgspec.structs.replace(
        recording,
        hours=[hours[each] for each in sorted(hours)],
        rows=recording.rows + max((each.rows for each in totals.values()), default=0),
    )


def _column(
    column: ColumnProfile, before: ColumnHour, now: ColumnTotals, *, whole: bool
) -> ColumnHour:
    """Return one column with one more block of rows.

    Blocks that are no whole tick are blocks all the same where variances are added up, but their
    few rows would make extremes of nothing.
    """
    cells: Counts = now.cells + np.array(before.cells or [0], np.int64)
    return ColumnHour(
        rows=before.rows + now.rows,
        missing=before.missing + now.missing,
        cells=[int(cell) for cell in cells],
        total=before.total + now.total,
        squares=before.squares + now.squares,
        ticks=_ticks(column, before.ticks, now, whole=whole),
        novel=before.novel,
    )


def _named(column: ColumnHour, now: ColumnTotals | None) -> ColumnHour:
    """Return a column's hour with the new values of a block of rows."""
    if now is None or not now.novel:
        return column
    found = dict(column.novel)
    for name, rows in now.novel.items():
        found[name] = found.get(name, 0) + rows
    return msgspec.structs.replace(column, novel=most_frequent(found, MOST_NAMED))


def _ticks(
    column: ColumnProfile, before: TickShares, now: ColumnTotals, *, whole: bool
) -> TickShares:
    valued = now.valued
    if column.kind not in COUNTED or not now.cells.size or valued == 0:
        return before
    rows = float(valued)
    hits = share_counts(column.kind, now.cells).astype(np.float64)
    low, high = before.low, before.high
    if whole:
        part = hits * (THOUSANDTHS / rows)
        low = _merged(low, np.floor(part), np.minimum)
        high = _merged(high, np.ceil(part), np.maximum)
    return TickShares(
        squared=before.squared + rows * rows,
        crossed=_plus(before.crossed, hits * rows),
        hits_squared=_plus(before.hits_squared, hits * hits),
        low=low,
        high=high,
    )


def _plus(before: Sequence[float], now: Floats) -> list[float]:
    found: list[float] = (now + np.array(before or [0.0])).tolist()
    return found


def _merged(before: Sequence[int], now: Floats, which: np.ufunc) -> list[int]:
    found = which(now, np.array(before, np.float64)) if before else now
    return [int(each) for each in found]
