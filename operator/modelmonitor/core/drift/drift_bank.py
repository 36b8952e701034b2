"""Banks of drift detectors: which shares are watched, on which sides, against what.

The columns' bank sees all rows of a tick. It has one *sustained* detector per column and severity,
whose null is the baseline's share, the radius within which it is known, and the tolerance; and for
columns whose rows depend on each other one *envelope* detector, whose null is what the baseline's
own blocks of a pane's length ever showed, and the severest tolerance. The replicas' bank has the
sustained detectors again, with fewer shares, for the rows of one replica.

Where sides stand does not depend on the hour that is compared with, so that evidence goes on from
one hour to the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.core.baseline.profile import ColumnProfile, Envelope
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.statistics.edetector import (
    AHEAD,
    HEADROOM,
    LARGEST_NULL,
    PANE_PARTS,
    Bets,
    Flags,
    Indices,
    Places,
    State,
    bets_of,
    levels_of,
    places_of,
)
from modelmonitor.core.statistics.shares import Floats

INNER_SHARES: Final = 10
"""Cumulative shares that are watched between the ends of an ordered column: a shift that is spread
over the distribution shows as well in them as in twice as many."""
REPLICA_SHARES: Final = 4
"""Shares of a column that are watched in every replica."""
TELLING_SHARES: Final = 3
"""Shares of a column of which dependence is learned from live panes."""
REPLICA_AHEAD: Final = (0.05, 0.25)
REPLICA_PANE_PARTS: Final = (0.2, 0.8)
MANY: Final = 10.0
"""phi from which a pane is one bet, if its rows depend on each other but panes hardly do."""
DEPENDENT: Final = 2.0
"""Ratio of variances from which dependence is taken to matter."""
RETURN_FACTOR: Final = 100.0
"""An alarm ends when its evidence has fallen to this part of the alarm's level. Evidence that only
touches the level from below would otherwise end and begin the alert again and again."""
EDGE: Final = 0.001
"""Share of an ordered column's minimum below which "at it" and "below it" are the same."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What banks are built from.

    Attributes
    ----------
    profiles
        The watched columns.
    starts, sizes
        First share of each column, and how many, shape `(n_columns,)`.
    pooled
        The baseline's shares, flat, shape `(n_shares,)`.
    envelopes
        Of each column for panes of the interval; None where nothing is known.
    """

    profiles: Sequence[ColumnProfile]
    starts: Indices
    sizes: Indices
    pooled: Floats
    envelopes: Sequence[Envelope | None]

    @property
    def number(self) -> int:
        """Number of columns."""
        return len(self.profiles)

    def phi(self) -> Floats:
        """Return the long-run inflation of each column, shape `(n_columns,)`."""
        return np.array([each.phi for each in self.profiles])

    def worth(self) -> Floats:
        """Return the inflation within panes, as far as it is known, shape `(n_columns,)`."""
        return np.array([1.0 if each is None else each.phi for each in self.envelopes])

    def enveloped(self) -> Flags:
        """Return the columns that need an envelope: whose rows are not independent."""
        known = np.array([each is not None for each in self.envelopes], bool)
        return known & (np.maximum(self.phi(), self.worth()) > DEPENDENT)

    def as_means(self) -> Flags:
        """Return the columns of which a pane is one bet.

        Their rows depend on each other within a pane, by caller or batch, and nothing is known of
        how evenly; between panes they hardly do, since the inflation over long blocks is that of
        panes. Where panes depend on each other, the mean of a pane given those before is not within
        the tolerance even while nothing has changed, and betting on it would be wrong.
        """
        known = np.array([each is not None for each in self.envelopes], bool)
        return known & (self.phi() > MANY) & (self.phi() <= DEPENDENT * self.worth())


@dataclass(frozen=True, slots=True)
class Family:
    """One detector of every column.

    Attributes
    ----------
    level
        The severity that it speaks for.
    tolerance
        Of that severity.
    enveloping
        It compares with the envelope.
    """

    level: Level
    tolerance: float
    enveloping: bool


@dataclass(frozen=True, slots=True)
class Bank:
    """Detectors that see the same counts; group = number of the family × columns + column.

    Attributes
    ----------
    families
        The detectors.
    places
        The sides of all of them.
    ahead
        Alternatives, as `bets_of` wants them, shape `(n_sides, n_gains)`.
    tolerance, least, bound
        What is tolerated, the smallest null, and the largest share that the envelope shows (NaN:
        compare with the baseline), shape `(n_sides,)`.
    means
        Sides that bet on the mean of a pane, shape `(n_sides,)`.
    weight
        Of each detector in its column's evidence, shape `(n_families, n_columns)`.
    ceiling
        Highest level that is kept, shape `(n_sides, 1)`.
    loud
        Lowest level that makes its column's evidence notable, shape `(n_sides, 1)`.
    """

    families: tuple[Family, ...]
    places: Places
    ahead: Floats
    tolerance: Floats
    least: Floats
    bound: Floats
    means: Flags
    weight: Floats
    ceiling: Floats
    loud: State

    @property
    def enveloping(self) -> Flags:
        """Sides that compare with the envelope, shape `(n_sides,)`."""
        return ~np.isnan(self.bound)

    def against(self, base: Floats, radius: Floats) -> Bets:
        """Return the bets against a baseline's shares, shape `(n_shares,)`, and their radii."""
        near = self.places.toward(base) + radius[self.places.owner]
        null = np.where(self.enveloping, self.bound, near) + self.tolerance
        return bets_of(np.maximum(null, self.least), self.ahead, self.means)

    def by_level(self, means: Floats) -> dict[Level, Floats]:
        """Return weighted evidence by severity, shape `(…, n_columns)`.

        `means` is the evidence of each group, shape `(…, n_groups)`.
        """
        parts = means.reshape(*means.shape[:-1], *self.weight.shape) * self.weight
        found: dict[Level, Floats] = {}
        for number, family in enumerate(self.families):
            part = parts[..., number, :]
            found[family.level] = found[family.level] + part if family.level in found else part
        return found


