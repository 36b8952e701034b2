"""One metric over a replayed history: its values and states tick by tick, and its alarms."""

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec, Severity
from modelmonitor.api.v1alpha1.status import MetricState
from modelmonitor.api.v1alpha1.thresholds import LESS_OPERATORS
from modelmonitor.core.acting.alert import AlertRecord, Change, change
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.drift.detection import column_evidence
from modelmonitor.core.drift.drift_plan import DriftPlan, plan_of, watched
from modelmonitor.core.drift.evidence import Evidence
from modelmonitor.core.judging.verdict import ColumnFinding, Level, Outcome, Verdict

WORST_COLUMNS: Final = 3
"""Columns that an alarm names."""

Floats = NDArray[np.float64]


class Phase(IntEnum):
    """Where an alert stands at a tick, ordered by how much it disturbs."""

    UNKNOWN = 0
    CALM = 1
    PENDING = 2
    WARNING = 3
    CRITICAL = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One alert from its beginning to its end.

    Attributes
    ----------
    metric
        Name of the metric.
    began
        End of the tick with which it began to fire, seconds since the epoch.
    ended
        End of the tick with which it was over; None if it was not.
    severity
        The worst one that it had.
    columns
        Columns behind it, worst first.
    value
        The worst value, in the metric's unit; None where it fired because nothing was measured.
    message
        What the verdict said when it began, or became critical.
    """

    metric: str
    began: float
    ended: float | None = None
    severity: Severity
    columns: tuple[ColumnFinding, ...] = ()
    value: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Track:
    """What one metric did over a history; arrays hold one entry per judged tick.

    Attributes
    ----------
    metric
        As declared.
    ends
        End of each tick, seconds since the epoch, shape `(n_ticks,)`. Of a long silence only the
        first ticks are there.
    values
        In the metric's unit, NaN where nothing was measured, shape `(n_ticks,)`.
    phases
        A `Phase` per tick, shape `(n_ticks,)`.
    judged
        Ticks with a verdict other than Unknown.
    skipped
        Phase → ticks of long silences with it, which are in no array.
    reasons
        Reason → Unknown ticks with it, those of long silences included.
    examples
        Reason → the last message that an Unknown verdict gave with it.
    alarms
        Oldest first.
    strength
        Of Drift: severity → largest evidence of any column over what alarms (1: it alarms), shape
        `(n_ticks,)`.
    moved
        Of Drift: column → its moved share, shape `(n_ticks,)`, of the columns that moved most,
        worst first; 0 where it did not stand out.
    """

    metric: Metric
    ends: Floats
    values: Floats
    phases: NDArray[np.int8]
    judged: int
    skipped: Mapping[Phase, int]
    reasons: Mapping[str, int]
    examples: Mapping[str, str]
    alarms: tuple[Alarm, ...]
    strength: Mapping[Level, Floats]
    moved: Mapping[str, Floats]

    @property
    def ticks(self) -> int:
        """Ticks of the history."""
        return int(self.ends.size) + sum(self.skipped.values())

    def share(self, *phases: Phase) -> float:
        """Return the share of all ticks that were in one of some phases, 0 to 1."""
        wanted = np.isin(self.phases, [int(phase) for phase in phases])
        silent = sum(self.skipped.get(phase, 0) for phase in phases)
        return (int(wanted.sum()) + silent) / max(1, self.ticks)


class TrackKeeper:
    """Takes down what one metric does, tick by tick.

    Parameters
    ----------
    metric
        As declared.
    spec
        Of the monitor.
    profile
        The baseline.
    interval
        Seconds.
    """

    def __init__(
        self, metric: Metric, spec: ModelMonitorSpec, profile: Profile, interval: float
    ) -> None:
        self.metric = metric
        self._lower = metric.threshold is not None and metric.threshold.operator in LESS_OPERATORS
        self._ends = array("d")
        self._values = array("d")
        self._phases = array("b")
        self._judged = 0
        self._skipped: Counter[Phase] = Counter()
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._alarms: list[Alarm] = []
        self._open: Alarm | None = None
        self._reason = ""
        self._gauge = _DriftGauge(metric, spec, profile, interval) if metric.drift else None

    def add(
        self,
        verdict: Verdict,
        before: AlertRecord | None,
        after: AlertRecord,
        end: float,
        evidence: Evidence,
    ) -> None:
        """Take down one tick.

        Parameters
        ----------
        verdict
            On the tick.
        before, after
            The alert's record before and after it.
        end
            End of the tick, seconds since the epoch.
        evidence
            Of all drift metrics, after the tick.
        """
        self._ends.append(end)
        self._values.append(math.nan if verdict.value is None else verdict.value)
        self._phases.append(_phase(after))
        if verdict.outcome is Outcome.UNKNOWN:
            self._reason = verdict.reason
            self._reasons[verdict.reason] += 1
            self._examples[verdict.reason] = verdict.message
        else:
            self._reason = ""
            self._judged += 1
        self._follow(change(before, after), verdict, after, end)
        if self._gauge is not None:
            self._gauge.add(verdict, evidence)

    def skip(self, ticks: int) -> None:
        """Take down ticks of a long silence, all as the last one."""
        self._skipped[Phase(self._phases[-1])] += ticks
        if self._reason:
            self._reasons[self._reason] += ticks
        else:
            self._judged += ticks

    def track(self) -> Track:
        """Return what was taken down so far."""
        running = [] if self._open is None else [self._open]
        gauge = self._gauge
        return Track(
            metric=self.metric,
            ends=np.array(self._ends, np.float64),
            values=np.array(self._values, np.float64),
            phases=np.array(self._phases, np.int8),
            judged=self._judged,
            skipped=dict(self._skipped),
            reasons=dict(self._reasons),
            examples=dict(self._examples),
            alarms=(*self._alarms, *running),
            strength={} if gauge is None else gauge.strength(),
            moved={} if gauge is None else gauge.moved(),
        )

    def _follow(
        self, step: Change | None, verdict: Verdict, after: AlertRecord, end: float
    ) -> None:
        if step is Change.FIRED:
            self._open = Alarm(
                metric=self.metric.name,
                began=end,
                severity=after.severity or Severity.WARNING,
                message=verdict.message,
            )
        if self._open is None:
            return
        if step is Change.ESCALATED:
            self._open = replace(self._open, severity=Severity.CRITICAL, message=verdict.message)
        if verdict.outcome is Outcome.BREACH:
            self._open = replace(
                self._open,
                columns=_worst([*self._open.columns, *verdict.findings]),
                value=self._worse(self._open.value, verdict.value),
            )
        if step is Change.RESOLVED:
            self._alarms.append(replace(self._open, ended=end))
            self._open = None

    def _worse(self, one: float | None, other: float | None) -> float | None:
        known = [value for value in (one, other) if value is not None]
        if not known:
            return None
        return min(known) if self._lower else max(known)


class _DriftGauge:
    """Takes down the evidence of a Drift metric, and how far its columns moved."""

    def __init__(
        self, metric: Metric, spec: ModelMonitorSpec, profile: Profile, interval: float
    ) -> None:
        self._name = metric.name
        self._plan = _plan(metric, spec, profile, interval)
        self._strength = {level: array("d") for level in self._plan.tolerance}
        self._moved: dict[str, dict[int, float]] = {}
        self._ticks = 0

    def add(self, verdict: Verdict, evidence: Evidence) -> None:
        """Take down one tick."""
        known = evidence.metrics.get(self._name)
        found = column_evidence(self._plan, known) if known is not None else {}
        for level, kept in self._strength.items():
            largest = float(found[level].max(initial=0.0)) if level in found else 0.0
            kept.append(largest / self._plan.alarm[level])
        for finding in verdict.findings:
            if finding.value > 0:
                self._moved.setdefault(finding.column, {})[self._ticks] = finding.value
        self._ticks += 1

    def strength(self) -> Mapping[Level, Floats]:
        """Return the evidence over what alarms, by severity."""
        return {level: np.array(kept, np.float64) for level, kept in self._strength.items()}

    def moved(self) -> Mapping[str, Floats]:
        """Return the moved shares of the columns that moved most, worst first."""
        worst = sorted(self._moved, key=lambda name: (-sum(self._moved[name].values()), name))
        found = {}
        for name in worst[:WORST_COLUMNS]:
            shares = np.zeros(self._ticks)
            ticks = self._moved[name]
            shares[np.fromiter(ticks, np.int64, len(ticks))] = list(ticks.values())
            found[name] = shares
        return found


def _plan(metric: Metric, spec: ModelMonitorSpec, profile: Profile, interval: float) -> DriftPlan:
    if metric.drift is None:
        raise ValueError(f"metric {metric.name} is no Drift metric")
    columns = sum(len(watched(profile, each.drift)) for each in spec.metrics if each.drift)
    season = Seasonality.NONE if spec.baseline is None else spec.baseline.seasonality
    return plan_of(profile, metric.drift, spec.drift, interval, columns, season)


def _phase(record: AlertRecord) -> Phase:
    match record.state:
        case MetricState.OK:
            return Phase.CALM
        case MetricState.PENDING:
            return Phase.PENDING
        case MetricState.FIRING | MetricState.RECOVERING:
            critical = record.severity is Severity.CRITICAL
            return Phase.CRITICAL if critical else Phase.WARNING
        case MetricState.UNKNOWN | MetricState.NO_DATA:
            return Phase.UNKNOWN


def _worst(findings: Sequence[ColumnFinding]) -> tuple[ColumnFinding, ...]:
    """Return the worst finding of each column, worst columns first, a few of them."""
    by_column: dict[str, ColumnFinding] = {}
    for finding in findings:
        known = by_column.get(finding.column)
        if known is None or _rank(finding) < _rank(known):
            by_column[finding.column] = finding
    notable = [each for each in by_column.values() if each.value > 0] or list(by_column.values())
    return tuple(sorted(notable, key=_rank)[:WORST_COLUMNS])


def _rank(finding: ColumnFinding) -> tuple[float, float, str]:
    return (-finding.log_evidence, -finding.value, finding.column)
