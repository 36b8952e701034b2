"""What the controller tells Prometheus: counters of its own work, and the monitors' last state.

The state of monitors is read from memory when Prometheus asks, so that a monitor that is gone
leaves no series behind.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from modelmonitor.api.v1alpha1.status import AlertState, CollectorCounts, MetricState
from modelmonitor.core.pane.totals import TrafficTotals

RECONCILE_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; most passes are a few requests to the API server, the slow ones wait for pods."""


class WorkMetrics:
    """Counters and histograms of the controller's own work."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.reconcile_seconds: Final = Histogram(
            "modelmonitor_reconcile_seconds",
            "Time of one pass over one monitor.",
            ["result"],
            buckets=RECONCILE_BUCKETS,
            registry=registry,
        )
        self.pulls: Final = Counter(
            "modelmonitor_pulls", "Pulls of panes from collectors.", registry=registry
        )
        self.pull_errors: Final = Counter(
            "modelmonitor_pull_errors",
            "Pulls that failed: unreachable, refused or wrong.",
            ["reason"],
            registry=registry,
        )
        self.panes: Final = Counter(
            "modelmonitor_panes", "Panes taken from collectors.", registry=registry
        )
        self.panes_late: Final = Counter(
            "modelmonitor_panes_late",
            "Panes that came after their interval was judged.",
            registry=registry,
        )
        self.panes_lost: Final = Counter(
            "modelmonitor_panes_lost",
            "Panes that collectors dropped before they were pulled.",
            registry=registry,
        )
        self.panes_rejected: Final = Counter(
            "modelmonitor_panes_rejected",
            "Panes that cannot be this pod's (monitor, pod, time, schema), or are too many.",
            registry=registry,
        )
        self.ticks: Final = Counter(
            "modelmonitor_ticks_judged", "Intervals judged, over all monitors.", registry=registry
        )
        self.status_writes: Final = Counter(
            "modelmonitor_status_writes", "Statuses written.", registry=registry
        )
        self.jobs_created: Final = Counter(
            "modelmonitor_jobs_created", "Retraining Jobs created.", registry=registry
        )
        self.pods_evicted: Final = Counter(
            "modelmonitor_pods_evicted",
            "Pods evicted because their collector kept them from starting.",
            registry=registry,
        )
        self.restarts: Final = Counter(
            "modelmonitor_restarts",
            "Workloads whose pods were recreated once, as their monitors ask for.",
            registry=registry,
        )
        self.events: Final = Counter(
            "modelmonitor_events", "Kubernetes events posted.", ["reason"], registry=registry
        )
        self.ghosts: Final = Counter(
            "modelmonitor_ghosts",
            "Monitors found gone by the sweep, whose deletion no watch had told.",
            registry=registry,
        )


@dataclass(frozen=True, slots=True)
class MetricSnapshot:
    """The last state of one metric of a monitor."""

    name: str
    state: MetricState
    value: float | None


@dataclass(frozen=True, slots=True)
class MonitorSnapshot:
    """The last state of one monitor."""

    namespace: str
    name: str
    alert_state: AlertState
    metrics: tuple[MetricSnapshot, ...]
    evaluated_at: float | None
    """End of the last judged interval, seconds since the epoch."""
    coverage: float | None = None
    """Share of the last interval's traffic that was observed and decoded."""
    pods: CollectorCounts | None = None
    totals: TrafficTotals = field(default_factory=TrafficTotals)
    """Of the panes that this process took; it goes on counting."""


@dataclass(frozen=True, slots=True)
class ProcessSnapshot:
    """The state of the controller process."""

    leader: bool
    queue_depth: int
    queue_oldest: float
    scheduled: int
    scheduler_age: float
    loop_lag: float
    lease_age: float | None


