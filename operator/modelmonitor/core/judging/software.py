"""Software metrics: request rate, latency and errors, over all revisions of the target."""

from collections.abc import Sequence

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import ErrorRatioOptions, LatencyOf, LatencyOptions
from modelmonitor.api.v1alpha1.metrics import Metric, MetricType
from modelmonitor.core.counting.latency import quantile
from modelmonitor.core.judging.judgement import (
    Measurement,
    Refusal,
    judged,
    too_few,
    unknown,
    unwatched,
    words_of,
)
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick, Window, window_of
from modelmonitor.core.pane.panes import Traffic
from modelmonitor.core.wire.pane import LatencyCounts

SOFTWARE: frozenset[MetricType] = frozenset(
    {MetricType.REQUEST_RATE, MetricType.LATENCY, MetricType.ERROR_RATIO}
)
"""Types that need no baseline and no decoded body."""


def judge_software(metric: Metric, ticks: Sequence[Tick]) -> Verdict:
    """Return the verdict on a metric of one of the types `SOFTWARE`."""
    window = window_of(metric, ticks, lambda tick: _samples(metric, tick.traffic))
    refusal = unwatched(window)
    if refusal is not None:
        return unknown(metric, refusal, window)
    traffic = window.traffic
    samples = _samples(metric, traffic)
    if metric.type is MetricType.REQUEST_RATE:
        # No request at all is a measurement, and often the breach that the metric is for.
        if not window.full:
            return unknown(metric, _warming(window), window, samples=samples)
        return judged(metric, _rate(traffic, window), window)
    if samples == 0:
        silent = Refusal(VerdictReason.NO_TRAFFIC, _nothing(metric), no_data=True)
        return unknown(metric, silent, window)
    refusal = too_few(metric, samples, window, "requests")
    if refusal is not None:
        return unknown(metric, refusal, window, samples=samples)
    measured = _latency(metric, traffic) if metric.type is MetricType.LATENCY else None
    return judged(metric, measured or _errors(metric, traffic), window)


def _nothing(metric: Metric) -> str:
    streamed = metric.latency is not None and metric.latency.of is LatencyOf.FIRST_TOKEN
    return "there was no streamed generation" if streamed else "there was no request"


def _samples(metric: Metric, traffic: Traffic) -> int:
    if metric.type is MetricType.LATENCY:
        return _latencies(metric, traffic).count
    if metric.type is MetricType.ERROR_RATIO:
        return sum(traffic.codes.values())
    return traffic.seen


def _warming(window: Window) -> Refusal:
    return Refusal(
        VerdictReason.WARMING_UP,
        f"data began {words_of(window.seconds)} ago, the window is not full yet",
    )


def _rate(traffic: Traffic, window: Window) -> Measurement:
    rate = traffic.seen / window.seconds
    text = f"{rate:.3g} requests/s ({traffic.seen} in {words_of(window.seconds)})"
    return Measurement(rate, traffic.seen, text)


def _latencies(metric: Metric, traffic: Traffic) -> LatencyCounts:
    options = metric.latency or LatencyOptions(quantile="0.99")
    return traffic.latency.get(options.of.value, LatencyCounts())


def _latency(metric: Metric, traffic: Traffic) -> Measurement:
    options = metric.latency or LatencyOptions(quantile="0.99")
    counts = _latencies(metric, traffic)
    value = quantile(counts, parse_decimal(options.quantile))
    seconds = float("nan") if value is None else value
    text = f"{options.quantile} quantile is {seconds:.3g}s over {counts.count} requests"
    return Measurement(seconds, counts.count, text)


def _errors(metric: Metric, traffic: Traffic) -> Measurement:
    options = metric.error_ratio or ErrorRatioOptions()
    answered = sum(traffic.codes.values())
    failed = traffic.errors(options.status_codes)
    text = f"{failed} of {answered} requests failed ({failed / answered:.2%})"
    return Measurement(failed / answered, answered, text)
