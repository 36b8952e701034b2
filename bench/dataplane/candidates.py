"""Ways from the client to the model: none at all, ours, and what users would run otherwise."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.dataplane import nginx
from bench.dataplane.collector import Collector, running_collector
from bench.dataplane.install import Programs
from bench.dataplane.machine import PATH_CPU, cpu_seconds, pinned
from bench.dataplane.process import LOOPBACK, running
from bench.dataplane.traffic import FEATURES, INTERVAL, configuration
from bench.report import UnsoundRunError

MODEL_PORT: Final = 18080
NGINX_PORT: Final = 18082
AIOHTTP_PORT: Final = 18083
AGENT_PORT: Final = 18084
SINK_PORT: Final = 18085

DIRECT: Final = "direct"
NGINX: Final = "nginx"
OURS: Final = "ours"
AIOHTTP: Final = "aiohttp"
"""As `web.run_app` runs it."""
AIOHTTP_UVLOOP: Final = "aiohttp-uvloop"
AGENT: Final = "kserve-agent"

DRAIN_SECONDS: Final = 120.0
STUCK_SECONDS: Final = INTERVAL + 2.0
"""Without a new observation for so long, nothing more is coming: panes are read when they close."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Processor seconds."""

    forwarding: float
    observing: float
    others: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(
            forwarding=self.forwarding - other.forwarding,
            observing=self.observing - other.observing,
            others=self.others - other.others,
        )

    @property
    def total(self) -> float:
        """Return the sum."""
        return self.forwarding + self.observing + self.others


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way that requests can take.

    Attributes
    ----------
    name
        What it is called in tables.
    port
        Where clients come to.
    forwarding
        Processes in the path.
    observing
        Processes beside it that look at what passes.
    others
        What else belongs to it, such as a supervisor that sleeps.
    seen
        Says how many requests were observed so far; None: it observes nothing.
    """

    name: str
    port: int
    forwarding: tuple[int, ...] = ()
    observing: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    seen: Callable[[], int] | None = field(default=None, repr=False)

    def cost(self) -> Cost:
        """Return what it has used so far."""
        return Cost(
            forwarding=cpu_seconds(self.forwarding),
            observing=cpu_seconds(self.observing),
            others=cpu_seconds(self.others),
        )

    def drained(self, target: int) -> int:
        """Wait until `target` requests were observed or nothing more comes; return how many."""
        if self.seen is None:
            return 0
        seen, moved = self.seen(), time.monotonic()
        end = moved + DRAIN_SECONDS
        while seen < target and time.monotonic() < min(end, moved + STUCK_SECONDS):
            time.sleep(0.1)
            before, seen = seen, self.seen()
            if seen > before:
                moved = time.monotonic()
        return seen


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Starts candidates in front of the model.

    Attributes
    ----------
    programs
        What they run.
    folder
        For their files.
    """

    programs: Programs
    folder: Path

    def running(self, name: str) -> AbstractContextManager[Candidate]:
        """Run one candidate until the block ends."""
        return {
            DIRECT: self._direct,
            NGINX: self._nginx,
            OURS: self._ours,
            AIOHTTP: lambda: self._aiohttp(AIOHTTP, "asyncio"),
            AIOHTTP_UVLOOP: lambda: self._aiohttp(AIOHTTP_UVLOOP, "uvloop"),
            AGENT: self._agent,
        }[name]()

    @contextmanager
    def _direct(self) -> Iterator[Candidate]:
        yield Candidate(name=DIRECT, port=MODEL_PORT)

    @contextmanager
    def _nginx(self) -> Iterator[Candidate]:
        with nginx.running_proxy(
            self.programs.nginx, self.folder, cpu=PATH_CPU, port=NGINX_PORT, upstream=MODEL_PORT
        ) as pids:
            yield Candidate(name=NGINX, port=NGINX_PORT, forwarding=tuple(pids))

    @contextmanager
    def _ours(self) -> Iterator[Candidate]:
        with running_collector(self.folder, upstream=MODEL_PORT) as collector:
            collector.configure(configuration(FEATURES))
            yield candidate_of(collector)

    @contextmanager
    def _aiohttp(self, name: str, loop: str) -> Iterator[Candidate]:
        command = _program("aiohttp_proxy", AIOHTTP_PORT, MODEL_PORT, FEATURES, loop)
        log = self.folder / f"{name}.log"
        with running(name, command, port=AIOHTTP_PORT, log=log) as process:
            yield Candidate(
                name=name,
                port=AIOHTTP_PORT,
                forwarding=(process.pid,),
                seen=lambda: _seen_at(AIOHTTP_PORT),
            )

    @contextmanager
    def _agent(self) -> Iterator[Candidate]:
        """Run KServe's agent as its injector does, logging to a sink of ours."""
        probe = {"tcpSocket": {"host": LOOPBACK, "port": MODEL_PORT}}
        command = pinned(
            PATH_CPU,
            *(self.programs.agent, f"--port={AGENT_PORT}", f"--component-port={MODEL_PORT}"),
            *(f"--log-url=http://{LOOPBACK}:{SINK_PORT}", "--log-mode=all", "--source-uri=m-0"),
            *("--inference-service=m", "--namespace=ns", "--endpoint=default"),
            *("--component=predictor", "--logger-tls-skip-verify=false"),
        )
        environment = {**os.environ, "SERVING_READINESS_PROBE": json.dumps(probe)}
        sink_command = _program("sink", SINK_PORT, FEATURES)
        with (
            running("sink", sink_command, port=SINK_PORT, log=self.folder / "sink.log") as sink,
            # It writes two lines an event, which would cost it a tenth of its time.
            running(
                AGENT, command, port=AGENT_PORT, log=Path(os.devnull), environment=environment
            ) as agent,
        ):
            yield Candidate(
                name=AGENT,
                port=AGENT_PORT,
                forwarding=(agent.pid,),
                observing=(sink.pid,),
                seen=lambda: _seen_at(SINK_PORT),
            )


def candidate_of(collector: Collector) -> Candidate:
    """Return a running collector as a way that requests can take."""
    return Candidate(
        name=OURS,
        port=collector.port,
        forwarding=(collector.splice,),
        observing=(collector.observer,),
        others=(collector.supervisor,),
        seen=collector.seen,
    )


def _program(name: str, *arguments: int | str) -> list[str]:
    return pinned(PATH_CPU, sys.executable, "-m", f"bench.dataplane.programs.{name}", *arguments)


def _seen_at(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/seen", timeout=30.0) as answer:
            return int(answer.read())
    except OSError as error:
        raise UnsoundRunError(f"port {port} does not say what was seen: {error}") from error
