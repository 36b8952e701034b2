"""The status: observations of one pass, put together and compared with what was written before.

The caller brings what it found out (target, collectors, baseline, readiness); everything that can
be derived from the metrics is derived here, so that the parts of a status never contradict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.conditions import (
    AlertingReason,
    ConditionType,
    Documented,
    MetricsReason,
    SuspendedReason,
    VerdictReason,
)
from modelmonitor.api.v1alpha1.metrics import Metric, NoDataPolicy
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.api.v1alpha1.status import (
    AlertState,
    BaselineStatus,
    CollectionStatus,
    CollectorCounts,
    Condition,
    ConditionStatus,
    InjectionStatus,
    MetricState,
    MetricStatus,
    ModelMonitorStatus,
    RestartStatus,
    RetrainingStatus,
)
from modelmonitor.core.acting.alert import ALERTING, AlertRecord
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.times import format_time

MAX_MESSAGE: Final = 1024
NAMED_IN_MESSAGE: Final = 3
"""Metrics that a condition's message spells out."""


@dataclass(frozen=True, slots=True)
class ConditionDraft:
    """A condition without its times; `compose` keeps the transition time where nothing changed."""

    type: ConditionType
    status: ConditionStatus
    reason: Documented
    message: str


@dataclass(frozen=True, slots=True)
class JudgedMetric:
    """One declared metric with its last verdict and alert record, None before the first."""

    metric: Metric
    verdict: Verdict | None
    record: AlertRecord | None

    @property
    def state(self) -> MetricState:
        """The alert state; Unknown before the first verdict."""
        return MetricState.UNKNOWN if self.record is None else self.record.state


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that one pass found out."""

    generation: int
    suspended: bool
    drafts: Sequence[ConditionDraft]
    """Ready, TargetResolved, CollectorsReady, BaselineReady, RetrainingActive; Reconciling and
    Stalled only while True; MetricsAvailable where the caller knows better than the verdicts."""
    metrics: Sequence[JudgedMetric]
    now: float
    collectors: CollectorCounts | None = None
    baseline: BaselineStatus | None = None
    revision: str = ""
    evaluated_at: float | None = None
    """End of the last judged tick, seconds since the epoch."""
    coverage: float | None = None
    collection: CollectionStatus | None = None
    injection: InjectionStatus | None = None
    restart: RestartStatus | None = None
    retraining: RetrainingStatus | None = None


def compose(previous: ModelMonitorStatus, seen: Observations) -> ModelMonitorStatus:
    """Return the status of this pass; condition times carry over from the previous one."""
    metrics = [] if seen.suspended else list(seen.metrics)
    derived = [
        _suspended(suspended=seen.suspended),
        _alerting(metrics, suspended=seen.suspended),
        _metrics_available(metrics, suspended=seen.suspended),
    ]
    given = {draft.type for draft in seen.drafts}
    drafts = [*seen.drafts, *(draft for draft in derived if draft.type not in given)]
    return ModelMonitorStatus(
        observed_generation=seen.generation,
        conditions=_conditions(previous.conditions, drafts, seen),
        alert_state=alert_state(metrics, suspended=seen.suspended),
        summary=summary(metrics) if metrics else None,
        worst=worst(metrics),
        revision=seen.revision or None,
        evaluated_at=None if seen.evaluated_at is None else format_time(seen.evaluated_at),
        coverage=None if seen.coverage is None else format_share(seen.coverage),
        collectors=seen.collectors,
        collection=seen.collection,
        baseline=seen.baseline,
        metrics=[_metric_status(judged, seen.now) for judged in metrics],
        injection=seen.injection,
        restart=seen.restart,
        retraining=seen.retraining,
    )


def same_meaning(left: ModelMonitorStatus, right: ModelMonitorStatus) -> bool:
    """Return whether two statuses say the same, but for values that move at every tick."""
    return _meaning(left) == _meaning(right)


def _meaning(status: ModelMonitorStatus) -> ModelMonitorStatus:
    """Return the status without its moving parts: values, sample counts, messages with numbers."""
    quiet = [
        metric.model_copy(update={"value": None, "samples": None, "message": ""})
        for metric in status.metrics
    ]
    conditions = [
        condition.model_copy(update={"message": ""})
        if condition.type in {ConditionType.ALERTING, ConditionType.METRICS_AVAILABLE}
        else condition
        for condition in status.conditions
    ]
    return status.model_copy(
        update={
            "metrics": quiet,
            "conditions": conditions,
            "evaluated_at": None,
            "coverage": None,
            "collection": None,
        }
    )


def alert_state(metrics: Sequence[JudgedMetric], *, suspended: bool) -> AlertState:
    """Return the monitor's state at a glance: the first that holds, worst first."""
    if suspended:
        return AlertState.SUSPENDED
    counted = [judged for judged in metrics if not _left_out(judged)]
    alerting = [judged for judged in counted if judged.state in ALERTING]
    severities = {judged.record.severity for judged in alerting if judged.record is not None}
    states = {judged.state for judged in counted}
    if Severity.CRITICAL in severities:
        return AlertState.CRITICAL
    if alerting:
        return AlertState.WARNING
    if not states or states == {MetricState.NO_DATA}:
        return AlertState.NO_DATA if states else AlertState.UNKNOWN
    if states & {MetricState.UNKNOWN, MetricState.NO_DATA}:
        return AlertState.UNKNOWN
    if MetricState.PENDING in states:
        return AlertState.PENDING
    return AlertState.OK


