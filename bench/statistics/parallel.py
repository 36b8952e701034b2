"""Many monitors at once: the columns of one plan, repeated, so that a step of all is one product.

A thousand months of panes through the controller's own path would take a day. Here the plan is the
shipped one, of a profile whose columns are repeated once for every simulated monitor, and so are
the shipped detectors; only the bookkeeping around them (ticks, panes, checkpoints) is left out.
`tests/bench` holds that both ways give the same evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np

from bench.statistics.laws import Floats, Ints
from bench.statistics.ours import TOLERANCE
from modelmonitor.api.v1alpha1.metric_options import DriftOptions
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.drift_plan import ENVELOPE, Detector, DriftPlan, plan_of
from modelmonitor.core.profile import Profile
from modelmonitor.core.statistics.edetector import State, advance, by_column, nothing_seen
from modelmonitor.core.statistics.shares import share_counts
from modelmonitor.core.verdict import Level


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

    @property
    def columns(self) -> int:
        """Columns of one monitor."""
        return len(self.plan.columns) // self.size


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
    found: Floats = flat.reshape(flat.shape[0], -1).astype(np.float64)
    return found


class Evidence:
    """The evidence of a fleet, pane by pane."""

    def __init__(self, fleet: Fleet) -> None:
        self._plan = fleet.plan
        self._shape = (fleet.size, fleet.columns)
        self._states: dict[str, State] = {
            each.name: nothing_seen(each.sides) for each in fleet.plan.detectors
        }

    def see(self, hits: Floats, rows: float, interval: float) -> None:
        """Add one pane.

        Parameters
        ----------
        hits
            Of all shares, shape `(size * n_shares,)`.
        rows
            Values of each column in the pane.
        interval
            Seconds of the pane.
        """
        plan = self._plan
        for each in plan.detectors:
            phi = _phi(each, plan, rows, interval)
            self._states[each.name] = advance(
                self._states[each.name],
                each.sides,
                hits / plan.spread(phi),
                plan.spread(rows / phi),
                plan.ceiling,
            )

    def by_level(self) -> dict[Level, Floats]:
        """Return the evidence of each column by severity, shape `(size, n_columns)`."""
        plan = self._plan
        means = {
            each.name: by_column(self._states[each.name], each.sides) for each in plan.detectors
        }
        found = {level: means[level.value] for level in plan.tolerance}
        if plan.severest is not None and ENVELOPE in means:
            found[plan.severest] = (found[plan.severest] + means[ENVELOPE]) / 2
        return {level: each.reshape(self._shape) for level, each in found.items()}


def _phi(detector: Detector, plan: DriftPlan, rows: float, interval: float) -> Floats:
    """Return phi of each column where all have as many values."""
    if not detector.paced or plan.pace <= 0:
        return detector.phi
    denser = max(1.0, rows / interval / plan.pace)
    found: Floats = 1 + (detector.phi - 1) * denser
    return found
