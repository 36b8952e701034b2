"""The plan of a Drift metric: null hypotheses, detectors and alarm levels, from the baseline alone.

Per severity the null hypothesis is that no share moved by more than its tolerance and the radius
within which the baseline knows the share at all. The evidence of a column is the mean of up to two
detectors: the *sustained* one compares with the baseline's pooled shares and believes rows only as
far as they are independent over weeks; the *envelope* one compares with what the baseline's own
blocks of a pane's length ever showed and therefore needs to discount dependence within a pane only.
The first finds small shifts of steady columns, the second large shifts of wandering ones at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.base import parse_decimal, parse_duration
from modelmonitor.api.v1alpha1.metric_options import DriftOptions
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.panes import ColumnTotals
from modelmonitor.core.profile import ColumnProfile, Envelope, Profile
from modelmonitor.core.rows import counted, selected
from modelmonitor.core.statistics.edetector import Indices, Sides, sides_of
from modelmonitor.core.statistics.shares import (
    Counts,
    Floats,
    dkw_radius,
    share_counts,
    shares,
)
from modelmonitor.core.times import parse_time
from modelmonitor.core.verdict import Level

RADIUS_LEVEL: Final = 0.05
"""Probability that any column's share in the baseline is further from the truth than its radius."""
ENVELOPE: Final = "Envelope"
"""Name of the envelope detector's state; the sustained ones are named by their severity."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector over all columns of a metric.

    Attributes
    ----------
    name
        Under which its state is kept.
    sides
        What it watches.
    phi
        Rows that are worth one independent row, by column, shape `(n_columns,)`.
    paced
        phi was measured over long blocks at the baseline's rate of rows: where traffic is denser,
        more rows tell of the same moment, and phi grows with the rate.
    """

    name: str
    sides: Sides
    phi: Floats
    paced: bool


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """Everything about a Drift metric that does not change from tick to tick.

    Attributes
    ----------
    columns
        The watched columns.
    tolerance
        By declared severity, the severest first.
    alarm
        Evidence at which a column alarms, by declared severity.
    detectors
        The sustained ones in the order of `tolerance`, then the envelope one if there is any.
    pooled
        The baseline's shares of all columns, flat, shape `(n_shares,)`.
    starts
        First share of each column, shape `(n_columns,)`.
    sizes
        Number of shares of each column, shape `(n_columns,)`.
    radius
        Within which the baseline knows each column's shares, shape `(n_columns,)`.
    worth
        Rows of a pane that are worth one independent row, by column, shape `(n_columns,)`.
    level
        Probability with which one column's radius may be too small.
    pace
        Rows per second of the baseline; 0 if not known.
    """

    columns: tuple[ColumnProfile, ...]
    tolerance: Mapping[Level, float]
    alarm: Mapping[Level, float]
    detectors: tuple[Detector, ...]
    pooled: Floats
    starts: Indices
    sizes: Indices
    radius: Floats
    worth: Floats
    level: float
    pace: float

    @property
    def ceiling(self) -> float:
        """The highest alarm level."""
        return max(self.alarm.values(), default=1.0)

    @property
    def severest(self) -> Level | None:
        """The severest declared severity, which the envelope detector speaks for."""
        return next(iter(self.tolerance), None)

    def spread(self, by_column: Floats) -> Floats:
        """Return one number per share, shape `(n_shares,)`, from one per column."""
        return np.repeat(by_column, self.sizes)


def watched(profile: Profile, options: DriftOptions) -> list[ColumnProfile]:
    """Return the columns that a Drift metric watches."""
    return counted(selected(profile, options.columns))


def plan_of(
    profile: Profile, options: DriftOptions, budget: DriftBudget, interval: float, columns: int
) -> DriftPlan:
    """Return the plan of a Drift metric.

    Parameters
    ----------
    profile
        The baseline.
    options
        Columns and tolerances.
    budget
        Mean time between false alarms, shared by all drift metrics of the monitor.
    interval
        Seconds.
    columns
        Number of columns of all drift metrics together, K. The alarm level is K times the mean
        number of ticks between false alarms, which holds for all of them together whatever the
        columns have to do with each other.
    """
    mine = tuple(watched(profile, options))
    tolerance = _tolerance(options)
    between = budget.false_alarm_interval
    mean_time = {Level.CRITICAL: between.critical, Level.WARNING: between.warning}
    level = RADIUS_LEVEL / max(1, columns)
    radius = np.array([dkw_radius(sum(each.cells) / each.phi, level) for each in mine])
    pooled = [_pooled(each) for each in mine]
    envelopes = [envelope_for(each, interval) for each in mine]
    sizes = np.array([each.size for each in pooled], np.int64)
    return DriftPlan(
        columns=mine,
        tolerance=tolerance,
        alarm={
            severity: columns * max(1.0, parse_duration(mean_time[severity]) / interval)
            for severity in tolerance
        },
        detectors=(
            *_sustained(mine, pooled, tolerance, radius),
            *_enveloping(mine, pooled, tolerance, envelopes),
        ),
        pooled=np.concatenate([np.zeros(0), *pooled]),
        starts=np.cumsum(sizes) - sizes,
        sizes=sizes,
        radius=radius,
        worth=_worth(envelopes),
        level=level,
        pace=pace_of(profile),
    )


