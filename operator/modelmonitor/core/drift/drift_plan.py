"""The plan of a Drift metric: null hypotheses, detectors and alarm levels, from the baseline alone.

Per severity the null hypothesis is that no share moved by more than its tolerance and the radius
within which the baseline knows the share at all, compared with the hours of the baseline that are
like the tick's. The evidence of a column is the mean of its detectors (`drift_bank`): the
sustained one believes rows only as far as they are independent over weeks, and finds small shifts
of steady columns; the envelope one finds large shifts of wandering columns at once; those of the
replicas find that one of them differs.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from modelmonitor.api.v1alpha1.base import parse_decimal, parse_duration
from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.metric_options import DriftOptions, ReplicaView
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.baseline.profile import ColumnProfile, Envelope, Profile
from modelmonitor.core.baseline.seasons import Basis, comparator_of, hour_of_week
from modelmonitor.core.drift.drift_bank import (
    Bank,
    Columns,
    column_bank,
    replica_bank,
    telling_shares,
)
from modelmonitor.core.drift.drift_counts import Layout, layout_of
from modelmonitor.core.judging.rows import counted, selected
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.statistics.edetector import Bets, Indices
from modelmonitor.core.statistics.shares import Floats, dkw_radii
from modelmonitor.core.times import parse_time

RADIUS_LEVEL: Final = 0.05
"""Probability that any column's share in the baseline is further from the truth than its radius."""
TELLING_ROWS: Final = 1000.0
"""Rows a tick from which on a baseline shows how dependent they are."""
REPLICAS: Final = 8
"""Replicas that are watched at a time, each with the same weight, whether or not it is there."""
PLANS_KEPT: Final = 8
"""Plans that are kept ready, as for the ticks of a replay; one has a few hundred kB."""
HOURS_KEPT: Final = 3
"""Hours whose bets are kept ready."""
_HOURS: Final = {
    Seasonality.NONE: 1,
    Seasonality.HOUR_OF_DAY: 24,
    Seasonality.HOUR_OF_WEEK: 168,
}
"""Comparators that a column has in all: each of them may be wrong by chance."""


@dataclass(frozen=True, slots=True)
class Standard:
    """What the ticks of one hour are compared with.

    Attributes
    ----------
    base
        The baseline's shares of all columns, flat, shape `(n_shares,)`.
    radius
        Within which the baseline knows each column's shares, shape `(n_columns,)`.
    phi
        Rows that are worth one independent row over weeks, shape `(n_columns,)`.
    basis
        Which hours of the baseline each column is compared with.
    bets, replica_bets
        Of the two banks.
    """

    base: Floats
    radius: Floats
    phi: Floats
    basis: tuple[Basis, ...]
    bets: Bets
    replica_bets: Bets


@dataclass(frozen=True, slots=True)
class DriftPlan:
    """Everything about a Drift metric that does not change from tick to tick.

    Attributes
    ----------
    columns
        The watched columns.
    layout
        Where their counts are.
    tolerance
        By declared severity, the severest first.
    alarm
        Evidence at which a column alarms, by declared severity.
    bank
        Detectors of all rows.
    replica_bank
        Detectors of the rows of one replica.
    pooled
        The shares of all of the baseline, flat, shape `(n_shares,)`.
    starts
        First share of each column, shape `(n_columns,)`.
    sizes
        Number of shares of each column, shape `(n_columns,)`.
    worth
        Rows of a pane that are worth one independent row, by column, shape `(n_columns,)`.
    level
        Probability with which one column's radius may be too small.
    interval
        Seconds of a tick.
    pace
        Rows per second of the baseline; 0 if not known.
    seasonality, zone
        Which hours of the baseline are compared with, by the clock of which time zone.
    telling
        Where the baseline cannot tell how dependent the rows of a tick are: shares of which it is
        learned, shape `(n_columns, TELLING_SHARES)`; else without columns.
    learned
        Least number of rows that are worth one independent row, as live panes tell it, shape
        `(n_columns,)`.
    """

    columns: tuple[ColumnProfile, ...]
    layout: Layout
    tolerance: Mapping[Level, float]
    alarm: Mapping[Level, float]
    bank: Bank
    replica_bank: Bank
    pooled: Floats
    starts: Indices
    sizes: Indices
    worth: Floats
    level: float
    interval: float
    pace: float
    seasonality: Seasonality
    zone: str
    telling: Indices
    learned: Floats
    _standards: dict[int, Standard] = field(default_factory=dict, repr=False, compare=False)

    @property
    def by_replica(self) -> bool:
        """Whether replicas are watched on their own."""
        return self.replica_bank.places.size > 0

    @property
    def severest(self) -> Level | None:
        """The severest declared severity."""
        return next(iter(self.tolerance), None)

    def places(self) -> str:
        """Return a hash of which shares are watched where: what a stored state has to fit."""
        found = hashlib.sha256("\n".join(column.name for column in self.columns).encode())
        for bank in (self.bank, self.replica_bank):
            for each in (bank.places.share, bank.places.upward, bank.places.group):
                found.update(each.tobytes())
        return found.hexdigest()

    def spread(self, by_column: Floats) -> Floats:
        """Return one number per share, shape `(n_shares,)`, from one per column."""
        return np.repeat(by_column, self.sizes)

    def at(self, time: float) -> Standard:
        """Return what a tick is compared with that starts at `time`, seconds since the epoch."""
        hour = 0 if self.seasonality is Seasonality.NONE else hour_of_week(time, self.zone)
        found = self._standards.get(hour)
        if found is None:
            found = self._standard(hour)
            while len(self._standards) >= HOURS_KEPT:
                del self._standards[next(iter(self._standards))]
            self._standards[hour] = found
        return found

    def with_phi(self, phi: Floats) -> "DriftPlan":
        """Return the plan for columns whose rows turned out to be less independent.

        Where the baseline had no times its rows are taken to be as dependent as live ones. One that
        had times but few rows is as well known as it says, whatever denser traffic shows.
        """
        if (phi <= 1).all():
            return self
        if self.pace > 0:
            return replace(self, learned=phi)
        learned = [
            max(own.phi, other) for own, other in zip(self.columns, phi.tolist(), strict=True)
        ]
        columns = tuple(
            msgspec.structs.replace(column, phi=one)
            for column, one in zip(self.columns, learned, strict=True)
        )
        return replace(self, columns=columns, _standards={})

    def _standard(self, hour: int) -> Standard:
        found = [comparator_of(each, self.seasonality, hour) for each in self.columns]
        base = [
            _shares(column, each.cells) for column, each in zip(self.columns, found, strict=True)
        ]
        flat = np.concatenate([np.zeros(0), *base])
        radius = dkw_radii(np.array([each.rows for each in found]), self.level)
        return Standard(
            base=flat,
            radius=radius,
            phi=np.array([each.phi for each in found]),
            basis=tuple(each.basis for each in found),
            bets=self.bank.against(flat, radius),
            replica_bets=self.replica_bank.against(flat, radius),
        )


