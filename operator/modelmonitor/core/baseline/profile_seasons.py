"""What a column's rows do over time: dependence, envelopes, and whether they follow the clock.

Which seasonality a column gets is told by what each would have said of weeks it had not seen: the
baseline is cut into weeks (days where it is short), and the rows of each are held against the
shares that the comparator makes of all others. Hours that are like the others gain nothing then,
and a week of weather that looks like a season loses. What helps must also be worth its rows: see
`affordable`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from msgspec.structs import replace
from scipy.special import stdtrit

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.column_builder import CountedColumn, Floats, Ints
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Envelope, HourCells
from modelmonitor.core.baseline.profile_hours import (
    HOURS_OF_DAY,
    HOURS_OF_WEEK,
    MOST_CELLS,
    pack_hours,
)
from modelmonitor.core.baseline.seasons import (
    Comparator,
    comparator_of,
    hours_of_week,
    shrunk_shares,
)
from modelmonitor.core.statistics.dependence import (
    LEAST_ENVELOPE_BLOCKS,
    Blocks,
    BlockShares,
    curve_of,
    inflation,
    shortest_of,
)
from modelmonitor.core.statistics.shares import dkw_radii

HOUR: Final = 3600.0
DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
FEW_WEEKS: Final = 4.0
"""Weeks below which days are held against the others: two or three gains cannot tell chance."""
LEAST_PARTS: Final = 3
"""Parts below which nothing is concluded from them."""
MOST_PARTS: Final = 28
"""Parts that are held against the others; longer baselines are cut into as many."""
CHANCE_LEVEL: Final = 0.025
"""Probability with which a seasonality that gains nothing is taken to gain something."""
LEAST_GAIN: Final = 2 * 0.005**2
"""Nats a row below which nothing is gained: by Pinsker's inequality half a per cent of the rows
lie elsewhere with so much, which no tolerance asks about."""
SEEN_TWICE: Final = 0.9
"""Part of the rows whose hour must have been seen at least twice, so that chance can be told."""
MOST_BYTES: Final = 6000
"""Of one column's packed hours; with 20 quantile edges they are exact up to 10,000 rows an hour."""

RADIUS_LEVEL: Final = 0.05
"""Probability with which an hour's shares are further off than the radius that is counted."""
UNBOUNDED: Final = 2**24
"""Bytes, more than any column's hours have."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The times of a baseline's rows by the clock.

    Attributes
    ----------
    hour
        Hour of the week of each row, shape `(n_rows,)`.
    part
        Number of the week (or day) that each row belongs to, shape `(n_rows,)`.
    parts
        How many there are.
    finest
        The finest seasonality whose hours were seen twice.
    """

    hour: Ints
    part: Ints
    parts: int
    finest: Seasonality


@dataclass(frozen=True, slots=True)
class TimedColumn:
    """A column's part of the profile with what its times tell.

    Attributes
    ----------
    profile
        With phi and envelopes, without counts by hour.
    seasonality
        The one by which it is compared best.
    counts
        By hour of the week, shape `(168, n_cells)`; None where the column does not follow the
        clock.
    hours
        phi about the hours; `packed` is still empty.
    """

    profile: ColumnProfile
    seasonality: Seasonality = Seasonality.NONE
    counts: Ints | None = None
    hours: HourCells | None = None


