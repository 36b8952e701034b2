"""Ours, as the controller runs it: profile, panes, ticks, evaluation."""

import uuid
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.statistics.laws import Ints
from bench.statistics.traffic import (
    BASELINE_BEGINS,
    BASELINE_DAYS,
    BASELINE_ROWS,
    DAY,
    PANE,
    Traffic,
)
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Profile, digest
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.drift.evidence import Evidence
from modelmonitor.core.judging.evaluation import evaluate, lookback
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.wire.pane import ColumnCounts, Pane, RequestCounts

REVISION: Final = "one"
TOLERANCE: Final = {"warning": "0.02", "critical": "0.05"}
"""As in every example of the documentation."""


def spec_of(interval: float, seasonality: str = "None", **drift: Any) -> ModelMonitorSpec:
    """Return a monitor with one Drift metric over all inputs and the shipped defaults."""
    baseline = {"type": "ConfigMap", "configMap": {"name": "baseline"}}
    if seasonality != "None":
        baseline["seasonality"] = seasonality
    return ModelMonitorSpec.model_validate(
        {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
            "collection": {"ports": [{"name": "http"}]},
            "baseline": baseline,
            "interval": f"{interval:.0f}s",
            "metrics": [
                {
                    "name": "inputs",
                    "type": "Drift",
                    "drift": {"columns": {"group": "Inputs"}, "tolerance": TOLERANCE},
                }
            ],
            **({"drift": drift} if drift else {}),
        }
    )


def baseline_of(
    random: np.random.Generator, traffic: Traffic, rows: int = BASELINE_ROWS
) -> Profile:
    """Return the profile of rows that span 30 days of some traffic."""
    panes = round(BASELINE_DAYS * DAY / PANE)
    table, times = traffic.table(random, rows, BASELINE_BEGINS, panes)
    return profile_of(table, traffic, times)


def profile_of(table: dict[str, Any], traffic: Traffic, times: Any) -> Profile:
    """Return the profile of a table."""
    codes = [law.name for law in traffic.laws if law.name.startswith("category")]
    return build_profile(table, categorical=codes, times=times)


def counts_of(column: ColumnProfile, cells: Ints) -> ColumnCounts:
    """Return what a collector would send of one column's counts."""
    rows = int(cells.sum())
    numeric = column.kind is ColumnKind.NUMERIC
    return ColumnCounts(
        rows=rows,
        below=int(cells[0]) if numeric else 0,
        above=int(cells[-1]) if numeric else 0,
        unknown=0 if numeric else int(cells[-1]),
        cells=cells.tolist(),
    )


@dataclass
class Watch:
    """One monitor over time.

    Attributes
    ----------
    spec
        What is judged.
    profile
        The baseline.
    begins
        Start of the first tick, seconds since the epoch.
    interval
        Seconds of a tick.
    """

    spec: ModelMonitorSpec
    profile: Profile
    begins: float
    interval: float
    evidence: Evidence | None = None
    ticks: deque[Tick] = field(init=False)
    number: int = 0

    def __post_init__(self) -> None:
        self.digest = digest(self.profile)
        self.boot = uuid.UUID(int=0).hex
        self.ticks = deque(maxlen=max(1, round(lookback(self.spec) / self.interval)))

    def see(self, replicas: Sequence[Sequence[Ints | ColumnCounts]]) -> Verdict:
        """Return the verdict after one more tick.

        Parameters
        ----------
        replicas
            Of every replica, for each column, the counts in cells, shape `(n_cells,)`, of values
            that are never equal; or all that a collector would send.
        """
        start = self.begins + self.number * self.interval
        self.number += 1
        panes = tuple(self._pane(start, place, cells) for place, cells in enumerate(replicas))
        self.ticks.append(
            Tick(
                start=start,
                interval=self.interval,
                panes=panes,
                expected=len(panes),
                answered=len(panes),
                replicas_wanted=len(panes),
                judged_revision=REVISION,
            )
        )
        found = evaluate(self.spec, self.profile, self.digest, list(self.ticks), self.evidence)
        self.evidence = found.evidence
        return found.verdicts[0]

    def _pane(self, start: float, replica: int, cells: Iterable[Ints | ColumnCounts]) -> Pane:
        columns = {
            column.name: each if isinstance(each, ColumnCounts) else counts_of(column, each)
            for column, each in zip(self.profile.columns, cells, strict=True)
        }
        rows = max(each.rows for each in columns.values())
        return Pane(
            monitorUID="monitor",
            podUID=f"pod-{replica}",
            bootID=f"{self.boot}-{replica}",
            seq=self.number,
            start=start,
            end=start + self.interval,
            interval=self.interval,
            revision=REVISION,
            baselineDigest=self.digest,
            forwardedBytes=1000,
            copiedBytes=1000,
            requests=RequestCounts(seen=rows, sampled=rows, decoded=rows, codes={"200": rows}),
            columns=columns,
        )
