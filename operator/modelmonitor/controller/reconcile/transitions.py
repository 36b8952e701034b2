"""Events: what changed between the status that was there and the one that was written.

Transitions are read from the two statuses, not from what a pass did, so that a change is announced
by whoever writes it, also after a restart.
"""

from collections.abc import Iterator

from modelmonitor.api.v1alpha1.conditions import ConditionType
from modelmonitor.api.v1alpha1.status import (
    BreakerState,
    Condition,
    ConditionStatus,
    MetricStatus,
    ModelMonitorStatus,
    RestartPhase,
)
from modelmonitor.controller.reconcile.announce import OF_CHANGE, EventReason
from modelmonitor.core.acting.alert import AlertRecord, change

Announcement = tuple[EventReason, str]


def transitions(before: ModelMonitorStatus, after: ModelMonitorStatus) -> Iterator[Announcement]:
    """Yield the events that tell the difference between two statuses."""
    yield from _ready(before, after)
    yield from _baseline(before, after)
    yield from _alerts(before, after)
    yield from _breaker(before, after)
    yield from _restart(before, after)


def condition_of(status: ModelMonitorStatus, kind: ConditionType) -> Condition | None:
    """Return one condition of a status, None if it is not there."""
    return next((each for each in status.conditions if each.type == kind), None)


def _ready(before: ModelMonitorStatus, after: ModelMonitorStatus) -> Iterator[Announcement]:
    was, now = (condition_of(each, ConditionType.READY) for each in (before, after))
    if now is None or (was is not None and (was.status, was.reason) == (now.status, now.reason)):
        return
    if now.status is ConditionStatus.TRUE:
        yield EventReason.READY, now.message
    elif condition_of(after, ConditionType.STALLED) is not None:
        yield EventReason.STALLED, f"{now.reason}: {now.message}"


def _baseline(before: ModelMonitorStatus, after: ModelMonitorStatus) -> Iterator[Announcement]:
    if before.baseline is None or after.baseline is None:
        return
    if before.baseline.digest != after.baseline.digest:
        old, new = before.baseline.digest[:19], after.baseline.digest[:19]
        message = f"{new} takes the place of {old}; evidence starts afresh"
        yield EventReason.BASELINE_CHANGED, message


def _alerts(before: ModelMonitorStatus, after: ModelMonitorStatus) -> Iterator[Announcement]:
    known = {metric.name: metric for metric in before.metrics}
    for metric in after.metrics:
        was = known.get(metric.name)
        what = change(None if was is None else _record(was), _record(metric))
        if what is not None:
            severity = f" ({metric.severity.value})" if metric.severity is not None else ""
            yield OF_CHANGE[what], f"{metric.name}{severity}: {metric.message}"


def _record(metric: MetricStatus) -> AlertRecord:
    return AlertRecord(metric=metric.name, state=metric.state, severity=metric.severity, since=0.0)


def _breaker(before: ModelMonitorStatus, after: ModelMonitorStatus) -> Iterator[Announcement]:
    was = BreakerState.CLOSED if before.injection is None else before.injection.breaker
    if after.injection is None or after.injection.breaker is was:
        return
    if after.injection.breaker is BreakerState.CLOSED:
        yield EventReason.INJECTION_RESUMED, after.injection.message
    elif after.injection.breaker is BreakerState.OPEN:
        again = f"; one pod is tried again at {after.injection.retry_at}"
        yield EventReason.INJECTION_PAUSED, after.injection.message + again


def _restart(before: ModelMonitorStatus, after: ModelMonitorStatus) -> Iterator[Announcement]:
    was, now = before.restart, after.restart
    if now is None or (was is not None and was.phase is now.phase):
        return
    if now.phase is RestartPhase.REQUESTED:
        message = "the target's pods are recreated, so that each gets a collector"
        yield EventReason.RESTART_STARTED, message
    elif now.phase is RestartPhase.FINISHED:
        yield EventReason.RESTART_FINISHED, "every pod of the target was recreated"
    elif now.phase is RestartPhase.FAILED:
        yield EventReason.RESTART_FAILED, now.message
