"""The mean time between false alarms, over a thousand simulated months of 5-minute panes.

Three nulls: nothing changed; and, the hardest that may not alarm, every column moved by exactly
what a severity tolerates. Every batch of months has a baseline of its own, so that what a baseline
does not know is part of the simulation.

An alarm is counted when the evidence of a column reaches the level of a budget, and again only
after it has fallen to a hundredth of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.report import Bar, Bound, figure, table
from bench.statistics import poisson
from bench.statistics.laws import Floats
from bench.statistics.ours import TOLERANCE, baseline_of
from bench.statistics.parallel import Evidence, fleet_of, hits_of
from bench.statistics.scale import Scale, in_parallel
from bench.statistics.traffic import DAY, LIVE_BEGINS, PANE, Traffic
from modelmonitor.api.v1alpha1.spec import DriftBudget, FalseAlarmInterval
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.drift.drift_bank import RETURN_FACTOR

BUDGETS: Final = (1, 7, 30)
"""Days between false alarms."""
ROWS: Final = 1000
"""In a pane."""
MONTHS: Final = 20
"""Simulated side by side, with one baseline."""
MONTH: Final = 8640
"""Panes."""
PER_DAY: Final = round(DAY / PANE)
UNCHANGED: Final = "unchanged"
NULLS: Final[Mapping[str, Mapping[str, str]]] = {
    UNCHANGED: TOLERANCE,
    "moved-by-warning": {"warning": TOLERANCE["warning"]},
    "moved-by-critical": {"critical": TOLERANCE["critical"]},
}
"""What is simulated, and the tolerances that are watched meanwhile."""
RAMP: Final = 0.2
"""Part of the distribution, at either end, between which a tolerated shift moves mass."""

Alarms = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some months of every null with one baseline."""

    number: int
    panes: int


def simulate(batch: Batch) -> dict[tuple[str, str], Alarms]:
    """Return the alarms by null and severity, shape `(len(BUDGETS),)`."""
    random = np.random.default_rng([13, batch.number])
    traffic = Traffic(name="independent")
    profile = baseline_of(random, traffic)
    found: dict[tuple[str, str], Alarms] = {}
    for null in NULLS:
        counted = _simulate(random, traffic, profile, null, batch.panes)
        found |= {(null, level): counter.alarms for level, counter in counted.items()}
    return found


def _simulate(
    random: np.random.Generator, traffic: Traffic, profile: Profile, null: str, panes: int
) -> dict[str, "Onsets"]:
    tolerance = NULLS[null]
    moved = 0.0 if null == UNCHANGED else float(next(iter(tolerance.values())))
    longest = f"{24 * max(BUDGETS)}h"
    budget = DriftBudget(false_alarm_interval=FalseAlarmInterval(warning=longest, critical=longest))
    evidence = Evidence(fleet_of(profile, MONTHS, PANE, budget, tolerance), LIVE_BEGINS)
    cells = shifted_cells(traffic, profile, moved)
    counters = {name.capitalize(): Onsets(len(profile.columns)) for name in tolerance}
    for begun in range(0, panes, PER_DAY):
        size = (min(PER_DAY, panes - begun), MONTHS)
        counts = [random.multinomial(ROWS, each, size=size) for each in cells]
        for hits in hits_of(profile, counts):
            evidence.see(hits, float(ROWS))
            for level, found in evidence.by_level().items():
                counters[level.value].see(found)
    return counters


class Onsets:
    """Counts how often evidence reaches the levels of several budgets."""

    def __init__(self, columns: int) -> None:
        self._levels = columns * PER_DAY * np.array(BUDGETS, np.float64)[:, None, None]
        self._firing: NDArray[np.bool_] = np.zeros((len(BUDGETS), MONTHS, columns), bool)
        self.alarms: Alarms = np.zeros(len(BUDGETS), np.int64)

    def see(self, evidence: Floats) -> None:
        """Add one pane; `evidence` has the shape `(MONTHS, n_columns)`."""
        if not self._firing.any() and evidence.max() < self._levels.min():
            return
        reached = evidence >= self._levels
        self.alarms += (reached & ~self._firing).sum(axis=(1, 2))
        self._firing = (self._firing & (evidence > self._levels / RETURN_FACTOR)) | reached


def shifted_cells(traffic: Traffic, profile: Profile, moved: float) -> list[Floats]:
    """Return the probabilities of the cells of each column, after as large a shift as given.

    Of numbers, every cumulative share between the outer fifths is smaller by `moved`; of
    categories, that much goes from the most frequent one to the next.
    """
    found = []
    for law, column in zip(traffic.laws, profile.columns, strict=True):
        cells = law.cells(column, np.zeros(1))[0]
        if column.kind.ordered:
            below = np.cumsum(cells)
            ends = np.clip(below / RAMP, 0, 1) * np.clip((1 - below) / RAMP, 0, 1)
            cells = np.diff(below - moved * ends, prepend=0.0)
        else:
            cells = cells + moved * (np.eye(cells.size)[1] - np.eye(cells.size)[0])
        cells = np.maximum(cells, 0.0)
        found.append(cells / cells.sum())
    return found


def measure(scale: Scale) -> Iterator[Bar]:
    """Yield one bar for each null, severity and budget."""
    number = max(1, scale.months // MONTHS)
    panes = MONTH // 24 if scale.quick else MONTH
    batches = [Batch(number=place, panes=panes) for place in range(number)]
    alarms: dict[tuple[str, str], Alarms] = {}
    for _, found in in_parallel(scale, simulate, batches, "mean time between false alarms"):
        for key, one in found.items():
            alarms[key] = alarms.get(key, np.zeros(len(BUDGETS), np.int64)) + one
    days = number * MONTHS * panes / PER_DAY
    bars = [
        bar(f"arl_{null}_{level}_{budget}d".lower(), int(events), days, budget)
        for (null, level), counted in sorted(alarms.items())
        for budget, events in zip(BUDGETS, counted, strict=True)
    ]
    lines = [
        (null, level, *(str(each) for each in counted)) for (null, level), counted in alarms.items()
    ]
    print(
        table(
            f"alarms in {days / 30:g} months of 5-minute panes",
            ["null", "severity", *(f"{budget} d declared" for budget in BUDGETS)],
            lines,
        ),
        flush=True,
    )
    yield from bars


def bar(name: str, events: int, days: float, budget: float) -> Bar:
    """Return the measure of one budget: the exact lower bound of the mean time, in days."""
    least = days / poisson.most(events)
    mean = f"mean={figure(days / events)}d" if events else f"mean>{figure(days)}d"
    return Bar(
        name=name,
        ours=least,
        unit="d",
        bound=Bound(of="ours", operator=">=", limit=budget),
        notes=(f"alarms={events}", f"months={days / 30:g}", mean, "ours=poisson95"),
    )
