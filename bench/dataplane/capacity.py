"""How much one core forwards while everything that passes is observed as well.

As fast as clients can send is not the question: the observer gives way to the path, so at that rate
the surplus is forwarded and dropped from the copy. So the rate is raised in steps, until clients
wait or requests go unseen.
"""

from dataclasses import dataclass
from typing import Final

from bench.dataplane.candidates import OURS, Candidates, Cost
from bench.dataplane.load import Load, OpenLoopResult
from bench.dataplane.scale import Scale
from bench.report import UnsoundRunError, figure, table
from tests.cluster.mmcluster.shell import log

RATES: Final = (5_000, 10_000, 15_000, 20_000, 25_000, 30_000, 35_000, 40_000)
"""Requests per second."""
EVERYTHING: Final = 0.99
"""Share of requests that have to be seen; the rest are those in flight at the end."""
PATIENCE_US: Final = 50_000.0
"""A 99th percentile beyond it means that requests queue: the rate is more than the core gives."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rate."""

    rate: int
    load: OpenLoopResult
    cost: Cost
    seen: int

    @property
    def sustained(self) -> bool:
        """Return whether clients did not wait and everything was seen."""
        everything = self.seen >= EVERYTHING * self.load.requests
        return everything and self.load.from_due.p99 <= PATIENCE_US


def highest_rate(load: Load, candidates: Candidates, scale: Scale) -> int:
    """Return the highest rate at which everything is observed; 0 if there is none."""
    steps: list[Step] = []
    for rate in RATES:
        log.info("%d requests/s: is everything observed?", rate)
        try:
            steps.append(_step(load, candidates, rate, scale.closed_seconds))
        except UnsoundRunError as error:
            log.info("no: %s", error)
            break
        if not steps[-1].sustained:
            break
    print(_table(steps), flush=True)
    return max((step.rate for step in steps if step.sustained), default=0)


def _step(load: Load, candidates: Candidates, rate: int, seconds: float) -> Step:
    with candidates.running(OURS) as candidate:
        before = candidate.cost()
        result = load.at_rate(candidate.port, rate, seconds, 0.0)
        seen = candidate.drained(result.requests)
        return Step(rate=rate, load=result, cost=candidate.cost() - before, seen=seen)


def _table(steps: list[Step]) -> str:
    rows = [
        [
            str(step.rate),
            figure(step.load.from_due.p50),
            figure(step.load.from_due.p99),
            figure(1e6 * step.cost.forwarding / step.load.answered),
            figure(1e6 * step.cost.observing / max(step.seen, 1)),
            f"{100 * step.seen / step.load.requests:.1f}",
        ]
        for step in steps
    ]
    head = ["requests/s", "p50 µs", "p99 µs", "CPU µs in path", "beside it", "seen %"]
    return table("Ours on one core, until not everything is observed", head, rows)
