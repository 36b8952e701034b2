"""What Prometheus sees of a collector, read from memory when it scrapes."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from modelmonitor.collector.observer.state import State
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.latency import cumulative, merge
from modelmonitor.core.wire.pane import LATENCY_RESPONSE, LatencyCounts

PREFIX: Final = "modelmonitor_collector_"
LATENCY_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; the client libraries' conventional buckets."""


class CollectorMetrics(Collector):
    """Metrics without any label that a caller could fill."""

    def __init__(self, totals: Totals, state: State) -> None:
        self._totals = totals
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        totals = self._totals
        yield _by_label("requests", "Requests, by status code.", "code", totals.codes)
        yield self._latency()
        yield _counter("decoded", "Sampled requests whose bodies became rows.", totals.decoded)
        yield _by_label(
            "undecodable",
            "Sampled requests whose bodies did not become rows, by reason.",
            "reason",
            totals.undecodable,
        )
        yield _counter("rows", "Decoded rows.", totals.rows)
        yield _counter(
            "other_model_requests", "Requests for models not monitored here.", totals.other_models
        )
        yield _counter("forwarded_bytes", "Bytes that clients and model sent.", totals.forwarded)
        yield _counter("copied_bytes", "Bytes handed over to the observer.", totals.copied)
        yield _counter("dropped_bytes", "Bytes not handed over.", totals.dropped)
        yield _counter("unreadable_bytes", "Handed over, but not HTTP/1.1.", totals.unreadable)
        yield _counter("panes", "Closed panes.", totals.panes)
        yield _counter("lost_panes", "Panes dropped before they were read.", self._state.shelf.lost)
        yield GaugeMetricFamily(
            f"{PREFIX}retained_panes", "Closed panes to be read.", value=len(self._state.shelf)
        )
        yield GaugeMetricFamily(
            f"{PREFIX}configured",
            "1 if a configuration is in force.",
            value=float(self._state.book.configuration is not None),
        )

    def _latency(self) -> Metric:
        open_pane = self._state.book.tally.latency().get(LATENCY_RESPONSE, LatencyCounts())
        counts = merge([self._totals.latency, open_pane])
        passed = cumulative(counts, LATENCY_BOUNDS)
        buckets = [
            *(
                (str(bound), float(times))
                for bound, times in zip(LATENCY_BOUNDS, passed, strict=True)
            ),
            ("+Inf", float(counts.count)),
        ]
        return HistogramMetricFamily(
            f"{PREFIX}request_duration_seconds",
            "From the last byte of the request to the last of the response.",
            buckets=buckets,
            sum_value=counts.total,
        )


def registry_for(totals: Totals, state: State) -> CollectorRegistry:
    """Return a registry that shows the collector's metrics and nothing else."""
    registry = CollectorRegistry()
    registry.register(CollectorMetrics(totals, state))
    return registry


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(PREFIX + name, text, value=value)


def _by_label(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