def clock_of(times: Floats, zone: str) -> Clock:
    """Return the times of rows, seconds since the epoch, shape `(n_rows,)`, by a zone's clock."""
    hour = hours_of_week(times, zone)
    occurrence = np.floor(times / HOUR).astype(np.int64)
    span = float(np.ptp(times))
    finest = Seasonality.NONE
    if span >= DAY and _seen_twice(hour % HOURS_OF_DAY, occurrence):
        finest = Seasonality.HOUR_OF_DAY
    if span >= WEEK and _seen_twice(hour, occurrence):
        finest = Seasonality.HOUR_OF_WEEK
    length = WEEK if span >= FEW_WEEKS * WEEK else DAY
    number = np.floor((times - times.min()) / length).astype(np.int64)
    n_parts = int(number.max()) + 1
    parts = min(n_parts, MOST_PARTS)
    return Clock(hour, number * parts // n_parts, parts, finest)


def _seen_twice(hour: Ints, occurrence: Ints) -> bool:
    seen = np.unique(np.stack([hour, occurrence]), axis=1)[0]
    often = np.bincount(seen, minlength=HOURS_OF_WEEK) > 1
    return float(often[hour].mean()) >= SEEN_TWICE


def timed(
    column: CountedColumn, blocks: Sequence[Blocks], clock: Clock | None, wanted: Seasonality | None
) -> TimedColumn:
    """Return a column with its dependence, and its counts by hour where they help.

    Parameters
    ----------
    column
        As counted.
    blocks
        The shortest blocks of each envelope; empty without times.
    clock
        The rows' times; None without times.
    wanted
        The finest seasonality that is allowed; None: any.
    """
    profile, cells = column.profile, column.cells
    if not blocks or not np.any(cells >= 0):
        return TimedColumn(profile)
    kind, n_cells = profile.kind, len(profile.cells)
    curve = curve_of(kind, cells, n_cells, blocks[0])
    points = [*curve[:1], *(shortest_of(kind, cells, n_cells, each) for each in blocks[1:])]
    profile = replace(profile, phi=_rounded(inflation(curve)), envelopes=_envelopes(points))
    best = Seasonality.NONE
    if clock is not None and n_cells <= MOST_CELLS:
        best = best_seasonality(kind, _by_part(cells, n_cells, clock), _no_finer(clock, wanted))
    if clock is None or best is Seasonality.NONE:
        return TimedColumn(profile)
    # Where the week does not help, its dependence stays unsaid, and nobody compares with it.
    daily, weekly = clock.hour % HOURS_OF_DAY, clock.hour
    hours = HourCells(
        packed=b"",
        phi_of_day=_rounded(inflation(curve_of(kind, cells, n_cells, blocks[0], daily))),
        phi_of_week=_rounded(inflation(curve_of(kind, cells, n_cells, blocks[0], weekly)))
        if best is Seasonality.HOUR_OF_WEEK
        else 0.0,
    )
    found = TimedColumn(profile, best, _by_part(cells, n_cells, clock).sum(axis=0), hours)
    return found if wanted is not None else affordable(found)


def affordable(column: TimedColumn) -> TimedColumn:
    """Return a column with the seasonality that describes its hours best.

    The clock may explain a little of a column, and yet leave so few rows to each hour that shifts
    must be larger to be seen than what it explains. A seasonality errs by the radius within which
    its comparators know their shares, and by as much as those differ from the finest ones beyond
    chance; the one with the smallest sum, on average over rows, is taken.
    """
    if column.counts is None or column.hours is None:
        return column
    packed = pack_hours(column.counts, UNBOUNDED)
    if packed is None:
        return TimedColumn(column.profile)
    order = list(Seasonality)
    tried = order[: order.index(column.seasonality) + 1]
    # With hours or without, dependence is what the finest ones leave of it: the rest is the gap.
    left = column.hours.phi_of_week or column.hours.phi_of_day
    known = replace(column.profile, phi=left, hours=replace(column.hours, packed=packed))
    found = {
        each: [comparator_of(known, each, hour) for hour in range(HOURS_OF_WEEK)] for each in tried
    }
    finest, rows = found[column.seasonality], column.counts.sum(axis=1)
    errors = {each: _error(known.kind, found[each], finest, rows) for each in tried}
    best = min(tried, key=lambda each: errors[each])
    if best is Seasonality.NONE:
        return TimedColumn(column.profile)
    daily = best is Seasonality.HOUR_OF_DAY
    about = replace(column.hours, phi_of_week=0.0) if daily else column.hours
    return TimedColumn(column.profile, best, column.counts, about)


def _error(
    kind: ColumnKind, mine: Sequence[Comparator], finest: Sequence[Comparator], weights: Ints
) -> float:
    """Return by how much the shares of an hour may be off, on average over rows."""
    radius, chance = (
        dkw_radii(np.array([each.rows for each in which]), RADIUS_LEVEL) for which in (mine, finest)
    )
    parts = [np.array([each.cells for each in which]) for which in (mine, finest)]
    own, other = (part / part.sum(axis=1, keepdims=True) for part in parts)
    moved = own - other
    gap = np.abs(np.cumsum(moved, axis=1) if kind.ordered else moved).max(axis=1)
    beyond = np.sqrt(np.maximum(gap**2 - chance**2, 0.0))
    return float(np.average(radius + beyond, weights=weights))


def with_hours(columns: Sequence[TimedColumn], room: int) -> list[ColumnProfile]:
    """Return columns with their counts by hour, in `room` bytes of JSON all together."""
    seasonal = sum(each.counts is not None for each in columns)
    budget = min(MOST_BYTES, room * 3 // 4 // max(1, seasonal))
    return [_with_hours(each, budget) for each in columns]


def _with_hours(column: TimedColumn, budget: int) -> ColumnProfile:
    if column.counts is None or column.hours is None:
        return column.profile
    packed = pack_hours(column.counts, budget)
    if packed is None:
        warning = (
            "the column follows the clock, but there is no room for its counts by hour: name "
            "fewer columns"
        )
        warnings = [*column.profile.warnings, warning]
        return replace(column.profile, warnings=warnings)
    hours = replace(column.hours, packed=packed)
    return replace(column.profile, hours=hours)


def best_seasonality(kind: ColumnKind, counts: Ints, finest: Seasonality) -> Seasonality:
    """Return the seasonality that says most of parts of the baseline it has not seen.

    Parameters
    ----------
    kind
        Of the column.
    counts
        Rows of each part by hour of the week, shape `(n_parts, 168, n_cells)`.
    finest
        The finest that may be returned.
    """
    best, found = Seasonality.NONE, _held_out(kind, counts, Seasonality.NONE)
    for seasonality in list(Seasonality)[1:]:
        if list(Seasonality).index(seasonality) > list(Seasonality).index(finest):
            break
        score = _held_out(kind, counts, seasonality)
        if _certainly_gain(score - found):
            best, found = seasonality, score
    return best


def _certainly_gain(gains: Floats) -> bool:
    """Return whether the mean of some gains is one, and above 0 for certain (Student's test)."""
    if gains.size < LEAST_PARTS or float(gains.mean()) <= LEAST_GAIN:
        return False
    error = float(gains.std(ddof=1)) / math.sqrt(gains.size)
    return float(gains.mean()) > error * float(stdtrit(gains.size - 1, 1 - CHANCE_LEVEL))


def _held_out(kind: ColumnKind, counts: Ints, seasonality: Seasonality) -> Floats:
    """Return the log-likelihood of every part under the shares of all others, by row.

    Shape `(n_parts,)`, parts without rows left out.
    """
    total = counts.sum(axis=0)
    return np.array(
        [
            _fit(kind, total - part, part, seasonality) / part.sum()
            for part in counts
            if part.any() and (total - part).any()
        ]
    )


def _fit(kind: ColumnKind, others: Ints, part: Ints, seasonality: Seasonality) -> float:
    # A cell that the others lack has half a row, so that no surprise is without end.
    n_cells = others.shape[1]
    pooled = (others.sum(axis=0) + 0.5) / (others.sum() + 0.5 * n_cells)
    shares = shrunk_shares(kind, others.astype(np.float64), seasonality)
    weight = 1 / (1 + n_cells)
    return float((part * np.log((1 - weight) * shares + weight * pooled)).sum())


def _by_part(cells: Ints, n_cells: int, clock: Clock) -> Ints:
    """Return counts of parts by hour of the week, shape `(n_parts, 168, n_cells)`."""
    held = cells >= 0
    place = (clock.part[held] * HOURS_OF_WEEK + clock.hour[held]) * n_cells + cells[held]
    counts = np.bincount(place, minlength=clock.parts * HOURS_OF_WEEK * n_cells)
    return counts.reshape(clock.parts, HOURS_OF_WEEK, n_cells).astype(np.int64)


def _no_finer(clock: Clock, wanted: Seasonality | None) -> Seasonality:
    order = list(Seasonality)
    allowed = order[-1] if wanted is None else wanted
    return min(allowed, clock.finest, key=order.index)


def _rounded(phi: float) -> float:
    return round(phi, 3)


def _envelopes(points: Sequence[BlockShares | None]) -> list[Envelope]:
    """Return the envelopes of blocks that are many enough, each length once, shortest first."""
    told = {
        point.seconds: _envelope(point)
        for point in points
        if point is not None and point.blocks >= LEAST_ENVELOPE_BLOCKS
    }
    return [told[seconds] for seconds in sorted(told)]


def _envelope(point: BlockShares) -> Envelope:
    """Return what is kept of the blocks of one length; rounding widens, never narrows."""
    return Envelope(
        seconds=point.seconds,
        phi=_rounded(point.within),
        low=[float(share) for share in np.floor(point.low * 1000) / 1000],
        high=[float(share) for share in np.ceil(point.high * 1000) / 1000],
    )