def summary(metrics: Sequence[JudgedMetric]) -> str:
    """Return the number of metrics in each state, for example `6 ok, 1 unknown, 1 firing`."""
    words: Mapping[MetricState, str] = {
        MetricState.OK: "ok",
        MetricState.PENDING: "pending",
        MetricState.UNKNOWN: "unknown",
        MetricState.NO_DATA: "no data",
        MetricState.RECOVERING: "recovering",
        MetricState.FIRING: "firing",
    }
    counts = {state: sum(judged.state is state for judged in metrics) for state in words}
    return ", ".join(f"{count} {words[state]}" for state, count in counts.items() if count)


def worst(metrics: Sequence[JudgedMetric]) -> str | None:
    """Return the alerting metric with the highest severity, longest firing first."""
    alerting = _alerting_first(metrics)
    return alerting[0].metric.name if alerting else None


def _alerting_first(metrics: Sequence[JudgedMetric]) -> list[JudgedMetric]:
    def rank(judged: JudgedMetric) -> tuple[bool, float, str]:
        record = judged.record
        critical = record is not None and record.severity is Severity.CRITICAL
        return (not critical, 0.0 if record is None else record.since, judged.metric.name)

    return sorted((judged for judged in metrics if judged.state in ALERTING), key=rank)


def _left_out(judged: JudgedMetric) -> bool:
    """Return whether the metric leaves the roll-up: no data and noDataPolicy Ignore."""
    return (
        judged.metric.no_data_policy is NoDataPolicy.IGNORE and judged.state is MetricState.NO_DATA
    )


def _suspended(*, suspended: bool) -> ConditionDraft:
    if suspended:
        return ConditionDraft(
            ConditionType.SUSPENDED,
            ConditionStatus.TRUE,
            SuspendedReason.SUSPENDED,
            "spec.suspend is true: nothing is collected, judged or started",
        )
    return ConditionDraft(
        ConditionType.SUSPENDED,
        ConditionStatus.FALSE,
        SuspendedReason.NOT_SUSPENDED,
        "spec.suspend is false",
    )


def _alerting(metrics: Sequence[JudgedMetric], *, suspended: bool) -> ConditionDraft:
    def draft(status: ConditionStatus, reason: AlertingReason, message: str) -> ConditionDraft:
        return ConditionDraft(ConditionType.ALERTING, status, reason, message)

    if suspended:
        return draft(
            ConditionStatus.UNKNOWN, AlertingReason.SUSPENDED, AlertingReason.SUSPENDED.sentence
        )
    if not any(judged.verdict is not None for judged in metrics):
        return draft(
            ConditionStatus.UNKNOWN,
            AlertingReason.NOT_EVALUATED,
            AlertingReason.NOT_EVALUATED.sentence,
        )
    alerting = _alerting_first(metrics)
    if alerting:
        return draft(ConditionStatus.TRUE, _alerting_reason(alerting), _name_them(alerting))
    unclear = [
        judged
        for judged in metrics
        if judged.state in {MetricState.UNKNOWN, MetricState.NO_DATA} and not _left_out(judged)
    ]
    if unclear:
        return draft(ConditionStatus.UNKNOWN, AlertingReason.UNKNOWN, _name_them(unclear))
    pending = [judged for judged in metrics if judged.state is MetricState.PENDING]
    if pending:
        return draft(ConditionStatus.FALSE, AlertingReason.PENDING, _name_them(pending))
    return draft(ConditionStatus.FALSE, AlertingReason.NO_BREACH, f"no breach: {summary(metrics)}")


