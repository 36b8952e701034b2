"""The alert state machine: one metric's verdicts over time become a state that people can act on.

States: OK → Pending (a breach that has not lasted long enough) → Firing → Recovering (safe, but not
for long enough) → OK; Unknown and NoData where nothing can be said. The machine is a pure function
of the last record and one verdict; the time of a verdict is the end of its tick, never a clock.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.metrics import Metric, NoDataPolicy
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.api.v1alpha1.status import MetricState
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict

UNKNOWN_AFTER_TICKS: Final = 3
"""Ticks without a verdict after which a metric that does not fire becomes Unknown or NoData."""

ALERTING: Final = frozenset({MetricState.FIRING, MetricState.RECOVERING})
"""States in which the alert is on."""


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that the machine remembers of one metric; times in seconds since the epoch."""

    metric: str
    state: MetricState
    severity: Severity | None = None
    """Severity that fires, or of the breach that is pending."""
    since: float
    """When the state was entered."""
    breach_since: float | None = None
    """Start of the unbroken run of breaches of any severity."""
    critical_since: float | None = None
    """Start of the unbroken run of critical breaches."""
    calmer_since: float | None = None
    """Critical alert: since when the breach has only been a warning."""
    safe_since: float | None = None
    """Alert: since when the value has been on the safe side of `recoverAt`."""
    missing_since: float | None = None
    """Start of the unbroken run of ticks without any data."""
    unknown_ticks: int = 0
    """Length of the present run of Unknown verdicts."""
    no_data: bool = False
    """The alert fires because there is no data (noDataPolicy Alert)."""


class Change(StrEnum):
    """What a step of the machine means to people."""

    FIRED = "Fired"
    ESCALATED = "Escalated"
    EASED = "Eased"
    RESOLVED = "Resolved"


@dataclass(frozen=True, slots=True)
class Timing:
    """The durations of a metric in seconds."""

    pending_for: float
    keep_firing_for: float

    @classmethod
    def of(cls, metric: Metric) -> "Timing":
        """Return the durations of a metric; a Drift metric, without threshold, has none."""
        if metric.threshold is None:
            return cls(0.0, 0.0)
        return cls(
            parse_duration(metric.threshold.pending_for),
            parse_duration(metric.threshold.keep_firing_for),
        )


def advance(
    record: AlertRecord | None, verdict: Verdict, metric: Metric, now: float
) -> AlertRecord:
    """Return the record after one verdict.

    Parameters
    ----------
    record
        The record so far; None before the first verdict.
    verdict
        The judgement of the tick.
    metric
        The metric's declaration: durations and noDataPolicy.
    now
        End of the tick in seconds since the epoch; not before the last one.
    """
    before = record or restart(
        AlertRecord(metric=metric.name, state=MetricState.OK, since=now), now
    )
    timing = Timing.of(metric)
    if verdict.outcome is Outcome.BREACH:
        after = _breach(before, verdict, timing, now)
    elif verdict.outcome is Outcome.NO_BREACH:
        after = _no_breach(before, verdict, timing, now)
    else:
        after = _unknown(before, verdict, metric, timing, now)
    return after if after.state is before.state else _entered(after, now)


def change(before: AlertRecord | None, after: AlertRecord) -> Change | None:
    """Return what the step from one record to the next means to people, None for nothing."""
    was = before is not None and before.state in ALERTING
    is_on = after.state in ALERTING
    if is_on and not was:
        return Change.FIRED
    if was and not is_on:
        return Change.RESOLVED
    if before is None or not is_on or before.severity is after.severity:
        return None
    return Change.ESCALATED if after.severity is Severity.CRITICAL else Change.EASED


def restart(record: AlertRecord, now: float) -> AlertRecord:
    """Return the record of a metric that has to be judged anew, as after a new baseline."""
    since = record.since if record.state is MetricState.UNKNOWN else now
    return AlertRecord(
        metric=record.metric,
        state=MetricState.UNKNOWN,
        since=since,
        unknown_ticks=UNKNOWN_AFTER_TICKS,
    )


def _run_start(since: float | None, now: float) -> float:
    """Return when an unbroken run began: the remembered time, or now for a new run."""
    return now if since is None else since


