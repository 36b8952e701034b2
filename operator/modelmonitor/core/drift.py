"""Drift metrics: whether any column moved further than is tolerated.

Per severity the null hypothesis is that no share moved by more than its tolerance and the radius
within which the baseline knows the share at all. The evidence of a column is the mean of up to
two detectors: the *sustained* one compares with the baseline's pooled shares and believes rows only
as far as they are independent over weeks; the *envelope* one compares with what the baseline's own
blocks of a pane's length ever showed and therefore needs to discount dependence within a pane only.
The first finds small shifts of steady columns, the second large shifts of wandering ones at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.base import parse_decimal, parse_duration
from modelmonitor.api.v1alpha1.metrics import DriftOptions
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.evidence import MetricEvidence, pack, unpack
from modelmonitor.core.panes import ColumnTotals
from modelmonitor.core.profile import ColumnProfile, Envelope, Profile
from modelmonitor.core.rows import Reference, counted, selected
from modelmonitor.core.statistics.edetector import (
    Sides,
    advance,
    by_column,
    nothing_seen,
    sides_of,
)
from modelmonitor.core.statistics.shares import Floats, dkw_radius, share_counts, shares
from modelmonitor.core.times import parse_time
from modelmonitor.core.verdict import Level
from modelmonitor.core.windows import Tick

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
        By declared severity.
    alarm
        Evidence at which a column alarms, by declared severity.
    detectors
        In the order in which they are advanced.
    radius
        Within which the baseline knows each column's shares, shape `(n_columns,)`.
    level
        Probability with which one column's radius may be too small.
    pace
        Rows per second of the baseline; 0 if not known.
    starts
        First share of each column in a flat vector of shares, shape `(n_columns + 1,)`.
    """

    columns: tuple[ColumnProfile, ...]
    tolerance: Mapping[Level, float]
    alarm: Mapping[Level, float]
    detectors: tuple[Detector, ...]
    radius: Floats
    level: float
    pace: float
    starts: NDArray[np.int64]


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
        Number of columns of all drift metrics together, K.
    """
    mine = tuple(watched(profile, options))
    tolerance = {
        level: parse_decimal(text)
        for level, text in (
            (Level.CRITICAL, options.tolerance.critical),
            (Level.WARNING, options.tolerance.warning),
        )
        if text is not None
    }
    between = budget.false_alarm_interval
    mean_time = {Level.CRITICAL: between.critical, Level.WARNING: between.warning}
    level = RADIUS_LEVEL / max(1, columns)
    radius = np.array([dkw_radius(sum(each.cells) / each.phi, level) for each in mine])
    counts = [share_counts(each.kind, np.asarray(each.cells)).size for each in mine]
    return DriftPlan(
        columns=mine,
        tolerance=tolerance,
        alarm={
            severity: columns * max(1.0, parse_duration(mean_time[severity]) / interval)
            for severity in tolerance
        },
        detectors=tuple(_detectors(mine, tolerance, radius, interval)),
        radius=radius,
        level=level,
        pace=_pace(profile),
        starts=np.concatenate([[0], np.cumsum(np.array(counts, np.int64))]),
    )


def _pace(profile: Profile) -> float:
    if not profile.firstTime or not profile.lastTime:
        return 0.0
    span = parse_time(profile.lastTime) - parse_time(profile.firstTime)
    return profile.rows / span if span > 0 else 0.0


def _detectors(
    columns: Sequence[ColumnProfile],
    tolerance: Mapping[Level, float],
    radius: Floats,
    interval: float,
) -> list[Detector]:
    pooled = [shares(each.kind, np.asarray(each.cells)) for each in columns]
    least = [1 / sum(each.cells) for each in columns]
    phi = np.array([each.phi for each in columns])
    found = []
    for severity, allowed in tolerance.items():
        slack = radius + allowed
        low = [share - free for share, free in zip(pooled, slack, strict=True)]
        high = [share + free for share, free in zip(pooled, slack, strict=True)]
        found.append(Detector(severity.value, sides_of(low, high, least), phi, paced=True))
    worst = next(iter(tolerance.values()), None)
    envelopes = [_envelope(each, interval) for each in columns]
    if worst is not None and any(each is not None for each in envelopes):
        # A column without envelope gets one that allows everything, so that nothing is watched.
        low = [
            np.zeros(share.size) if each is None else np.asarray(each.low) - worst
            for share, each in zip(pooled, envelopes, strict=True)
        ]
        high = [
            np.ones(share.size) if each is None else np.asarray(each.high) + worst
            for share, each in zip(pooled, envelopes, strict=True)
        ]
        within = np.array([1.0 if each is None else each.phi for each in envelopes])
        found.append(Detector(ENVELOPE, sides_of(low, high, least), within, paced=False))
    return found


def _envelope(column: ColumnProfile, interval: float) -> Envelope | None:
    """Return the envelope of the longest blocks that are no longer than a pane.

    Longer blocks vary less than panes do; shorter ones vary more, which is only less sharp.
    """
    short = [each for each in column.envelopes if each.seconds <= interval * 1.001]
    return max(short, key=lambda each: each.seconds, default=None)


def apply(
    plan: DriftPlan,
    reference: Reference,
    ticks: Sequence[Tick],
    before: MetricEvidence,
) -> MetricEvidence:
    """Return the evidence after the ticks that it has not seen yet.

    Ticks that cannot be judged, and ticks up to `before.until`, change nothing; so the result does
    not depend on how often a tick is given.
    """
    states = {
        each.name: _state(before.states.get(each.name, b""), each.sides) for each in plan.detectors
    }
    rows, until = before.rows, before.until
    for tick in ticks:
        if tick.start <= until:
            continue
        until = tick.start
        if not reference.usable(tick):
            continue
        totals = reference.rows([tick])
        rows += max((totals[each.name].rows for each in plan.columns), default=0)
        hits, values = _flat(plan, totals)
        for each in plan.detectors:
            phi = _effective(each, plan, values, tick.interval)
            states[each.name] = advance(
                states[each.name],
                each.sides,
                hits / phi,
                _spread(plan, values) / phi,
                max(plan.alarm.values()),
            )
    return MetricEvidence(
        key=before.key,
        until=until,
        rows=rows,
        states={name: pack(state) for name, state in states.items()},
    )


def _state(payload: bytes, sides: Sides) -> NDArray[np.float32]:
    fresh = nothing_seen(sides)
    kept = unpack(payload, (fresh.shape[0], fresh.shape[1]))
    return fresh if kept is None else kept


def _flat(plan: DriftPlan, totals: Mapping[str, ColumnTotals]) -> tuple[Floats, Floats]:
    """Return the hits of every share, flat, and the values of every column."""
    hits = [share_counts(each.kind, totals[each.name].cells) for each in plan.columns]
    values = np.array([totals[each.name].valued for each in plan.columns], np.float64)
    return np.concatenate([np.zeros(0), *hits]), values


def _spread(plan: DriftPlan, by_column_values: Floats) -> Floats:
    """Return one number per share from one per column."""
    return np.repeat(by_column_values, np.diff(plan.starts))


def _effective(detector: Detector, plan: DriftPlan, values: Floats, interval: float) -> Floats:
    """Return phi for every share at this tick's rate of rows."""
    phi = detector.phi
    if detector.paced and plan.pace > 0:
        phi = 1 + (phi - 1) * np.maximum(1.0, values / interval / plan.pace)
    return _spread(plan, phi)


