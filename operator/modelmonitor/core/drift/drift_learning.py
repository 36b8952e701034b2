"""Dependence that a baseline without times, or with few rows, cannot tell: learned from panes."""

import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.drift.drift_counts import Seen
from modelmonitor.core.drift.drift_plan import DriftPlan
from modelmonitor.core.drift.drift_state import DriftState, discounted
from modelmonitor.core.drift.evidence import MetricEvidence, pack, unpack
from modelmonitor.core.statistics.pyramid import (
    FIRST,
    Pyramid,
    from_bytes,
    learned,
    nothing_learned,
    size_of,
)
from modelmonitor.core.statistics.shares import Floats


class Learner:
    """The plan of a metric, and what its panes tell of their rows' dependence.

    Where the baseline tells it there is nothing to learn, and nothing is remembered.

    Parameters
    ----------
    plan
        As the baseline has it.
    evidence
        With what was learned so far.
    """

    def __init__(self, plan: DriftPlan, evidence: MetricEvidence) -> None:
        self._given = plan
        self._pyramid = _stored(plan, evidence)
        self.plan = plan if self._pyramid is None else plan.with_phi(self._phi())

    def see(self, now: Seen, state: DriftState, time: float) -> DriftState:
        """Learn from the tick of this time; `plan` is what is to be believed of the next one.

        What the clock explains, where ticks are compared by the hour, is no dependence. Evidence
        from when rows were believed more than they are is made as small as it would be.
        """
        if self._pyramid is None:
            return state
        before, old = self._pyramid, self._phi()
        self._pyramid = learned(before, self._unclocked(now, time), now.values)
        if self._pyramid.phi is before.phi:
            return state
        self.plan = self._given.with_phi(self._phi())
        known = np.array([column.phi for column in self._given.columns])
        return discounted(self.plan, state, np.maximum(old, known) / np.maximum(self._phi(), known))

    def _unclocked(self, now: Seen, time: float) -> Floats:
        """Return the rows of the telling shares as they would be at an hour like all hours."""
        plan = self._given
        hits = now.hits[plan.telling]
        if plan.seasonality is Seasonality.NONE:
            return hits
        usual = (plan.at(time).base - plan.pooled)[plan.telling]
        rows = now.values[:, None]
        return np.clip(hits - usual * rows, 0.0, rows)

    def to_bytes(self) -> bytes:
        """Return what was learned as it is stored."""
        return b"" if self._pyramid is None else pack(self._pyramid.to_bytes())

    def caveat(self) -> str:
        """Return what the verdict takes for granted, as the end of a sentence; or nothing."""
        if self._pyramid is None:
            return ""
        panes = self._pyramid.panes
        timed = self._given.pace > 0
        why = "had few rows for its time" if timed else "had no times"
        if panes < FIRST:
            taken = "no more dependent than it shows" if timed else "independent"
            return (
                f"; the baseline {why}, so rows are taken for {taken} until {FIRST} ticks were "
                f"seen ({panes} so far)"
            )
        last = 1 << (panes.bit_length() - 1)
        most = float(self._pyramid.phi.max(initial=1.0))
        if most <= 1:
            return f"; the baseline {why}; in {last} ticks rows looked independent"
        return (
            f"; the baseline {why}; in {last} ticks up to {most:.0f} rows were worth one "
            "independent row"
        )

    def _phi(self) -> Floats:
        phi = self._pyramid.phi if self._pyramid is not None else np.ones(0)
        return np.asarray(phi, np.float64)


def _stored(plan: DriftPlan, evidence: MetricEvidence) -> Pyramid | None:
    columns, shares = plan.telling.shape
    if not columns:
        return None
    plain = unpack(evidence.learned, size_of(columns, shares))
    found = None if plain is None else from_bytes(plain, columns, shares)
    return nothing_learned(columns, shares) if found is None else found