def _entered(record: AlertRecord, now: float) -> AlertRecord:
    return msgspec.structs.replace(record, since=now)


def _breach(before: AlertRecord, verdict: Verdict, timing: Timing, now: float) -> AlertRecord:
    critical = verdict.level is Level.CRITICAL
    breach_since = _run_start(before.breach_since, now)
    critical_since = _run_start(before.critical_since, now) if critical else None
    was_alerting = before.state in ALERTING and not before.no_data
    was_critical = was_alerting and before.severity is Severity.CRITICAL
    calms_down = was_critical and not critical
    calmer_since = _run_start(before.calmer_since, now) if calms_down else None
    if critical_since is not None and now - critical_since >= timing.pending_for:
        severity: Severity | None = Severity.CRITICAL
    elif was_critical and (calmer_since is None or now - calmer_since < timing.keep_firing_for):
        severity = Severity.CRITICAL
    elif was_alerting or now - breach_since >= timing.pending_for:
        severity = Severity.WARNING
    else:
        severity = None
    pending = Severity.CRITICAL if critical else Severity.WARNING
    return msgspec.structs.replace(
        before,
        state=MetricState.PENDING if severity is None else MetricState.FIRING,
        severity=severity or pending,
        breach_since=breach_since,
        critical_since=critical_since,
        calmer_since=calmer_since if severity is Severity.CRITICAL else None,
        safe_since=None,
        missing_since=None,
        unknown_ticks=0,
        no_data=False,
    )


def _no_breach(before: AlertRecord, verdict: Verdict, timing: Timing, now: float) -> AlertRecord:
    calm = msgspec.structs.replace(
        before,
        breach_since=None,
        critical_since=None,
        calmer_since=None,
        safe_since=None,
        missing_since=None,
        unknown_ticks=0,
        no_data=False,
    )
    if before.state not in ALERTING or before.no_data:
        return msgspec.structs.replace(calm, state=MetricState.OK, severity=None)
    if not verdict.recovered:
        return msgspec.structs.replace(calm, state=MetricState.FIRING)
    safe_since = _run_start(before.safe_since, now)
    if now - safe_since >= timing.keep_firing_for:
        return msgspec.structs.replace(calm, state=MetricState.OK, severity=None)
    return msgspec.structs.replace(calm, state=MetricState.RECOVERING, safe_since=safe_since)


def _unknown(
    before: AlertRecord, verdict: Verdict, metric: Metric, timing: Timing, now: float
) -> AlertRecord:
    missing_since = _run_start(before.missing_since, now) if verdict.no_data else None
    held = msgspec.structs.replace(
        before, missing_since=missing_since, unknown_ticks=before.unknown_ticks + 1, safe_since=None
    )
    fires_without_data = (
        metric.no_data_policy is NoDataPolicy.ALERT
        and missing_since is not None
        and now - missing_since >= timing.pending_for
    )
    if before.state in ALERTING and not before.no_data:
        if metric.no_data_policy is NoDataPolicy.IGNORE:
            return _given_up(held, verdict)
        return msgspec.structs.replace(held, state=MetricState.FIRING)
    if fires_without_data:
        return msgspec.structs.replace(
            held, state=MetricState.FIRING, severity=severity_of_silence(metric), no_data=True
        )
    return _given_up(held, verdict)


def _given_up(held: AlertRecord, verdict: Verdict) -> AlertRecord:
    """Return Unknown or NoData once the run of unknown ticks is long enough."""
    if held.unknown_ticks < UNKNOWN_AFTER_TICKS and not held.no_data:
        return held
    return msgspec.structs.replace(
        held,
        state=MetricState.NO_DATA if verdict.no_data else MetricState.UNKNOWN,
        severity=None,
        breach_since=None,
        critical_since=None,
        calmer_since=None,
        no_data=False,
    )


def severity_of_silence(metric: Metric) -> Severity:
    """Return the severity with which missing data fires: the worst one that the metric declares."""
    threshold, drift = metric.threshold, metric.drift
    critical = (
        threshold.critical or threshold.critical_range
        if threshold is not None
        else drift is not None and drift.tolerance.critical
    )
    return Severity.CRITICAL if critical else Severity.WARNING