def _alerting_reason(alerting: Sequence[JudgedMetric]) -> AlertingReason:
    if all(judged.state is MetricState.RECOVERING for judged in alerting):
        return AlertingReason.RECOVERING
    if all(judged.record is not None and judged.record.no_data for judged in alerting):
        return AlertingReason.NO_DATA
    return AlertingReason.THRESHOLD_BREACHED


def _name_them(metrics: Sequence[JudgedMetric]) -> str:
    parts = [
        f"{judged.metric.name}: {judged.verdict.message if judged.verdict else 'not judged yet'}"
        for judged in metrics[:NAMED_IN_MESSAGE]
    ]
    rest = len(metrics) - len(parts)
    return _cut("; ".join(parts) + (f"; and {rest} more" if rest else ""))


def _metrics_available(metrics: Sequence[JudgedMetric], *, suspended: bool) -> ConditionDraft:
    def draft(status: ConditionStatus, reason: MetricsReason, message: str) -> ConditionDraft:
        return ConditionDraft(ConditionType.METRICS_AVAILABLE, status, reason, message)

    if suspended:
        return draft(
            ConditionStatus.UNKNOWN, MetricsReason.SUSPENDED, MetricsReason.SUSPENDED.sentence
        )
    verdicts = [judged.verdict for judged in metrics if judged.verdict is not None]
    if not verdicts:
        return draft(
            ConditionStatus.UNKNOWN, MetricsReason.WARMING_UP, "no interval has been judged yet"
        )
    silent = [verdict for verdict in verdicts if verdict.no_data]
    if len(silent) == len(verdicts):
        return draft(ConditionStatus.FALSE, _shared_reason(silent), _cut(silent[0].message))
    if silent:
        names = ", ".join(verdict.metric for verdict in silent[:NAMED_IN_MESSAGE])
        return draft(
            ConditionStatus.FALSE,
            _shared_reason(silent),
            _cut(f"no data for {names}: {silent[0].message}"),
        )
    return draft(
        ConditionStatus.TRUE, MetricsReason.DATA_RECEIVED, f"{len(verdicts)} metrics have data"
    )


def _shared_reason(verdicts: Sequence[Verdict]) -> MetricsReason:
    """Return the reason that all verdicts share, if the condition has it, else NoData."""
    reasons = {verdict.reason for verdict in verdicts}
    known = [reason for reason in MetricsReason if {reason.value} == reasons]
    return known[0] if known else MetricsReason.NO_DATA


def _conditions(
    previous: Sequence[Condition], drafts: Sequence[ConditionDraft], seen: Observations
) -> list[Condition]:
    before = {condition.type: condition for condition in previous}
    order = list(ConditionType)
    return [
        _condition(before.get(draft.type.value), draft, seen)
        for draft in sorted(drafts, key=lambda draft: order.index(draft.type))
    ]


def _condition(before: Condition | None, draft: ConditionDraft, seen: Observations) -> Condition:
    return Condition(
        type=draft.type.value,
        status=draft.status,
        observed_generation=seen.generation,
        last_transition_time=(
            before.last_transition_time
            if before is not None and before.status is draft.status
            else format_time(seen.now)
        ),
        reason=draft.reason.value,
        message=_cut(draft.message),
    )


def _metric_status(judged: JudgedMetric, now: float) -> MetricStatus:
    verdict, record = judged.verdict, judged.record
    if verdict is None:
        return MetricStatus(
            name=judged.metric.name,
            type=judged.metric.type,
            state=judged.state,
            since=format_time(now if record is None else record.since),
            reason=VerdictReason.NOT_EVALUATED.value,
            message=VerdictReason.NOT_EVALUATED.sentence,
        )
    return MetricStatus(
        name=judged.metric.name,
        type=judged.metric.type,
        state=judged.state,
        severity=None if record is None else record.severity,
        value=None if verdict.value is None else format_value(verdict.value),
        threshold=verdict.threshold[:64] or None,
        samples=verdict.samples,
        since=format_time(now if record is None else record.since),
        reason=verdict.reason,
        message=_cut(verdict.message),
    )


def format_value(value: float) -> str:
    """Return a number with four significant digits, without exponent or trailing zeros."""
    if value == 0:
        return "0"
    text = f"{value:.4g}"
    if "e" in text:
        text = f"{float(text):.9f}" if abs(value) < 1 else f"{float(text):.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_share(share: float) -> str:
    """Return a share, 0 to 1, with three decimals, rounded down: what is below a floor stays so."""
    return f"{math.floor(1000 * share + 1e-9) / 1000:.3f}"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
