"""What changed between two looks at a monitor, as sentences."""

import textwrap
from collections.abc import Iterator
from typing import Final

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import Condition, MetricState, MetricStatus

MESSAGE_WIDTH: Final = 120

_QUIET_AT_FIRST: Final = frozenset({"Alerting", "RetrainingActive", "Suspended"})
"""Conditions whose first status says only that nothing has happened yet."""


def transitions(before: ModelMonitor | None, after: ModelMonitor) -> list[str]:
    """Return one sentence per change that a reader would want to hear of.

    Parameters
    ----------
    before
        The monitor at the last look; None at the first one.
    after
        The monitor now.
    """
    return [
        *_alert_state(before, after),
        *_conditions(before, after),
        *_metrics(before, after),
        *_collectors(before, after),
        *_baseline(before, after),
        *_retraining(before, after),
    ]


def condition(monitor: ModelMonitor, kind: str) -> Condition | None:
    """Return one condition of a monitor, None while it has not been written."""
    return next((one for one in monitor.status.conditions if one.type == kind), None)


def metric(monitor: ModelMonitor, name: str) -> MetricStatus | None:
    """Return the status of one metric, None while it has not been judged."""
    return next((one for one in monitor.status.metrics if one.name == name), None)


def short(digest: str) -> str:
    """Return a digest as people compare it: its first ten hex digits."""
    return digest.removeprefix("sha256:")[:10]


def brief(message: str) -> str:
    """Return a message short enough for a line of the story; `kubectl describe` has all of it."""
    return textwrap.shorten(message, MESSAGE_WIDTH, placeholder=" …")


def _alert_state(before: ModelMonitor | None, after: ModelMonitor) -> Iterator[str]:
    was = before.status.alert_state if before else None
    now = after.status.alert_state
    if now is not None and now != was:
        yield f"{was.value if was else 'nothing known'} → {now.value} ({after.status.summary})"


def _conditions(before: ModelMonitor | None, after: ModelMonitor) -> Iterator[str]:
    for now in after.status.conditions:
        was = condition(before, now.type) if before else None
        if was is None and now.type in _QUIET_AT_FIRST:
            continue
        if was is None or (was.status, was.reason) != (now.status, now.reason):
            yield f"{now.type}={now.status.value}/{now.reason}: {brief(now.message)}"


def _metrics(before: ModelMonitor | None, after: ModelMonitor) -> Iterator[str]:
    for now in after.status.metrics:
        was = metric(before, now.name) if before else None
        told = {MetricState.PENDING, MetricState.FIRING, MetricState.RECOVERING}
        states = {now.state, was.state if was else now.state}
        changed = was is None or (was.state, was.severity) != (now.state, now.severity)
        if changed and states & told:
            severity = f" {now.severity.value}" if now.severity else ""
            yield f"metric {now.name}: {now.state.value}{severity}: {brief(now.message)}"


def _collectors(before: ModelMonitor | None, after: ModelMonitor) -> Iterator[str]:
    was = before.status.collectors if before else None
    now = after.status.collectors
    if now is not None and (
        was is None or (was.matched, was.injected) != (now.matched, now.injected)
    ):
        yield f"{now.injected} of {now.matched} pods carry a collector"


def _baseline(before: ModelMonitor | None, after: ModelMonitor) -> Iterator[str]:
    was = before.status.baseline if before else None
    now = after.status.baseline
    if now is not None and (was is None or was.digest != now.digest):
        yield f"baseline {short(now.digest)} in force, from {now.rows} rows"


def _retraining(before: ModelMonitor | None, after: ModelMonitor) -> Iterator[str]:
    was = before.status.retraining.episode if before and before.status.retraining else None
    now = after.status.retraining.episode if after.status.retraining else None
    if now is not None and (was is None or (was.number, was.phase) != (now.number, now.phase)):
        cause = f" ({now.cause})" if now.cause else ""
        yield f"retraining episode {now.number}: {now.phase.value}{cause}, Job {now.job_name}"