class StateCollector(Collector):
    """Gauges over in-memory state, made at scrape time."""

    def __init__(
        self,
        process: Callable[[], ProcessSnapshot],
        monitors: Callable[[], Iterable[MonitorSnapshot]],
        now: Callable[[], float],
    ) -> None:
        self._process = process
        self._monitors = monitors
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return the gauges as of now."""
        yield from self._of_process()
        monitors = list(self._monitors())
        yield from self._of_verdicts(monitors)
        yield from _of_pods(monitors)
        yield from _of_traffic(monitors)

    def _of_process(self) -> Iterator[Metric]:
        seen = self._process()
        values = {
            "modelmonitor_leader": ("1 while this process holds the lease.", float(seen.leader)),
            "modelmonitor_queue_depth": ("Monitors that wait to be looked at.", seen.queue_depth),
            "modelmonitor_queue_oldest_seconds": (
                "How long the first of them has waited.",
                seen.queue_oldest,
            ),
            "modelmonitor_scheduled": ("Monitors with a due time.", seen.scheduled),
            "modelmonitor_scheduler_age_seconds": (
                "Time since the schedule was looked at.",
                seen.scheduler_age,
            ),
            "modelmonitor_loop_lag_seconds": ("How late the event loop runs.", seen.loop_lag),
        }
        for name, (text, value) in values.items():
            yield GaugeMetricFamily(name, text, value=value)
        if seen.lease_age is not None:
            yield GaugeMetricFamily(
                "modelmonitor_lease_age_seconds",
                "Time since the lease was renewed.",
                value=seen.lease_age,
            )

    def _of_verdicts(self, monitors: Iterable[MonitorSnapshot]) -> Iterator[Metric]:
        alert = GaugeMetricFamily(
            "modelmonitor_monitor_alert_state",
            "1 for the state in which the monitor is.",
            labels=["namespace", "monitor", "state"],
        )
        value = GaugeMetricFamily(
            "modelmonitor_metric_value",
            "Last value of a metric, in its unit; absent where nothing was measured.",
            labels=["namespace", "monitor", "metric"],
        )
        state = GaugeMetricFamily(
            "modelmonitor_metric_state",
            "1 for the state in which the metric is.",
            labels=["namespace", "monitor", "metric", "state"],
        )
        age = GaugeMetricFamily(
            "modelmonitor_verdict_age_seconds",
            "Time since the end of the last interval that was judged.",
            labels=["namespace", "monitor"],
        )
        for monitor in monitors:
            where = [monitor.namespace, monitor.name]
            for each in AlertState:
                alert.add_metric([*where, each.value], float(each is monitor.alert_state))
            if monitor.evaluated_at is not None:
                age.add_metric(where, max(0.0, self._now() - monitor.evaluated_at))
            for metric in monitor.metrics:
                if metric.value is not None:
                    value.add_metric([*where, metric.name], metric.value)
                for possible in MetricState:
                    state.add_metric(
                        [*where, metric.name, possible.value], float(possible is metric.state)
                    )
        yield from (alert, value, state, age)


def _of_pods(monitors: Iterable[MonitorSnapshot]) -> Iterator[Metric]:
    pods = GaugeMetricFamily(
        "modelmonitor_monitor_pods",
        "Pods of the target: matched, injected, reachable, outdated.",
        labels=["namespace", "monitor", "state"],
    )
    coverage = GaugeMetricFamily(
        "modelmonitor_monitor_coverage_ratio",
        "Share of the last interval's traffic that was observed and decoded.",
        labels=["namespace", "monitor"],
    )
    for monitor in monitors:
        where = [monitor.namespace, monitor.name]
        if monitor.coverage is not None:
            coverage.add_metric(where, monitor.coverage)
        if monitor.pods is not None:
            for state, count in monitor.pods.to_wire().items():
                pods.add_metric([*where, state], float(count))
    yield from (pods, coverage)


def _of_traffic(monitors: Iterable[MonitorSnapshot]) -> Iterator[Metric]:
    taken = list(monitors)
    for name, (text, value) in _TRAFFIC.items():
        family = CounterMetricFamily(name, text, labels=["namespace", "monitor"])
        for monitor in taken:
            family.add_metric([monitor.namespace, monitor.name], float(value(monitor.totals)))
        yield family


_TRAFFIC: Final[Mapping[str, tuple[str, Callable[[TrafficTotals], int]]]] = {
    "modelmonitor_monitor_requests": (
        "Requests whose end collectors saw.",
        attrgetter("requests"),
    ),
    "modelmonitor_monitor_sampled_requests": (
        "Requests that were picked for decoding.",
        attrgetter("sampled"),
    ),
    "modelmonitor_monitor_decoded_requests": (
        "Sampled requests whose bodies became rows.",
        attrgetter("decoded"),
    ),
    "modelmonitor_monitor_forwarded_bytes": (
        "Bytes that clients and model sent.",
        attrgetter("forwarded_bytes"),
    ),
    "modelmonitor_monitor_copied_bytes": (
        "Bytes that reached an observer.",
        attrgetter("copied_bytes"),
    ),
    "modelmonitor_monitor_dropped_bytes": (
        "Bytes that did not.",
        attrgetter("dropped_bytes"),
    ),
}
"""Name → text and field: sums over the panes that this process took."""
