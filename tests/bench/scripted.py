"""Candidates and load whose figures are known beforehand."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.dataplane.candidates import (
    AGENT,
    AIOHTTP,
    AIOHTTP_UVLOOP,
    DIRECT,
    NGINX,
    OURS,
    Candidate,
    Candidates,
    Cost,
)
from bench.dataplane.install import Programs
from bench.dataplane.load import ClosedLoopResult, Load, OpenLoopResult, Quantiles
from bench.dataplane.scale import QUICK, Scale

NAMES = (DIRECT, NGINX, OURS, AIOHTTP, AIOHTTP_UVLOOP, AGENT)
NOWHERE = Path("/nonexistent")
SCALE: Scale = replace(QUICK, open_repetitions=3, closed_repetitions=3)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a candidate is made to show.

    Attributes
    ----------
    latency_us
        Of every quantile.
    forwarding_us, observing_us
        Processor time of one request.
    rate
        Requests per second at saturation.
    seen
        Share of requests that it observes; with 0 it cannot say.
    """

    latency_us: float = 100.0
    forwarding_us: float = 10.0
    observing_us: float = 0.0
    rate: float = 10_000.0
    seen: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ScriptedCandidate(Candidate):
    """Costs what it is told to."""

    used: Callable[[], Cost]

    def cost(self) -> Cost:
        return self.used()


@dataclass
class World:
    """Requests that were sent, by candidate."""

    figures: dict[str, Figures]
    sent: dict[str, int] = field(default_factory=dict)

    def send(self, port: int, requests: int) -> Figures:
        """Count requests that went to a port; return what its candidate shows."""
        name = NAMES[port]
        self.sent[name] = self.sent.get(name, 0) + requests
        return self.figures[name]

    def cost(self, name: str) -> Cost:
        requests, figures = self.sent.get(name, 0), self.figures[name]
        return Cost(
            forwarding=1e-6 * figures.forwarding_us * requests,
            observing=1e-6 * figures.observing_us * figures.seen * requests,
            others=0.0,
        )

    def seen(self, name: str) -> int:
        return int(self.sent.get(name, 0) * self.figures[name].seen)


@dataclass(frozen=True, kw_only=True)
class ScriptedLoad(Load):
    """Sends nothing, at any rate."""

    world: World

    def at_rate(
        self, port: int, rate: float, seconds: float, warmup: float = 1.0
    ) -> OpenLoopResult:
        figures = self.world.send(port, round(rate * (seconds + warmup)))
        latency = figures.latency_us if rate <= figures.rate else 1e6
        quantiles = Quantiles(p50=latency, p90=latency, p99=latency, max=latency)
        requests = round(rate * seconds)
        return OpenLoopResult(
            requests=requests,
            answered=requests,
            failed=0,
            late=0,
            from_due=quantiles,
            from_sent=quantiles,
        )

    def closed(self, port: int, connections: int, seconds: float) -> ClosedLoopResult:
        figures = self.world.figures[NAMES[port]]
        answered = round(figures.rate * seconds)
        self.world.send(port, answered)
        return ClosedLoopResult(answered=answered, seconds=seconds, failed=0, p50=1.0, p99=2.0)


@dataclass(frozen=True, kw_only=True)
class ScriptedCandidates(Candidates):
    """Starts nothing."""

    world: World

    def running(self, name: str) -> AbstractContextManager[Candidate]:
        return self._running(name)

    @contextmanager
    def _running(self, name: str) -> Iterator[Candidate]:
        self.world.sent.pop(name, None)
        yield ScriptedCandidate(
            name=name,
            port=NAMES.index(name),
            seen=(lambda: self.world.seen(name)) if self.world.figures[name].seen else None,
            used=lambda: self.world.cost(name),
        )


def scripted(**figures: Figures) -> tuple[ScriptedLoad, ScriptedCandidates]:
    """Return load and candidates; of those that are not named, the usual figures."""
    names = {name: name.replace("-", "_") for name in NAMES}
    world = World({name: figures.get(word, Figures()) for name, word in names.items()})
    programs = Programs(nginx=NOWHERE, wrk=NOWHERE, openloop=NOWHERE, agent=NOWHERE)
    return (
        ScriptedLoad(openloop=NOWHERE, wrk=NOWHERE, path="/", body=NOWHERE, world=world),
        ScriptedCandidates(programs=programs, folder=NOWHERE, world=world),
    )