def pace_of(profile: Profile) -> float:
    """Return the baseline's rows per second; 0 if its times are not known."""
    if not profile.firstTime or not profile.lastTime:
        return 0.0
    span = parse_time(profile.lastTime) - parse_time(profile.firstTime)
    return profile.rows / span if span > 0 else 0.0


def column_hits(column: ColumnProfile, totals: ColumnTotals) -> Counts:
    """Return the counts behind a column's shares.

    An ordered column has one share more than cuts: the part below the minimum, which the cell that
    ends at the minimum does not show where many values are the minimum itself.
    """
    hits = share_counts(column.kind, totals.cells)
    if column.kind.ordered:
        return np.concatenate([np.array([totals.below], np.int64), hits])
    return hits


def envelope_for(column: ColumnProfile, interval: float) -> Envelope | None:
    """Return what a column's shares may do in panes of `interval` seconds.

    The envelope of the longest blocks that are no longer than a pane: longer panes vary less, which
    is safe. Where the baseline knows longer blocks only, a pane is a part f of a block, and what
    all of the block's rows showed at most a share s, a part of them shows at most s / f: nothing
    is known of shares in between, but a share that is always 0 stays 0.
    """
    within = [each for each in column.envelopes if each.seconds <= interval * 1.001]
    if within:
        return max(within, key=lambda each: each.seconds)
    longer = min(column.envelopes, key=lambda each: each.seconds, default=None)
    if longer is None:
        return None
    part = interval / longer.seconds
    return Envelope(
        seconds=interval,
        phi=longer.phi,
        low=[max(0.0, 1 - (1 - share) / part) for share in longer.low],
        high=[min(1.0, share / part) for share in longer.high],
    )


def _tolerance(options: DriftOptions) -> dict[Level, float]:
    declared = {
        Level.CRITICAL: options.tolerance.critical,
        Level.WARNING: options.tolerance.warning,
    }
    return {level: parse_decimal(text) for level, text in declared.items() if text is not None}


def _pooled(column: ColumnProfile) -> Floats:
    return _with_below(column, shares(column.kind, np.asarray(column.cells)))


def _with_below(column: ColumnProfile, bounds: Floats | Sequence[float]) -> Floats:
    """Return bounds of a column's shares with that of the part below the minimum: none was."""
    return np.concatenate([np.zeros(1 if column.kind.ordered else 0), np.asarray(bounds)])


def _worth(envelopes: Sequence[Envelope | None]) -> Floats:
    return np.array([1.0 if each is None else each.phi for each in envelopes])


def _sustained(
    columns: Sequence[ColumnProfile],
    pooled: Sequence[Floats],
    tolerance: Mapping[Level, float],
    radius: Floats,
) -> list[Detector]:
    phi = np.array([each.phi for each in columns])
    found = []
    for severity, allowed in tolerance.items():
        slack = [allowed + each for each in radius]
        sides = sides_of(
            [share - free for share, free in zip(pooled, slack, strict=True)],
            [share + free for share, free in zip(pooled, slack, strict=True)],
            _least(columns),
        )
        found.append(Detector(severity.value, sides, phi, paced=True))
    return found


def _enveloping(
    columns: Sequence[ColumnProfile],
    pooled: Sequence[Floats],
    tolerance: Mapping[Level, float],
    envelopes: Sequence[Envelope | None],
) -> list[Detector]:
    if not tolerance or all(each is None for each in envelopes):
        return []
    allowed = next(iter(tolerance.values()))
    low, high = [], []
    for column, share, each in zip(columns, pooled, envelopes, strict=True):
        # A column without envelope gets one that allows everything, so that nothing is watched.
        low.append(_with_below(column, each.low) - allowed if each else np.zeros(share.size))
        high.append(_with_below(column, each.high) + allowed if each else np.ones(share.size))
    sides = sides_of(low, high, _least(columns))
    return [Detector(ENVELOPE, sides, _worth(envelopes), paced=False)]


def _least(columns: Sequence[ColumnProfile]) -> list[float]:
    """Return the smallest null of each column: one row of the baseline."""
    return [1 / sum(each.cells) for each in columns]
