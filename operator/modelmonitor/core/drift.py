"""Drift evidence: what the ticks of a monitor add to it, what ends it, and how large a shift is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.drift_plan import ENVELOPE, Detector, DriftPlan, column_hits
from modelmonitor.core.evidence import MetricEvidence, pack, unpack
from modelmonitor.core.rows import Reference
from modelmonitor.core.statistics.edetector import (
    Sides,
    State,
    advance,
    by_column,
    by_side,
    nothing_seen,
)
from modelmonitor.core.statistics.shares import Floats, dkw_radii
from modelmonitor.core.verdict import Level
from modelmonitor.core.windows import Tick

LEAST_ROWS: Final = 200
"""Rows below which nothing is said: since evidence began, and of what came last."""
EFFECT_TICKS: Final = 8
"""Ticks over which the size of a shift is measured, and its end must show."""
RETURN_FACTOR: Final = 100.0
"""An alarm ends when its evidence has fallen to this part of the alarm's level. Evidence that only
touches the level from below would otherwise end and begin the alert again and again."""
CALM_PART: Final = 0.5
"""A share is back when it is within this part of the way from the baseline to its null."""

States = dict[str, State]


@dataclass(frozen=True, slots=True)
class Seen:
    """The counts of some ticks, flat.

    Attributes
    ----------
    hits
        Of every share, shape `(n_shares,)`.
    values
        Of every column, shape `(n_columns,)`.
    """

    hits: Floats
    values: Floats

    def __add__(self, other: "Seen") -> "Seen":
        """Return both together."""
        return Seen(self.hits + other.hits, self.values + other.values)


def seen(plan: DriftPlan, reference: Reference, tick: Tick) -> Seen:
    """Return the counts of one tick."""
    totals = reference.rows_of(tick)
    cells = [totals[each.name] for each in plan.columns]
    hits = [column_hits(column, each) for column, each in zip(plan.columns, cells, strict=True)]
    return Seen(
        np.concatenate([np.zeros(0), *hits]),
        np.array([each.valued for each in cells], np.float64),
    )


def apply(
    plan: DriftPlan, reference: Reference, ticks: Sequence[Tick], before: MetricEvidence
) -> MetricEvidence:
    """Return the evidence after the ticks that it has not seen yet.

    Ticks that cannot be judged, and ticks up to `before.until`, change nothing; so the result does
    not depend on how often a tick is given.
    """
    states: States = {
        each.name: _state(before.states.get(each.name, b""), each.sides) for each in plan.detectors
    }
    rows, until = before.rows, before.until
    for number, tick in enumerate(ticks):
        if tick.start <= until:
            continue
        until = tick.start
        if not reference.usable(tick):
            continue
        now = seen(plan, reference, tick)
        rows += int(now.values.max(initial=0.0))
        states = _advanced(plan, states, now, tick.interval)
        if _alarmed(plan, states).any():
            states = _released(plan, reference, ticks[: number + 1], states)
    return MetricEvidence(
        key=before.key,
        until=until,
        rows=rows,
        states={name: pack(state) for name, state in states.items()},
    )


def column_evidence(plan: DriftPlan, evidence: MetricEvidence) -> dict[Level, Floats]:
    """Return the evidence of each column by severity, shape `(n_columns,)`; at most 1 is none."""
    return _by_level(
        plan,
        {
            each.name: _state(evidence.states.get(each.name, b""), each.sides)
            for each in plan.detectors
        },
    )


def moved(plan: DriftPlan, now: Seen) -> tuple[Floats, Floats]:
    """Return how much of each column's distribution moved, and how much of that is certain.

    Returns
    -------
    tuple
        The largest difference between a share and the baseline's, shape `(n_columns,)`; and the
        same without the radii of the baseline and of these rows, at least 0.
    """
    if not plan.columns:
        return np.zeros(0), np.zeros(0)
    parts = now.hits / plan.spread(np.maximum(now.values, 1.0))
    gaps = np.maximum.reduceat(np.abs(parts - plan.pooled), plan.starts)
    gaps = np.where(now.values > 0, gaps, 0.0)
    chance = plan.radius + dkw_radii(now.values / plan.worth, plan.level)
    return gaps, np.maximum(0.0, gaps - chance)


def _state(payload: bytes, sides: Sides) -> State:
    fresh = nothing_seen(sides)
    kept = unpack(payload, (fresh.shape[0], fresh.shape[1]))
    return fresh if kept is None else kept


def _advanced(plan: DriftPlan, states: States, now: Seen, interval: float) -> States:
    found = {}
    for each in plan.detectors:
        phi = _effective(each, plan, now.values, interval)
        found[each.name] = advance(
            states[each.name],
            each.sides,
            now.hits / plan.spread(phi),
            plan.spread(now.values / phi),
            plan.ceiling,
        )
    return found


def _effective(detector: Detector, plan: DriftPlan, values: Floats, interval: float) -> Floats:
    """Return phi of each column at this tick's rate of rows, shape `(n_columns,)`."""
    if not detector.paced or plan.pace <= 0:
        return detector.phi
    rate: Floats = np.maximum(1.0, values / interval / plan.pace)
    return 1 + (detector.phi - 1) * rate


def _by_level(plan: DriftPlan, states: States) -> dict[Level, Floats]:
    means = {each.name: by_column(states[each.name], each.sides) for each in plan.detectors}
    found = {level: means[level.value] for level in plan.tolerance}
    if plan.severest is not None and ENVELOPE in means:
        found[plan.severest] = (found[plan.severest] + means[ENVELOPE]) / 2
    return found


def _alarmed(plan: DriftPlan, states: States) -> NDArray[np.bool_]:
    """Return which columns alarm with any severity, shape `(n_columns,)`."""
    alarmed = np.zeros(len(plan.columns), bool)
    for level, evidence in _by_level(plan, states).items():
        alarmed |= evidence >= plan.alarm[level]
    return alarmed


def _released(
    plan: DriftPlan, reference: Reference, ticks: Sequence[Tick], states: States
) -> States:
    """Return the states without the evidence of columns whose shift is over.

    Evidence of a long shift would take as long to be outweighed. Where every share that has
    evidence is, over the last ticks together, well on the way back to the baseline, the detector
    is started afresh, as after any alarm that has been dealt with.
    """
    last = [tick for tick in ticks[-EFFECT_TICKS:] if reference.usable(tick)]
    if len(last) < EFFECT_TICKS:
        return states
    now = seen(plan, reference, last[0])
    for tick in last[1:]:
        now += seen(plan, reference, tick)
    over = _alarmed(plan, states) & (now.values >= LEAST_ROWS)
    values = plan.spread(np.maximum(now.values, 1.0))
    for each in plan.detectors:
        sides, floor = each.sides, min(plan.alarm.values()) / RETURN_FACTOR
        part = now.hits[sides.share] / values[sides.share]
        base = plan.pooled[sides.share]
        part, base = (np.where(sides.upward, x, 1 - x) for x in (part, base))
        back = part <= base + CALM_PART * np.maximum(sides.null - base, 0.0)
        suspicious = by_side(states[each.name]) >= floor
        over[sides.owner[suspicious & ~back]] = False
    return {
        each.name: np.where(over[each.sides.owner][:, None], np.float32(0), states[each.name])
        for each in plan.detectors
    }
