"""Drift evidence: what the ticks of a monitor add to it, and how large a shift is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.core.drift.drift_counts import Seen, seen, seen_by_replica
from modelmonitor.core.drift.drift_learning import Learner
from modelmonitor.core.drift.drift_plan import DriftPlan
from modelmonitor.core.drift.drift_state import evidence_of, from_bytes, step, to_bytes
from modelmonitor.core.drift.evidence import MetricEvidence
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.statistics.shares import Floats, dkw_radii

LEAST_ROWS: Final = 200
"""Rows below which nothing is said: since evidence began, and of what came last."""


@dataclass(frozen=True, slots=True)
class Shift:
    """How far the rows of some ticks are from what they are compared with.

    Attributes
    ----------
    excess
        Rows of every share above what was expected of as many rows, shape `(n_shares,)`.
    values
        Rows of every column, shape `(n_columns,)`.
    radius
        Within which the expectation is known, shape `(n_columns,)`.
    """

    excess: Floats
    values: Floats
    radius: Floats

    def __add__(self, other: "Shift") -> "Shift":
        """Return that of both together."""
        return Shift(
            self.excess + other.excess,
            self.values + other.values,
            np.maximum(self.radius, other.radius),
        )


def apply(
    plan: DriftPlan, reference: Reference, ticks: Sequence[Tick], before: MetricEvidence
) -> MetricEvidence:
    """Return the evidence after the ticks that it has not seen yet.

    Ticks that cannot be judged, and ticks up to `before.until`, change nothing; so the result does
    not depend on how often a tick is given.
    """
    fresh = [tick for tick in ticks if tick.start > before.until]
    if not fresh:
        return before
    state, rows = from_bytes(plan, before), before.rows
    learner = Learner(plan, before)
    for tick in fresh:
        if not reference.usable(tick):
            continue
        now = seen(plan.layout, reference, tick)
        each = seen_by_replica(plan.layout, reference, tick) if plan.by_replica else {}
        rows += int(now.values.max(initial=0.0))
        # What is learned of a tick is believed from the next one on.
        state = step(learner.plan, state, now, each, tick.start, tick.interval)
        state = learner.see(now, state, tick.start)
    return MetricEvidence(
        key=before.key,
        until=fresh[-1].start,
        rows=rows,
        states=to_bytes(state),
        learned=learner.to_bytes(),
    )


def column_evidence(plan: DriftPlan, evidence: MetricEvidence) -> dict[Level, Floats]:
    """Return the evidence of each column by severity, shape `(n_columns,)`; at most 1 is none."""
    return evidence_of(plan, from_bytes(plan, evidence))


def shift_of(plan: DriftPlan, now: Seen, tick: Tick) -> Shift:
    """Return how far some rows of a tick are from what the tick is compared with."""
    standard = plan.at(tick.start)
    return Shift(now.hits - standard.base * plan.spread(now.values), now.values, standard.radius)


def moved(plan: DriftPlan, shift: Shift) -> tuple[Floats, Floats]:
    """Return how much of each column's distribution moved, and how much of that is certain.

    Returns
    -------
    tuple
        The largest difference between a share and the baseline's, shape `(n_columns,)`; and the
        same without the radii of the baseline and of these rows, at least 0.
    """
    if not plan.columns:
        return np.zeros(0), np.zeros(0)
    parts = np.abs(shift.excess) / plan.spread(np.maximum(shift.values, 1.0))
    gaps = np.where(shift.values > 0, np.maximum.reduceat(parts, plan.starts), 0.0)
    chance = shift.radius + dkw_radii(shift.values / plan.worth, plan.level)
    return gaps, np.maximum(0.0, gaps - chance)