def column_bank(
    columns: Columns, tolerance: Mapping[Level, float], alarm: Mapping[Level, float], parts: int
) -> Bank:
    """Return the bank that sees all rows of a tick.

    Parameters
    ----------
    columns
        The watched columns.
    tolerance, alarm
        By declared severity, the severest first.
    parts
        Detectors of each column besides the envelope one: 1, or 2 with those of its replicas.
    """
    enveloped = columns.enveloped()
    families = [Family(level, allowed, enveloping=False) for level, allowed in tolerance.items()]
    if enveloped.any() and families:
        families.append(Family(families[0].level, families[0].tolerance, enveloping=True))
    shares = [_watched(columns, number) for number in range(columns.number)]
    weight = np.empty((len(families), columns.number))
    for number, family in enumerate(families):
        severest = family.level is families[0].level
        weight[number] = 1 / (parts + (enveloped if severest else np.zeros(columns.number)))
        if family.enveloping:
            weight[number] *= enveloped
    return _bank(columns, families, shares, weight, alarm, (AHEAD, PANE_PARTS))


def replica_bank(
    columns: Columns,
    tolerance: Mapping[Level, float],
    alarm: Mapping[Level, float],
    weight: Floats,
) -> Bank:
    """Return the bank that sees the rows of one replica.

    Parameters
    ----------
    columns, tolerance, alarm
        As of `column_bank`.
    weight
        Of one replica in its column's evidence, shape `(n_levels, n_columns)`.
    """
    families = [Family(level, allowed, enveloping=False) for level, allowed in tolerance.items()]
    shares = [_few(columns, number) for number in range(columns.number)]
    return _bank(columns, families, shares, weight, alarm, (REPLICA_AHEAD, REPLICA_PANE_PARTS))


