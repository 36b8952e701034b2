"""Processor time per request, and requests per second through one core, at saturation."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.dataplane.candidates import (
    AGENT,
    AIOHTTP,
    AIOHTTP_UVLOOP,
    DIRECT,
    NGINX,
    OURS,
    Candidates,
    Cost,
)
from bench.dataplane.load import ClosedLoopResult, Load
from bench.dataplane.report import Bar, Bound, Ratios, figure, ratios, table
from bench.dataplane.scale import Scale
from tests.cluster.mmcluster.shell import log

CONNECTIONS: Final = (16, 64)
AGENT_CONNECTIONS: Final = 16
"""With more the agent takes gigabytes within seconds: it queues what it cannot send."""
EVERYTHING: Final = 0.99
"""Share of requests that have to be seen; the rest are those in flight at the end."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One candidate under load, until it had observed what it could."""

    load: ClosedLoopResult
    cost: Cost
    seen: int

    @property
    def rate(self) -> float:
        """Return answers per second."""
        return self.load.rate

    @property
    def total_us(self) -> float:
        """Return the processor time of one request that is observed, in microseconds."""
        return self.forwarding_us + self.observing_us

    @property
    def forwarding_us(self) -> float:
        """Return that of the processes in the path, and of those that only sleep."""
        return 1e6 * (self.cost.forwarding + self.cost.others) / self.load.answered

    @property
    def observing_us(self) -> float:
        """Return that of the processes beside the path, for each request they saw."""
        return 1e6 * self.cost.observing / max(self.seen, 1)

    @property
    def seen_share(self) -> float:
        """Return the share of answered requests that were observed."""
        return self.seen / self.load.answered


def measure(load: Load, candidates: Candidates, scale: Scale) -> list[Bar]:
    """Return the bars of all numbers of connections."""
    return [bar for count in CONNECTIONS for bar in _measure(load, candidates, scale, count)]


def _measure(load: Load, candidates: Candidates, scale: Scale, connections: int) -> list[Bar]:
    names = [DIRECT, NGINX, OURS, AIOHTTP]
    if connections == AGENT_CONNECTIONS:
        names += [AIOHTTP_UVLOOP, AGENT]
    runs: dict[str, list[Run]] = defaultdict(list)
    for repetition in range(scale.closed_repetitions):
        for name in names[repetition % len(names) :] + names[: repetition % len(names)]:
            log.info(
                "%d connections, %s: repetition %d of %d",
                *(connections, name, repetition + 1, scale.closed_repetitions),
            )
            runs[name].append(_run(load, candidates, name, connections, scale.closed_seconds))
    print(_table(connections, names, runs), flush=True)
    bars = _own_bars(runs, connections)
    if AGENT in names:
        bars += _agent_bars(runs, connections)
    return bars


def _run(load: Load, candidates: Candidates, name: str, connections: int, seconds: float) -> Run:
    with candidates.running(name) as candidate:
        before = candidate.cost()
        result = load.closed(candidate.port, connections, seconds)
        seen = candidate.drained(result.answered)
        return Run(load=result, cost=candidate.cost() - before, seen=seen)


def _own_bars(runs: dict[str, list[Run]], connections: int) -> list[Bar]:
    def middle(name: str, of: Callable[[Run], float]) -> float:
        return statistics.median(of(run) for run in runs[name])

    suffix = f"c{connections}"
    splice, nginx = (middle(name, lambda run: run.forwarding_us) for name in (OURS, NGINX))
    seen = min(run.seen_share for run in runs[OURS])
    rate, nginx_rate = (middle(name, lambda run: run.rate) for name in (OURS, NGINX))
    return [
        Bar(
            name=f"cpu_splice_{suffix}",
            unit="us",
            ours=splice,
            peer=nginx,
            ratio=splice / nginx,
            bound=Bound(of="ours", operator="<=", limit=25.0),
        ),
        Bar(
            name=f"cpu_observer_{suffix}",
            unit="us",
            ours=middle(OURS, lambda run: run.observing_us),
            bound=Bound(of="ours", operator="<=", limit=15.0),
        ),
        _times_less(f"cpu_aiohttp_{suffix}", runs[OURS], runs[AIOHTTP], 7.0, runs[AIOHTTP_UVLOOP]),
        Bar(
            name=f"rate_{suffix}",
            unit="/s",
            ours=rate,
            peer=nginx_rate,
            ratio=rate / nginx_rate,
            bound=Bound(of="ours", operator=">=", limit=25_000.0),
            also=seen >= EVERYTHING,
            notes=(f"seen={seen:.3f}",),
        ),
    ]


def _agent_bars(runs: dict[str, list[Run]], connections: int) -> list[Bar]:
    ours, agent = ([run.rate for run in runs[name]] for name in (OURS, AGENT))
    faster = ratios(ours, agent)
    return [
        _times_less(f"cpu_kserve_agent_c{connections}", runs[OURS], runs[AGENT], 9.0),
        Bar(
            name=f"rate_kserve_agent_c{connections}",
            unit="/s",
            ours=statistics.median(ours),
            peer=statistics.median(agent),
            ratio=faster.median,
            bound=Bound(of="ratio", operator=">=", limit=5.0),
            notes=faster.notes,
        ),
    ]


def _times_less(
    name: str, ours: list[Run], peer: list[Run], limit: float, variant: Sequence[Run] = ()
) -> Bar:
    """Return how many times less processor time a request takes; a variant is told, not judged."""

    def times_less(than: Sequence[Run]) -> Ratios:
        return ratios([run.total_us for run in than], [run.total_us for run in ours])

    less = times_less(peer)
    told = (f"with_uvloop={times_less(variant).median:.2f}",) if variant else ()
    return Bar(
        name=name,
        unit="us",
        ours=statistics.median(run.total_us for run in ours),
        peer=statistics.median(run.total_us for run in peer),
        ratio=less.median,
        bound=Bound(of="ratio", operator=">=", limit=limit),
        notes=(*less.notes, *told),
    )


def _beside(runs: list[Run]) -> str:
    costs = [run.observing_us for run in runs]
    return figure(statistics.median(costs)) if any(costs) else ""


def _table(connections: int, names: list[str], runs: dict[str, list[Run]]) -> str:
    rows = []
    for name in names:
        mine = runs[name]
        observes = any(run.seen for run in mine)
        rows.append(
            [
                name,
                figure(statistics.median(run.rate for run in mine)),
                figure(statistics.median(run.load.p50 for run in mine)),
                figure(statistics.median(run.load.p99 for run in mine)),
                figure(statistics.median(run.forwarding_us for run in mine)),
                _beside(mine),
                f"{100 * min(run.seen_share for run in mine):.1f}" if observes else "",
            ]
        )
    head = ["", "req/s", "p50 µs", "p99 µs", "CPU µs in path", "beside it", "seen %"]
    title = f"Closed loop, {connections} connections, medians of repetitions"
    return table(title, head, rows)
