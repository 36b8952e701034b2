"""Many monitors at once: the columns of one plan, repeated, so that one step is a step of all.

A thousand months of panes through the controller's own path would take a day. Here the plan is the
shipped one, of a profile whose columns are repeated once for every simulated monitor, and so are
the shipped detectors and what ends their alarms; only what is around them (ticks, panes,
checkpoints) is left out. `tests/bench` holds that both ways give the same evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from bench.statistics.laws import Floats, Ints
from bench.statistics.ours import TOLERANCE
from modelmonitor.api.v1alpha1.metric_options import DriftOptions
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.drift.drift_counts import Seen
from modelmonitor.core.drift.drift_plan import DriftPlan, plan_of
from modelmonitor.core.drift.drift_state import begin, evidence_of, step
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.statistics.shares import share_counts


@dataclass(frozen=True, slots=True)
class Fleet:
    """Monitors of one baseline that see independent traffic.

    Attributes
    ----------
    plan
        Of all their columns, one monitor after the other.
    size
        Number of monitors.
    """

    plan: DriftPlan
    size: int


def fleet_of(
    profile: Profile,
    size: int,
    interval: float,
    budget: DriftBudget,
    tolerance: Mapping[str, str] = TOLERANCE,
) -> Fleet:
    """Return a fleet whose every monitor watches all columns of a profile."""
    columns = [
        msgspec.structs.replace(column, name=f"{column.name}_{place}")
        for place in range(size)
        for column in profile.columns
    ]
    options = DriftOptions.model_validate(
        {"columns": {"group": "Inputs"}, "tolerance": dict(tolerance)}
    )
    repeated = msgspec.structs.replace(profile, columns=columns)
    return Fleet(plan_of(repeated, options, budget, interval, len(profile.columns)), size)


def hits_of(profile: Profile, counts: list[Ints]) -> Floats:
    """Return the counts behind all shares of all monitors.

    Parameters
    ----------
    profile
        The baseline.
    counts
        One array a column, shape `(n_panes, size, n_cells)`.

    Returns
    -------
    NDArray
        Shape `(n_panes, size * n_shares)`.
    """
    parts = []
    for column, cells in zip(profile.columns, counts, strict=True):
        hits = share_counts(column.kind, cells)
        if column.kind.ordered:
            # Of continuous values none is the minimum itself: all of the first cell is below it.
            hits = np.concatenate([cells[..., :1], hits], axis=-1)
        parts.append(hits)
    flat = np.concatenate(parts, axis=-1)
    return flat.reshape(flat.shape[0], -1).astype(np.float64)


class Evidence:
    """The evidence of a fleet, pane by pane, from the first one that begins at `begins`."""

    def __init__(self, fleet: Fleet, begins: float) -> None:
        self._fleet = fleet
        self._state = begin(fleet.plan)
        self._start = begins

    def see(self, hits: Floats, rows: float) -> None:
        """Add one pane.

        Parameters
        ----------
        hits
            Of all shares, shape `(size * n_shares,)`.
        rows
            Values of each column in the pane.
        """
        plan = self._fleet.plan
        now = Seen(hits, np.full(len(plan.columns), rows))
        self._state = step(plan, self._state, now, {}, self._start, plan.interval)
        self._start += plan.interval

    def by_level(self) -> dict[Level, Floats]:
        """Return the evidence of each column by severity, shape `(size, n_columns)`."""
        found = evidence_of(self._fleet.plan, self._state)
        return {level: each.reshape(self._fleet.size, -1) for level, each in found.items()}
