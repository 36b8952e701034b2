"""How monitors look on a terminal: a table of many, or one in depth. Pure: time is given."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.conditions import ConditionType
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import (
    AlertState,
    BaselineStatus,
    BreakerState,
    Condition,
    ConditionStatus,
    InjectionStatus,
    MetricState,
    MetricStatus,
    ModelMonitorStatus,
    RestartStatus,
)
from modelmonitor.core.times import parse_time

NONE: Final = "-"

_ALERT_STYLES: Final = {
    AlertState.CRITICAL: "bold red",
    AlertState.WARNING: "yellow",
    AlertState.NO_DATA: "magenta",
    AlertState.UNKNOWN: "magenta",
    AlertState.PENDING: "cyan",
    AlertState.OK: "green",
    AlertState.SUSPENDED: "dim",
}
_METRIC_STYLES: Final = {
    MetricState.FIRING: "bold red",
    MetricState.PENDING: "yellow",
    MetricState.RECOVERING: "cyan",
    MetricState.UNKNOWN: "magenta",
    MetricState.NO_DATA: "magenta",
    MetricState.OK: "green",
}
_GOOD_WHEN_FALSE: Final = frozenset(
    {
        ConditionType.ALERTING,
        ConditionType.RETRAINING_ACTIVE,
        ConditionType.SUSPENDED,
        ConditionType.RECONCILING,
        ConditionType.STALLED,
    }
)
"""Conditions whose True is news; of the others, False is."""


def age(since: str, now: float) -> str:
    """Return how long ago an RFC 3339 time was, as `12s`, `5m`, `3h` or `4d`."""
    seconds = max(0, int(now - parse_time(since)))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def overview(monitors: Sequence[ModelMonitor], now: float) -> RenderableType:
    """Return a table with one row a monitor; `now` in seconds since the epoch."""
    table = _table("NAMESPACE", "NAME", "TARGET", "READY", "ALERT", "METRICS", "WORST", "AGE")
    for monitor in monitors:
        state = monitor.status
        ready = _condition(state, ConditionType.READY)
        table.add_row(
            monitor.metadata.namespace,
            monitor.metadata.name,
            _target(monitor),
            ready.status.value if ready else "Unknown",
            _alert(state),
            state.summary or NONE,
            state.worst or NONE,
            age(monitor.metadata.creation_timestamp, now),
        )
    return table


def monitor_view(monitor: ModelMonitor, now: float) -> RenderableType:
    """Return one monitor in depth; `now` in seconds since the epoch."""
    state = monitor.status
    parts: list[RenderableType] = [_headline(monitor, now)]
    if state.metrics:
        parts += [_heading("Metrics"), _metrics(state.metrics, now)]
    if state.conditions:
        parts += [_heading("Conditions"), _conditions(state.conditions, now)]
    parts += [_heading("Behind it"), _facts(monitor, now)]
    if state.retraining and state.retraining.history:
        parts += [_heading("Retraining runs"), _history(state, now)]
    return Group(*parts)


def _headline(monitor: ModelMonitor, now: float) -> Text:
    state = monitor.status
    text = Text.assemble(
        (f"{monitor.metadata.namespace}/{monitor.metadata.name}", "bold"),
        f"  {_target(monitor)}, every {monitor.spec.interval}\n",
        _alert(state),
    )
    if state.summary:
        text.append(f"  {state.summary}")
    if state.evaluated_at:
        text.append(f"  (judged {age(state.evaluated_at, now)} ago)", "dim")
    if state.observed_generation < monitor.metadata.generation:
        text.append("\nThe operator has not seen the present spec yet.", "yellow")
    return text


def _metrics(metrics: Sequence[MetricStatus], now: float) -> Table:
    table = _table("METRIC", "STATE", "VALUE", "THRESHOLD", "SAMPLES", "FOR", "WHY")
    for metric in metrics:
        word = metric.state.value
        if metric.severity and metric.state is not MetricState.OK:
            word = f"{word} {metric.severity.value}"
        table.add_row(
            metric.name,
            Text(word, _METRIC_STYLES[metric.state]),
            metric.value or NONE,
            metric.threshold or NONE,
            NONE if metric.samples is None else f"{metric.samples:,}",
            age(metric.since, now),
            metric.message,
        )
    return table


def _conditions(conditions: Sequence[Condition], now: float) -> Table:
    table = _table("CONDITION", "STATUS", "REASON", "FOR", "MESSAGE")
    for condition in conditions:
        table.add_row(
            condition.type,
            Text(condition.status.value, _condition_style(condition)),
            condition.reason,
            age(condition.last_transition_time, now),
            condition.message,
        )
    return table


def _facts(monitor: ModelMonitor, now: float) -> Table:
    state = monitor.status
    table = Table.grid(padding=(0, 2))
    if state.collectors:
        counts = state.collectors
        table.add_row(
            "Collectors",
            f"{counts.injected} of {counts.matched} pods injected, {counts.reachable} reachable, "
            f"{counts.outdated} outdated",
        )
    if state.coverage:
        table.add_row("Coverage", _coverage(state))
    if state.collection and state.collection.protocols:
        table.add_row("Protocols", "; ".join(state.collection.protocols))
    if state.restart:
        table.add_row("Restart", _restart(state.restart, now))
    if state.revision:
        table.add_row("Revision", state.revision)
    if state.baseline:
        table.add_row("Baseline", _baseline(state.baseline))
    if state.injection:
        table.add_row(
            "Injection",
            f"breaker {state.injection.breaker.value} for {age(state.injection.since, now)}: "
            f"{state.injection.message}{_next_trial(state.injection)}",
        )
    table.add_row("Retraining", _retraining(monitor, now))
    table.add_row("Mode", "Suspended" if monitor.spec.suspend else monitor.spec.mode.value)
    return table


def _coverage(state: ModelMonitorStatus) -> str:
    text = f"{_percent(state.coverage)} of the traffic observed and decoded"
    seen = state.collection
    if seen is None:
        return text
    parts = [
        f"{_percent(share)} {what}"
        for share, what in (
            (seen.observed_share, "observed"),
            (seen.sampled_share, "of the requests sampled"),
            (seen.decoded_share, "of these decoded"),
        )
        if share is not None
    ]
    if seen.undecodable:
        parts.append(f"the others mostly not because of {seen.undecodable}")
    return f"{text} ({', '.join(parts)})" if parts else text


def _percent(share: str | None) -> str:
    return NONE if share is None else f"{100 * parse_decimal(share):.1f}".removesuffix(".0") + "%"


def _next_trial(injection: InjectionStatus) -> str:
    if injection.breaker is BreakerState.HALF_OPEN and injection.trial_pod:
        return f"; pod {injection.trial_pod} is on trial"
    return f"; one pod is tried at {injection.retry_at}" if injection.retry_at else ""


def _restart(restart: RestartStatus, now: float) -> str:
    moment = restart.finished_at or restart.requested_at
    text = f"{restart.phase.value} {age(moment, now)} ago"
    return f"{text}: {restart.message}" if restart.message else text


def _baseline(baseline: BaselineStatus) -> str:
    if baseline.learned is None:
        return f"{baseline.digest}, {baseline.rows:,} rows"
    learned = baseline.learned
    return f"{learned.digest}, {baseline.rows:,} rows of {learned.since} to {learned.until}"


def _retraining(monitor: ModelMonitor, now: float) -> str:
    if monitor.spec.retraining is None:
        return "not configured"
    seen = monitor.status.retraining
    if seen is None or seen.episode is None:
        return f"never yet; {monitor.spec.retraining.cooldown} at least between runs"
    episode = seen.episode
    text = (
        f"episode {episode.number} {episode.phase.value}, opened {age(episode.opened_at, now)} ago"
        f" by {', '.join(episode.metrics)}; Job {episode.job_name}"
    )
    return f"{text}; {episode.cause}" if episode.cause else text


def _history(state: ModelMonitorStatus, now: float) -> Table:
    table = _table("NUMBER", "JOB", "OUTCOME", "ENDED", "TOOK", "MESSAGE")
    for run in state.retraining.history if state.retraining else ():
        table.add_row(
            str(run.number),
            run.job_name,
            run.outcome,
            f"{age(run.finished_at, now)} ago",
            age(run.started_at, parse_time(run.finished_at)),
            run.message or NONE,
        )
    return table


def _target(monitor: ModelMonitor) -> str:
    return f"{monitor.spec.target_ref.kind}/{monitor.spec.target_ref.name}"


def _alert(state: ModelMonitorStatus) -> Text:
    if state.alert_state is None:
        return Text("NotJudged", "dim")
    return Text(state.alert_state.value, _ALERT_STYLES[state.alert_state])


def _condition(state: ModelMonitorStatus, kind: ConditionType) -> Condition | None:
    return next((one for one in state.conditions if one.type == kind), None)


def _condition_style(condition: Condition) -> str:
    if condition.status is ConditionStatus.UNKNOWN:
        return "magenta"
    good = ConditionStatus.FALSE if condition.type in _GOOD_WHEN_FALSE else ConditionStatus.TRUE
    return "green" if condition.status is good else "yellow"


def _heading(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
