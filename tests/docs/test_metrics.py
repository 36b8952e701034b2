"""The page of Prometheus series lists exactly what the three processes serve, with their labels."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.registry import Collector

from modelmonitor.api.v1alpha1.status import AlertState, CollectorCounts, MetricState
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.clock import SystemClock
from modelmonitor.collector.observer.metrics import registry_for
from modelmonitor.collector.observer.shelf import MemoryStorage, Shelf
from modelmonitor.collector.observer.state import State
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.controller.runtime.metrics import (
    MetricSnapshot,
    MonitorSnapshot,
    ProcessSnapshot,
    StateCollector,
    WorkMetrics,
)
from modelmonitor.core.wire.pane import (
    LATENCY_FIRST_TOKEN,
    LATENCY_RESPONSE,
    GenerationCounts,
    LatencyCounts,
    Pane,
    RequestCounts,
)
from modelmonitor.injector.metrics import InjectorMetrics
from tests.support.promlint import faults

SUFFIXES = {"counter": "_total"}


def _controller() -> CollectorRegistry:
    registry = CollectorRegistry()
    work = WorkMetrics(registry)
    work.reconcile_seconds.labels("ok").observe(0.1)
    work.pull_errors.labels("unreachable").inc()
    work.events.labels("Alerting").inc()
    metric = MetricSnapshot("latency", MetricState.OK, 0.1)
    monitor = MonitorSnapshot(
        "models", "flights", AlertState.OK, (metric,), 0.0, coverage=1.0, pods=CollectorCounts()
    )
    process = ProcessSnapshot(
        leader=True,
        queue_depth=0,
        queue_oldest=0.0,
        scheduled=1,
        scheduler_age=0.0,
        loop_lag=0.0,
        lease_age=1.0,
    )
    registry.register(StateCollector(lambda: process, lambda: [monitor], lambda: 1.0))
    return registry


def _injector() -> CollectorRegistry:
    registry = CollectorRegistry()
    InjectorMetrics(registry).admissions.labels("Injected", "").inc()
    return registry


def _collector() -> CollectorRegistry:
    counts = RequestCounts(
        seen=2,
        sampled=2,
        decoded=1,
        codes={"200": 1, "grpc-14": 1},
        undecodable={"RequestShape": 1},
        protocols={"http/OpenAI": 1},
    )
    latency = LatencyCounts(buckets={0: 1}, count=1, total=1.0)
    generation = GenerationCounts(requests=1, finishReasons={"stop": 1})
    totals = Totals()
    totals.add_pane(
        Pane(
            monitorUID="m",
            podUID="p",
            bootID="b",
            seq=1,
            start=0.0,
            end=60.0,
            interval=60.0,
            requests=counts,
            latency={LATENCY_RESPONSE: latency, LATENCY_FIRST_TOKEN: latency},
            generation=generation,
        )
    )
    book = PaneBook(
        identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
        clock=SystemClock(),
        closed=lambda _: None,
        configuration=None,
        replaces=False,
    )
    return registry_for(totals, State(book=book, shelf=Shelf(MemoryStorage()), last_pull=0.0))


def _served(registries: Iterable[Collector]) -> dict[str, set[str]]:
    """Return the labels of every series that some registries serve."""
    served: dict[str, set[str]] = {}
    for registry in registries:
        for family in registry.collect():
            labels = {label for sample in family.samples for label in sample.labels}
            served[family.name + SUFFIXES.get(family.type, "")] = labels - {"le"}
    return served


def _listed(root: Path) -> dict[str, set[str]]:
    """Return the labels of every series on the page."""
    page = (root / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*)\|", page, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


@pytest.mark.parametrize("process", [_controller, _injector, _collector])
def test_series_keep_to_the_naming_practices_of_prometheus(
    process: Callable[[], CollectorRegistry],
) -> None:
    assert faults(process()) == []


def test_breaches_of_the_naming_practices_are_found() -> None:
    registry = CollectorRegistry()
    Gauge("a_total", "Help.", registry=registry)
    Gauge("wait_ms", "Help.", registry=registry)
    Gauge("waitTime", "Help.", ["podName"], registry=registry).labels("x").set(1)
    Gauge("queue_gauge", "", registry=registry)
    Gauge("size_kilobytes", "Help.", ["le"], registry=registry).labels("1").set(1)
    Gauge("rows_count", "Help.", registry=registry)
    assert sorted(faults(registry)) == [
        "a_total: only counters end in _total",
        "queue_gauge: names its type",
        "queue_gauge: no help",
        "rows_count: the suffix belongs to histograms and summaries",
        "size_kilobytes: kilobytes is no base unit",
        "size_kilobytes: label le belongs to histograms",
        "waitTime: is not snake case",
        "waitTime: label podName is not snake case",
        "wait_ms: ms is no base unit",
    ]


def test_every_series_is_listed_with_its_labels_and_no_other_is(root: Path) -> None:
    assert _listed(root) == _served([_controller(), _injector(), _collector()])