def watched(profile: Profile, options: DriftOptions) -> list[ColumnProfile]:
    """Return the columns that a Drift metric watches."""
    return counted(selected(profile, options.columns))


def plan_of(
    profile: Profile,
    options: DriftOptions,
    budget: DriftBudget,
    interval: float,
    columns: int,
    seasonality: Seasonality = Seasonality.NONE,
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
    seasonality
        The finest division of the baseline that is compared with.
    """
    between = budget.false_alarm_interval
    asked = _Asked(
        profile=profile,
        options=options,
        said=f"{options.model_dump_json()} {between.model_dump_json()}",
        critical=parse_duration(between.critical),
        warning=parse_duration(between.warning),
        interval=interval,
        columns=columns,
        seasonality=seasonality,
    )
    return _planned(asked)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Asked:
    """What a plan is made of; equal if it is of the very same profile."""

    profile: Profile
    options: DriftOptions
    said: str
    """Options and budget as text."""
    critical: float
    """Seconds between false alarms."""
    warning: float
    interval: float
    columns: int
    seasonality: Seasonality

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[int, str, float, int, Seasonality]:
        # The profile is kept with its plan, so that no other one has the same identity meanwhile.
        return (id(self.profile), self.said, self.interval, self.columns, self.seasonality)


@lru_cache(maxsize=PLANS_KEPT)
def _planned(asked: _Asked) -> DriftPlan:
    profile, options, interval = asked.profile, asked.options, asked.interval
    mine = tuple(watched(profile, options))
    tolerance = _tolerance(options)
    mean_time = {Level.CRITICAL: asked.critical, Level.WARNING: asked.warning}
    alarm = {
        severity: asked.columns * max(1.0, mean_time[severity] / interval) for severity in tolerance
    }
    pooled = [_shares(each, np.asarray(each.cells, np.float64)) for each in mine]
    sizes = np.array([each.size for each in pooled], np.int64)
    laid = Columns(
        profiles=mine,
        starts=np.cumsum(sizes) - sizes,
        sizes=sizes,
        pooled=np.concatenate([np.zeros(0), *pooled]),
        envelopes=[envelope_for(each, interval) for each in mine],
    )
    each = options.replicas is ReplicaView.EACH
    bank = column_bank(laid, tolerance, alarm, parts=1 + each)
    share = bank.weight[: len(tolerance)] / REPLICAS
    return DriftPlan(
        columns=mine,
        layout=layout_of(mine),
        tolerance=tolerance,
        alarm=alarm,
        bank=bank,
        replica_bank=replica_bank(laid, tolerance if each else {}, alarm, share),
        pooled=laid.pooled,
        starts=laid.starts,
        sizes=sizes,
        worth=laid.worth(),
        level=RADIUS_LEVEL / (max(1, asked.columns) * _HOURS[asked.seasonality]),
        interval=interval,
        pace=pace_of(profile),
        seasonality=asked.seasonality,
        zone=profile.timeZone,
        telling=np.zeros((0, 0), np.int64) if _tells(profile, interval) else telling_shares(laid),
        learned=np.ones(len(mine)),
    )


def _tells(profile: Profile, interval: float) -> bool:
    """Return whether a baseline shows how dependent the rows of a tick are.

    What rows of the same moment have in common grows with their number. In a baseline with a few
    rows a tick it is lost in chance, and a thousand times as many live rows still share it.
    """
    return profile.ordered and pace_of(profile) * interval >= TELLING_ROWS


def pace_of(profile: Profile) -> float:
    """Return the baseline's rows per second; 0 if its times are not known."""
    if not profile.firstTime or not profile.lastTime:
        return 0.0
    span = parse_time(profile.lastTime) - parse_time(profile.firstTime)
    return profile.rows / span if span > 0 else 0.0


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


def _shares(column: ColumnProfile, cells: Floats) -> Floats:
    """Return a column's shares, that of the part below the minimum first: none was."""
    parts: Floats = cells / max(float(cells.sum()), 1e-300)
    return np.concatenate([np.zeros(1), parts.cumsum()[:-1]]) if column.kind.ordered else parts
