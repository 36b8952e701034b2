"""What a tick is compared with: the hours of the baseline that are like it, where those are known.

Values that follow the clock are compared with the same hour of the week, else of the day, else with
all of the baseline. Nothing switches: each of the three is worth as many rows as it has, less for
being another hour, and the comparator is their mean with these worths as weights.

The rule. Let n be the independent rows (rows / phi) of an hour, and let shares of a coarser cell
differ from the hour's by d times p (1 - p) on average, in squares, beyond what chance explains. As
a guess at the hour's shares the coarser cell with m rows then errs as m' = 1 / (1/m + d) rows would
(the beta prior of empirical Bayes, Morris 1983, JASA 78:47), and both together as n + m' rows.
That is what `Comparator.rows` says: what shrinking adds in bias has been paid for. d is measured
over all hours of the column, and raised where this hour shows more than chance explains, so that
one odd hour of the night is not pulled towards a day that is otherwise alike. In the same way an
hour with few rows borrows from the hours before and after it; both loans may be biased alike, and
are paid for as if they were. (Simulated in the tests: the true shares of an hour are further away
than the radius of so many rows no oftener than the radius says, from 100 rows an hour on.)

An hour of the week is shrunk towards the comparator of its hour of the day, that towards all of the
baseline. A level whose dependence is not known (its hours were seen only once) is left out: in a
baseline of three days each hour of the week is one moment, and says nothing about next week.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Profile
from modelmonitor.core.baseline.profile_hours import (
    DAYS,
    HOURS_OF_DAY,
    HourCounts,
    unpack_hours,
)
from modelmonitor.core.statistics.shares import Floats

QUARTER: Final = 900.0
ENOUGH_ROWS: Final = 5000.0
"""Independent rows with which an hour does without the hours next to it: its shares are then known
to 0.02 with a probability of 95 %."""
CHANCE_LEVEL: Final = 0.05
"""Probability with which an hour like the others is taken to differ from them."""
MAJORITY: Final = 0.5
"""Part of the weight with which a level names the comparator."""
KEPT_TABLES: Final = 256
"""Columns whose comparators are kept; one with 20 quantile edges has 20 kB."""


class Basis(StrEnum):
    """Which hours of the baseline a comparator holds."""

    POOLED = "Pooled"
    HOUR_OF_DAY = "HourOfDay"
    HOUR_OF_WEEK = "HourOfWeek"


_BASES: Final = (Basis.POOLED, Basis.HOUR_OF_DAY, Basis.HOUR_OF_WEEK)


@dataclass(frozen=True, slots=True)
class Comparator:
    """What one column's values are compared with.

    Attributes
    ----------
    cells
        Rows in each cell, shape `(n_cells,)`; shrunk towards all of the baseline where its own rows
        are few, so that they need not be whole numbers. They add up to `rows` times `phi`.
    rows
        Independent rows that the cells are worth: those of the hours, divided by phi; of what is
        borrowed from other hours, as many as err as much as it may be biased.
    basis
        The finest hours that have most of the weight.
    phi
        Long-run variance inflation of the column's shares about this comparator, at least 1.
    """

    cells: Floats
    rows: float
    basis: Basis
    phi: float = 1.0


@dataclass(frozen=True, slots=True)
class _Level:
    """Every hour's shares at one fineness, and what they are worth.

    Attributes
    ----------
    shares
        Shape `(n_hours, n_cells)`.
    rows
        Independent rows, shape `(n_hours,)`.
    own
        Part of the weight that is not borrowed from a coarser level, shape `(n_hours,)`.
    """

    shares: Floats
    rows: Floats
    own: Floats


def hour_of_week(time: float, zone: str) -> int:
    """Return the hour of the week at a time, 0 (Monday, 0:00) to 167, by the clock of a zone.

    Parameters
    ----------
    time
        Seconds since the epoch.
    zone
        Name of the IANA time zone, such as `Europe/Berlin`.

    Raises
    ------
    zoneinfo.ZoneInfoNotFoundError
        If there is no such zone; `load_profile` refuses profiles that name one.
    """
    moment = datetime.fromtimestamp(time, ZoneInfo(zone))
    return moment.weekday() * HOURS_OF_DAY + moment.hour


def hours_of_week(times: Floats, zone: str) -> NDArray[np.int64]:
    """Return `hour_of_week` of many times, shape `(n,)`."""
    # Clocks are ahead of UTC by whole quarters of an hour.
    quarters, index = np.unique(np.floor(times / QUARTER), return_inverse=True)
    hours = [hour_of_week(float(quarter) * QUARTER, zone) for quarter in quarters]
    return np.array(hours, np.int64)[index]


def holds(profile: Profile, wanted: Seasonality) -> bool:
    """Return whether a profile's counts can serve a monitor's seasonality."""
    order = [each.value for each in Seasonality]
    if profile.seasonality not in order:
        return wanted is Seasonality.NONE
    return order.index(profile.seasonality) >= order.index(wanted.value)


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
    cells, hours = np.asarray(column.cells, np.float64), column.hours
    if seasonality is Seasonality.NONE or hours is None or hours.phi_of_day < 1:
        return Comparator(cells, float(cells.sum()) / column.phi, Basis.POOLED, column.phi)
    weekly = seasonality is Seasonality.HOUR_OF_WEEK
    phi = _Phi(column.phi, hours.phi_of_day, hours.phi_of_week if weekly else 0.0)
    shares, rows, basis = _levels(hours.packed, tuple(column.cells), column.kind, phi)
    found, worth = _BASES[basis[hour]], float(rows[hour])
    about = phi[basis[hour]]
    return Comparator(shares[hour].astype(np.float64) * worth * about, worth, found, about)


class _Phi(NamedTuple):
    """Long-run variance inflation about each level; 0 where it is not known or not wanted."""

    pooled: float
    day: float
    week: float


@lru_cache(maxsize=KEPT_TABLES)
def _levels(
    packed: bytes, pooled: tuple[int, ...], kind: ColumnKind, phi: _Phi
) -> tuple[NDArray[np.float32], Floats, NDArray[np.int64]]:
    """Return shares, rows and basis of all hours of the week.

    Returns
    -------
    tuple
        Shapes `(168, n_cells)`, `(168,)` and `(168,)`; the basis is an index into `_BASES`.
    """
    hours = unpack_hours(packed, pooled)
    day, week = _shrink(kind, hours.counts, _trusted(hours), np.array(pooled, np.float64), phi)
    basis = np.where(day.own > MAJORITY, 1, 0)
    if week is None:
        return day.shares.astype(np.float32), day.rows, basis
    basis = np.where(week.own > MAJORITY, 2, basis)
    return week.shares.astype(np.float32), week.rows, basis


def shrunk_shares(kind: ColumnKind, counts: Floats, seasonality: Seasonality) -> Floats:
    """Return the shares that comparators of independent rows would have, by hour of the week.

    Parameters
    ----------
    kind
        Of the column.
    counts
        By hour of the week, shape `(168, n_cells)`, not all 0.
    seasonality
        The finest division that is compared with.

    Returns
    -------
    NDArray
        Shape `(168, n_cells)`.
    """
    pooled = counts.sum(axis=0)
    if seasonality is Seasonality.NONE:
        whole: Floats = np.broadcast_to(pooled / pooled.sum(), counts.shape)
        return whole
    phi = _Phi(1.0, 1.0, 1.0 if seasonality is Seasonality.HOUR_OF_WEEK else 0.0)
    day, week = _shrink(kind, counts, counts.sum(axis=1), pooled, phi)
    return (week or day).shares


def _shrink(
    kind: ColumnKind, counts: Floats, rows: Floats, pooled: Floats, phi: _Phi
) -> tuple[_Level, _Level | None]:
    """Return hours of the day and, where they are known, of the week; both have 168 hours."""
    size = float(pooled.sum())
    whole = _Level(pooled[None, :] / max(size, 1.0), np.array([size / phi.pooled]), np.zeros(1))
    by_day = counts.reshape(DAYS, HOURS_OF_DAY, -1).sum(axis=0)
    day_rows = rows.reshape(DAYS, HOURS_OF_DAY).sum(axis=0)
    day = _repeated(_shrunk(kind, by_day, day_rows / phi.day, whole))
    return day, _shrunk(kind, counts, rows / phi.week, day) if phi.week >= 1 else None


def _trusted(hours: HourCounts) -> Floats:
    """Return the rows of each hour, fewer where scaling rounded their counts.

    Rounding a share to whole rows of s errs by 1 / (12 s^2) in squares, as 3 s^2 rows do at worst.
    """
    rows = hours.rows.astype(np.float64)
    kept = hours.cells.sum(axis=1).astype(np.float64)
    rounded = rows > kept
    worth = 3 * np.maximum(kept, 1.0) ** 2
    return np.where(rounded, rows * worth / np.maximum(rows + worth, 1.0), rows)


def _repeated(day: _Level) -> _Level:
    return _Level(np.tile(day.shares, (DAYS, 1)), np.tile(day.rows, DAYS), np.tile(day.own, DAYS))


def _shrunk(kind: ColumnKind, counts: Floats, rows: Floats, coarse: _Level) -> _Level:
    """Return every hour's shares, with what its neighbours and the coarser level add."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    before, after = np.roll(rows, 1), np.roll(rows, -1)
    beside_rows = before + after
    beside = np.roll(shares, 1, axis=0) * before[:, None]
    beside += np.roll(shares, -1, axis=0) * after[:, None]
    beside /= np.maximum(beside_rows, 1e-9)[:, None]
    near = _worth(kind, shares, rows, beside, beside_rows)
    borrowed = np.where(rows < ENOUGH_ROWS, near.rows, 0.0)
    # The coarser level holds this hour's rows as well; they count once.
    others = np.maximum(coarse.rows - rows, 0.0)
    guess = np.broadcast_to(coarse.shares, shares.shape)
    far = _worth(kind, shares, rows, guess, np.broadcast_to(others, rows.shape))
    weight = rows + borrowed + far.rows
    # Without any row nothing is known of the hour itself; the coarser level stands in.
    empty = weight <= 0
    weight = np.where(empty, 1.0, weight)
    mixed = shares * rows[:, None] + beside * borrowed[:, None] + guess * far.rows[:, None]
    # Chance of the sources is independent, but both may be biased the same way.
    both = 2 * borrowed * far.rows * np.sqrt(near.differ * far.differ)
    return _Level(
        np.where(empty[:, None], guess, mixed / weight[:, None]),
        np.where(empty, coarse.rows, weight**2 / (weight + both)),
        np.where(empty, 0.0, (rows + borrowed) / weight),
    )


