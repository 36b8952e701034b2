"""What Prometheus sees of a collector, read from memory when it scrapes.

The series are a contract, described in docs/metrics.md. Label values come from fixed sets or from
the monitor's own configuration; none holds anything that a caller sent.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from modelmonitor.collector.observer.tally import Tally
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.counting.latency import cumulative
from modelmonitor.core.judging.codes import by_class
from modelmonitor.core.pane.panes import Traffic
from modelmonitor.core.wire.pane import (
    LATENCY_FIRST_TOKEN,
    LATENCY_RESPONSE,
    GenerationCounts,
    LatencyCounts,
)

TRAFFIC: Final = "modelmonitor_"
"""Begins the names of what the model's clients see."""
OWN: Final = "modelmonitor_collector_"
"""Begins the names of what the collector makes of it."""
LATENCY_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; the client libraries' conventional buckets."""


class CollectorMetrics(Collector):
    """Metrics without any label that a caller could fill."""

    def __init__(self, totals: Totals, state: State) -> None:
        self._totals = totals
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        traffic = self._totals.traffic + _open_traffic(self._state.book.tally)
        yield from _of_clients(traffic)
        yield from _of_decoding(traffic, self._totals)
        yield from _of_copying(self._totals)
        yield from _of_panes(self._totals, self._state)


def registry_for(totals: Totals, state: State) -> CollectorRegistry:
    """Return a registry that shows the collector's metrics and nothing else."""
    registry = CollectorRegistry()
    registry.register(CollectorMetrics(totals, state))
    return registry


def _open_traffic(tally: Tally) -> Traffic:
    requests = tally.requests()
    return Traffic(
        seen=requests.seen,
        decoded=requests.decoded,
        sampled=requests.sampled,
        undecodable=requests.undecodable,
        codes=by_class(requests.codes),
        protocols=requests.protocols,
        latency=tally.latency(),
        generation=tally.generation() or GenerationCounts(),
    )


def _of_clients(traffic: Traffic) -> Iterator[Metric]:
    yield _by_label(
        TRAFFIC + "requests",
        "Requests to the model, by class of status code.",
        "class",
        traffic.codes,
    )
    yield _histogram(
        TRAFFIC + "request_duration_seconds",
        "From the last byte of the request to the last of the response.",
        traffic.latency.get(LATENCY_RESPONSE, LatencyCounts()),
    )
    yield _histogram(
        TRAFFIC + "first_token_duration_seconds",
        "From the last byte of the request to the first event with text.",
        traffic.latency.get(LATENCY_FIRST_TOKEN, LatencyCounts()),
    )
    generation = traffic.generation
    yield _counter(
        TRAFFIC + "generations", "Decoded answers of text generation.", generation.requests
    )
    yield _by_label(
        TRAFFIC + "generation_tokens",
        "Tokens of text generation, as its answers tell.",
        "kind",
        {"completion": generation.completionTokens, "prompt": generation.promptTokens},
    )
    yield _by_label(
        TRAFFIC + "generation_finishes",
        "Generated choices, by how they ended.",
        "reason",
        generation.finishReasons,
    )


def _of_decoding(traffic: Traffic, totals: Totals) -> Iterator[Metric]:
    yield _counter(OWN + "seen_requests", "Requests whose end was seen.", traffic.seen)
    yield _counter(OWN + "sampled_requests", "Requests picked for decoding.", traffic.sampled)
    decoded = CounterMetricFamily(
        OWN + "decoded_requests",
        "Sampled requests whose bodies became rows, by what they were taken for.",
        labels=["port", "protocol"],
    )
    for key, requests in sorted(traffic.protocols.items()):
        port, _, protocol = key.partition("/")
        decoded.add_metric([port, protocol], requests)
    yield decoded
    yield _by_label(
        OWN + "undecodable_requests",
        "Sampled requests whose bodies did not become rows, by reason.",
        "reason",
        traffic.undecodable,
    )
    yield _counter(OWN + "rows", "Decoded rows.", totals.rows)
    yield _counter(
        OWN + "other_model_requests",
        "Requests for models that this monitor does not watch.",
        totals.other_models,
    )


def _of_copying(totals: Totals) -> Iterator[Metric]:
    yield _counter(OWN + "forwarded_bytes", "Bytes that clients and model sent.", totals.forwarded)
    yield _counter(OWN + "copied_bytes", "Bytes handed over to the observer.", totals.copied)
    yield _counter(OWN + "dropped_bytes", "Bytes not handed over.", totals.dropped)
    yield _counter(OWN + "unreadable_bytes", "Handed over, but not HTTP.", totals.unreadable)


def _of_panes(totals: Totals, state: State) -> Iterator[Metric]:
    shelf = state.shelf
    yield _counter(OWN + "panes", "Closed panes.", totals.panes)
    yield _counter(OWN + "lost_panes", "Panes dropped before they were read.", shelf.lost)
    yield _gauge(OWN + "retained_panes", "Closed panes that can be read.", len(shelf))
    yield _gauge(OWN + "retained_pane_bytes", "What they take on disk.", shelf.size)
    yield _gauge(
        OWN + "configured",
        "1 if a configuration is in force.",
        int(state.book.configuration is not None),
    )


def _histogram(name: str, text: str, counts: LatencyCounts) -> Metric:
    passed: Sequence[tuple[float, int]] = list(
        zip(LATENCY_BOUNDS, cumulative(counts, LATENCY_BOUNDS), strict=True)
    )
    buckets = [(str(bound), float(times)) for bound, times in passed]
    return HistogramMetricFamily(
        name, text, buckets=[*buckets, ("+Inf", float(counts.count))], sum_value=counts.total
    )


def _counter(name: str, text: str, value: int) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _gauge(name: str, text: str, value: int) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _by_label(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in sorted(values.items()):
        family.add_metric([value], count)
    return family
