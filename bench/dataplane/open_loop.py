"""Added latency, and what ours costs, at rates that real models see."""

import statistics
from collections import defaultdict
from typing import Final

from bench.dataplane.candidates import AIOHTTP, DIRECT, NGINX, OURS, Candidates
from bench.dataplane.load import Load, OpenLoopResult
from bench.dataplane.scale import Scale
from bench.report import Bar, Bound, UnsoundRunError, figure, ratios, table
from tests.cluster.mmcluster.shell import log

RATES: Final = (200, 1000)
"""Requests per second."""
THRIFT_RATE: Final = 200
"""The rate at which millicores are counted."""
WARMUP_SECONDS: Final = 1.0
LEAST_SEEN: Final = 0.99
_ORDER: Final = (DIRECT, NGINX, OURS, AIOHTTP)


def measure(load: Load, candidates: Candidates, scale: Scale) -> list[Bar]:
    """Return the bars of both rates."""
    return [bar for rate in RATES for bar in _measure_rate(load, candidates, scale, rate)]


def _measure_rate(load: Load, candidates: Candidates, scale: Scale, rate: int) -> list[Bar]:
    results: dict[str, list[OpenLoopResult]] = defaultdict(list)
    millicores: dict[str, list[float]] = defaultdict(list)
    seconds = max(scale.open_seconds, scale.open_requests / rate)
    everything = round(rate * (seconds + WARMUP_SECONDS))
    for repetition in range(scale.open_repetitions):
        log.info("%d requests/s: repetition %d of %d", rate, repetition + 1, scale.open_repetitions)
        # Each goes first, second, … equally often: what drifts over minutes hits all alike.
        turn = repetition % len(_ORDER)
        for name in _ORDER[turn:] + _ORDER[:turn]:
            with candidates.running(name) as candidate:
                before = candidate.cost()
                result = load.at_rate(candidate.port, rate, seconds, WARMUP_SECONDS)
                used = (candidate.cost() - before).total
                if candidate.seen is not None:
                    _require_seen(name, candidate.drained(everything), everything)
            results[name].append(result)
            millicores[name].append(1e3 * used / (seconds + WARMUP_SECONDS))
    print(_table(rate, results, millicores), flush=True)
    bars = [_added("p50", 1.1, rate, results), _added("p99", 1.5, rate, results)]
    if rate == THRIFT_RATE:
        ours, peer = (statistics.median(millicores[name]) for name in (OURS, AIOHTTP))
        bound = Bound(of="ours", operator="<=", limit=50.0)
        name = f"millicores_at_{rate}"
        bars.append(Bar(name=name, unit="m", ours=ours, peer=peer, ratio=ours / peer, bound=bound))
    return bars


def _require_seen(name: str, seen: int, requests: int) -> None:
    if seen < LEAST_SEEN * requests:
        raise UnsoundRunError(f"{name} observed only {seen} of {requests} requests")


def _added(quantile: str, limit: float, rate: int, results: dict[str, list[OpenLoopResult]]) -> Bar:
    def added(name: str) -> list[float]:
        return [
            float(getattr(mine.from_due, quantile) - getattr(none.from_due, quantile))
            for mine, none in zip(results[name], results[DIRECT], strict=True)
        ]

    ours, peer = added(OURS), added(NGINX)
    both = ratios(ours, peer)
    return Bar(
        name=f"added_{quantile}_at_{rate}",
        unit="us",
        ours=statistics.median(ours),
        peer=statistics.median(peer),
        ratio=both.median,
        bound=Bound(of="ratio", operator="<=", limit=limit),
        notes=both.notes,
    )


def _table(
    rate: int,
    results: dict[str, list[OpenLoopResult]],
    millicores: dict[str, list[float]],
) -> str:
    rows = []
    for name in _ORDER:
        runs = results[name]
        rows.append(
            [
                name,
                figure(statistics.median(run.from_due.p50 for run in runs)),
                figure(statistics.median(run.from_due.p90 for run in runs)),
                figure(statistics.median(run.from_due.p99 for run in runs)),
                figure(max(run.from_due.max for run in runs)),
                figure(100 * sum(r.late for r in runs) / sum(r.requests for r in runs)),
                figure(statistics.median(millicores[name])),
            ]
        )
    head = ["", "p50 µs", "p90 µs", "p99 µs", "max µs", "late %", "millicores"]
    return table(f"Open loop, {rate} requests/s, medians of repetitions", head, rows)
