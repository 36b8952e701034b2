"""Processor time per request, and requests per second through one core, at saturation."""

import statistics
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
from bench.dataplane.capacity import highest_rate
from bench.dataplane.load import ClosedLoopResult, Load
from bench.dataplane.scale import Scale
from bench.report import Bar, Bound, Ratios, figure, quotient, ratios, table
from tests.cluster.mmcluster.shell import log

CONNECTIONS: Final = (16, 64)
AGENT_CONNECTIONS: Final = 16
"""With more the agent takes gigabytes within seconds: it queues what it cannot send."""


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
    """Return the bars of all numbers of connections, and of the rate that is fully observed."""
    bars: list[Bar] = []
    told: list[str] = []
    nginx_rate = 0.0
    for connections in CONNECTIONS:
        runs = _runs(load, candidates, scale, connections)
        print(_table(connections, runs), flush=True)
        bars += _own_bars(runs, connections)
        if AGENT in runs:
            bars += _agent_bars(runs, connections)
        nginx_rate = max(nginx_rate, _middle(runs[NGINX], lambda run: run.rate))
        told.append(
            f"unpaced_c{connections}={_middle(runs[OURS], lambda run: run.rate):.0f}/s"
            f",{_seen(runs[OURS])}"
        )
    rate = highest_rate(load, candidates, scale)
    observed = Bar(
        name="rate_observed",
        unit="/s",
        ours=rate,
        peer=nginx_rate,
        ratio=rate / nginx_rate,
        bound=Bound(of="ours", operator=">=", limit=25_000.0),
        notes=tuple(told),
    )
    return [*bars, observed]


def _runs(
    load: Load, candidates: Candidates, scale: Scale, connections: int
) -> dict[str, list[Run]]:
    """Return the runs of each candidate."""
    names = [DIRECT, NGINX, OURS, AIOHTTP]
    if connections == AGENT_CONNECTIONS:
        names += [AIOHTTP_UVLOOP, AGENT]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for repetition in range(scale.closed_repetitions):
        turn = repetition % len(names)
        for name in names[turn:] + names[:turn]:
            log.info(
                "%d connections, %s: repetition %d of %d",
                *(connections, name, repetition + 1, scale.closed_repetitions),
            )
            runs[name].append(_run(load, candidates, name, connections, scale.closed_seconds))
    return runs


def _run(load: Load, candidates: Candidates, name: str, connections: int, seconds: float) -> Run:
    with candidates.running(name) as candidate:
        before = candidate.cost()
        result = load.closed(candidate.port, connections, seconds)
        seen = candidate.drained(result.answered)
        return Run(load=result, cost=candidate.cost() - before, seen=seen)


def _own_bars(runs: dict[str, list[Run]], connections: int) -> list[Bar]:
    suffix = f"c{connections}"
    splice, nginx = (_middle(runs[name], lambda run: run.forwarding_us) for name in (OURS, NGINX))
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
            ours=_middle(runs[OURS], lambda run: run.observing_us),
            bound=Bound(of="ours", operator="<=", limit=15.0),
            notes=(_seen(runs[OURS]),),
        ),
        _times_less(f"cpu_aiohttp_{suffix}", runs, AIOHTTP, 7.0),
    ]


def _agent_bars(runs: dict[str, list[Run]], connections: int) -> list[Bar]:
    ours, agent = ([run.rate for run in runs[name]] for name in (OURS, AGENT))
    faster = ratios(ours, agent)
    return [
        _times_less(f"cpu_kserve_agent_c{connections}", runs, AGENT, 9.0),
        Bar(
            name=f"rate_kserve_agent_c{connections}",
            unit="/s",
            ours=statistics.median(ours),
            peer=statistics.median(agent),
            ratio=faster.median,
            bound=Bound(of="ratio", operator=">=", limit=5.0),
            notes=(*faster.notes, _seen(runs[OURS])),
        ),
    ]


def _times_less(name: str, runs: dict[str, list[Run]], peer: str, limit: float) -> Bar:
    """Return how many times less processor time one observed request takes."""

    def times_less(than: str) -> Ratios:
        theirs = [run.total_us for run in runs[than]]
        return ratios(theirs, [run.total_us for run in runs[OURS]])

    less = times_less(peer)
    variant = f"{peer}-uvloop"
    told = (f"with_uvloop={quotient(times_less(variant).median)}",) if variant in runs else ()
    return Bar(
        name=name,
        unit="us",
        ours=_middle(runs[OURS], lambda run: run.total_us),
        peer=_middle(runs[peer], lambda run: run.total_us),
        ratio=less.median,
        bound=Bound(of="ratio", operator=">=", limit=limit),
        notes=(*less.notes, *told),
    )


def _middle(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    return statistics.median(of(run) for run in runs)


def _seen(runs: Sequence[Run]) -> str:
    """Return the least share that was observed, in words of a `BAR` line."""
    return f"seen={min(run.seen_share for run in runs):.3f}"


def _table(connections: int, runs: dict[str, list[Run]]) -> str:
    rows = []
    for name, mine in runs.items():
        observes = any(run.seen for run in mine)
        beside = _middle(mine, lambda run: run.observing_us)
        rows.append(
            [
                name,
                figure(_middle(mine, lambda run: run.rate)),
                figure(_middle(mine, lambda run: run.load.p50)),
                figure(_middle(mine, lambda run: run.load.p99)),
                figure(_middle(mine, lambda run: run.forwarding_us)),
                figure(beside) if beside else "",
                f"{100 * min(run.seen_share for run in mine):.1f}" if observes else "",
            ]
        )
    head = ["", "req/s", "p50 µs", "p99 µs", "CPU µs in path", "beside it", "seen %"]
    title = f"Closed loop, {connections} connections, medians of repetitions"
    return table(title, head, rows)
