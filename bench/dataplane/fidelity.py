"""Whether the latency in panes is the latency that clients had, also when the observer is late."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench.dataplane.candidates import MODEL_PORT, Candidates, candidate_of
from bench.dataplane.collector import Collector, running_collector
from bench.dataplane.load import Load
from bench.dataplane.scale import Scale
from bench.dataplane.traffic import configuration
from bench.report import Bar, Bound, UnsoundRunError
from modelmonitor.core.counting.latency import merge, quantile
from modelmonitor.core.wire.pane import LATENCY_RESPONSE
from tests.cluster.mmcluster.shell import log

RATE: Final = 1000
LIMIT_US: Final = 300.0
_HEADSTART_SECONDS: Final = 1.0
_LEAST_SEEN: Final = 0.99


def measure(load: Load, candidates: Candidates, scale: Scale) -> list[Bar]:
    """Return the bars of an observer that keeps up, and of one that was stopped for a while."""
    return [
        _measure(load, candidates, scale.fidelity_seconds, name, lag)
        for name, lag in (("latency_error", 0.0), ("latency_error_lagging", scale.lag_seconds))
    ]


def _measure(load: Load, candidates: Candidates, seconds: float, name: str, lag: float) -> Bar:
    log.info("latency of panes beside the client's own, observer stopped for %.0f s", lag)
    with (
        running_collector(candidates.folder, upstream=MODEL_PORT) as collector,
        ThreadPoolExecutor(1) as pool,
    ):
        collector.configure(configuration())
        sending = pool.submit(load.at_rate, collector.port, RATE, seconds, 0.0)
        if lag:
            time.sleep(_HEADSTART_SECONDS)
            _stop_for(collector.observer, lag)
        result = sending.result()
        seen = candidate_of(collector).drained(result.requests)
        if seen < _LEAST_SEEN * result.requests:
            raise UnsoundRunError(f"{name}: only {seen} of {result.requests} requests were seen")
        observed = _median_us(collector)
    return Bar(
        name=name,
        unit="us",
        ours=observed,
        peer=result.from_sent.p50,
        ratio=observed / result.from_sent.p50,
        bound=Bound(of="difference", operator="<=", limit=LIMIT_US),
        notes=(f"difference={observed - result.from_sent.p50:.0f}us",),
    )


def _stop_for(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def _median_us(collector: Collector) -> float:
    counts = merge(
        pane.latency[LATENCY_RESPONSE]
        for pane in collector.panes
        if LATENCY_RESPONSE in pane.latency
    )
    median = quantile(counts, 0.5)
    if median is None:
        raise UnsoundRunError("the panes hold no latency")
    return 1e6 * median