@dataclass(frozen=True, slots=True)
class _Worth:
    """What other hours are worth as a guess at each hour.

    Attributes
    ----------
    rows
        Independent rows that err as much, shape `(n_hours,)`.
    differ
        Square of the difference in shares that is no chance, over p (1 - p), shape `(n_hours,)`.
    """

    rows: Floats
    differ: Floats


def _worth(
    kind: ColumnKind, shares: Floats, rows: Floats, other: Floats, other_rows: Floats
) -> _Worth:
    """Return what other hours' shares are worth as a guess at each hour's.

    Parameters
    ----------
    kind
        Differences of ordered columns are looked at in cumulative shares.
    shares, other
        Of the cells, shape `(n_hours, n_cells)`.
    rows, other_rows
        Independent rows behind them, shape `(n_hours,)`.
    """
    if kind.ordered:
        shares, other = (np.cumsum(each, axis=1)[:, :-1] for each in (shares, other))
    seen = (rows > 0) & (other_rows > 0)
    differ = np.zeros(rows.size)
    if seen.any() and shares.size:
        own, else_ = shares[seen], other[seen]
        n, m = rows[seen, None], other_rows[seen, None]
        chance = 1 / n + 1 / m
        spread = np.maximum(own * (1 - own), else_ * (1 - else_))
        squares = (own - else_) ** 2
        excess, scale = np.zeros((2, rows.size))
        excess[seen], scale[seen] = (squares - spread * chance).sum(axis=1), spread.sum(axis=1)
        # Days differ by more than their hours do: each has an average of its own, if it is larger.
        for group in (excess.size, HOURS_OF_DAY):
            sums = [each.reshape(-1, group).sum(axis=1) for each in (excess, scale)]
            average = np.repeat(sums[0] / np.maximum(sums[1], 1e-9), group)
            differ = np.maximum(differ, average)
        # The largest of many differences is compared with the largest that chance makes of them.
        most = NormalDist().inv_cdf(1 - CHANCE_LEVEL / (2 * own.shape[1])) ** 2
        largest = (squares / np.maximum(spread, 1 / n)).max(axis=1)
        differ[seen] = np.maximum(differ[seen], largest - most * chance[:, 0])
    return _Worth(other_rows / (1 + other_rows * differ), differ)