def column_evidence(plan: DriftPlan, evidence: MetricEvidence) -> dict[Level, Floats]:
    """Return the evidence of each column by severity, shape `(n_columns,)`; 1 is none."""
    means = {
        each.name: by_column(_state(evidence.states.get(each.name, b""), each.sides), each.sides)
        for each in plan.detectors
    }
    found = {level: means[level.value] for level in plan.tolerance}
    worst = next(iter(plan.tolerance), None)
    if worst is not None and ENVELOPE in means:
        found[worst] = (found[worst] + means[ENVELOPE]) / 2
    return found


def moved(plan: DriftPlan, totals: Mapping[str, ColumnTotals]) -> list[tuple[float, float]]:
    """Return, per column, the share that moved and how much of it nothing but a shift explains.

    The first is the largest difference between a share and the baseline's; the second has the
    radii of the baseline and of these rows taken off.
    """
    found = []
    for column, radius in zip(plan.columns, plan.radius, strict=True):
        cells = totals[column.name].cells
        size = int(cells.sum())
        if size == 0:
            found.append((0.0, 0.0))
            continue
        before = shares(column.kind, np.asarray(column.cells))
        gap = float(np.abs(shares(column.kind, cells) - before).max(initial=0.0))
        worth = max((each.phi for each in column.envelopes), default=1.0)
        chance = radius + dkw_radius(size / worth, plan.level)
        found.append((gap, max(0.0, gap - chance)))
    return found


def suffixes(ticks: Sequence[Tick], longest: int) -> list[Sequence[Tick]]:
    """Return the last 1, 2, 4, … ticks, at most `longest`."""
    lengths, length = [], 1
    while length <= min(longest, len(ticks)):
        lengths.append(length)
        length *= 2
    return [ticks[-each:] for each in lengths]