def _bank(
    columns: Columns,
    families: Sequence[Family],
    shares: Sequence[Indices],
    weight: Floats,
    alarm: Mapping[Level, float],
    ahead: tuple[Sequence[float], Sequence[float]],
) -> Bank:
    share = np.concatenate([np.zeros(0, np.int64), *shares])
    owner = np.repeat(np.arange(columns.number), [each.size for each in shares])
    upward = np.tile([True, False], share.size)
    share, owner = np.repeat(share, 2), np.repeat(owner, 2)
    low, high = _bounds(columns)
    chosen, group, allowed, bound = [], [], [], []
    for number, family in enumerate(families):
        base = columns.pooled if not family.enveloping else high
        floor = columns.pooled if not family.enveloping else low
        furthest = np.where(upward, base[share], 1 - floor[share])
        kept = np.flatnonzero(furthest + family.tolerance <= LARGEST_NULL)
        chosen.append(kept)
        group.append(number * columns.number + owner[kept])
        allowed.append(np.full(kept.size, family.tolerance))
        bound.append(furthest[kept] if family.enveloping else np.full(kept.size, np.nan))
    kept = np.concatenate([np.zeros(0, np.int64), *chosen])
    owner, groups = owner[kept], len(families) * columns.number
    of_group = np.concatenate([np.zeros(0, np.int64), *group])
    places = places_of(share[kept], upward[kept], owner, of_group, groups)
    limit = np.repeat([alarm[family.level] for family in families], columns.number)
    weighed = weight[: len(families)]
    reach = limit / np.where(weighed > 0, weighed, 1.0).ravel()
    most = levels_of(places, reach * HEADROOM, len(ahead[0]))
    # A few bets together may be notable while each of them alone is not.
    loud = levels_of(places, reach / (4 * RETURN_FACTOR), len(ahead[0]))
    means = columns.as_means()[owner]
    outer = np.concatenate([np.zeros(0), *bound])
    means &= np.isnan(outer)
    least = np.array([1 / sum(each.cells) for each in columns.profiles])
    return Bank(
        families=tuple(families),
        places=places,
        ahead=np.where(means[:, None], ahead[1], ahead[0]),
        tolerance=np.concatenate([np.zeros(0), *allowed]),
        least=least[owner],
        bound=outer,
        means=means,
        weight=weighed,
        ceiling=most,
        loud=np.maximum(loud, 1.0).astype(np.uint8),
    )


def _bounds(columns: Columns) -> tuple[Floats, Floats]:
    """Return the envelopes' bounds, flat; what allows everything where there is no envelope."""
    low, high = np.zeros(columns.pooled.size), np.ones(columns.pooled.size)
    for number in np.flatnonzero(columns.enveloped()).tolist():
        envelope, column = columns.envelopes[number], columns.profiles[number]
        if envelope is None:
            continue
        first = columns.starts[number] + int(column.kind.ordered)
        last = columns.starts[number] + columns.sizes[number]
        low[first:last], high[first:last] = envelope.low, envelope.high
        if column.kind.ordered:
            high[first - 1] = 0.0  # no value of the baseline was below its minimum
    return low, high


def _watched(columns: Columns, number: int) -> Indices:
    """Return the shares of a column that are watched, as indices into all shares.

    Of an ordered column these are its ends and about `INNER_SHARES` between them, of a categorical
    one all.
    """
    first, size = int(columns.starts[number]), int(columns.sizes[number])
    if not columns.profiles[number].kind.ordered:
        return np.arange(first, first + size)
    inner = _nearest(columns.pooled[first : first + size], INNER_SHARES)
    at_minimum = columns.pooled[first + 1] if size > 1 else 0.0
    ends = [1, size - 1] if at_minimum < EDGE else [0, 1, size - 1]
    return first + np.unique(np.r_[inner, np.minimum(ends, size - 1)])


def _few(columns: Columns, number: int) -> Indices:
    """Return the shares of a column that are watched in every replica."""
    first, size = int(columns.starts[number]), int(columns.sizes[number])
    shares = columns.pooled[first : first + size]
    if columns.profiles[number].kind.ordered:
        return first + _nearest(shares, REPLICA_SHARES)
    return first + np.sort(np.argsort(-shares, kind="stable")[:REPLICA_SHARES])


def telling_shares(columns: Columns) -> Indices:
    """Return the shares of which dependence is learned, shape `(n_columns, TELLING_SHARES)`."""
    found = np.empty((columns.number, TELLING_SHARES), np.int64)
    for number, column in enumerate(columns.profiles):
        first, size = int(columns.starts[number]), int(columns.sizes[number])
        shares = columns.pooled[first : first + size]
        inner = _nearest(shares, TELLING_SHARES) if column.kind.ordered else np.argsort(-shares)
        found[number] = first + np.resize(inner[:TELLING_SHARES], TELLING_SHARES)
    return found


def _nearest(shares: Floats, wanted: int) -> Indices:
    """Return the places of the increasing shares next to 1, 2, … wanted parts of wanted + 1."""
    aims = np.arange(1, wanted + 1) / (wanted + 1)
    return np.unique(np.abs(shares[:, None] - aims).argmin(axis=0))
