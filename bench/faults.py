"""What clients notice when the collector's parts die, hang, lag or leak, by kind of traffic.

    uv run --extra operator python bench/faults.py [--quick]

Each accident of the observer lasts six seconds (two with `--quick`) under one kind of traffic, on
real processes. Of each: requests that failed, how much the splice's memory grew at the worst
moment, and how long after it a pane was whole again. Then an observer that leaks below a limit of
256 MiB, and splices that are killed while new clients come.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.report import Bar, Bound, summary
from modelmonitor.core.wire.pane import GRPC_CODE_PREFIX, Pane
from tests.collector.harness import Collector, configuration_for, eventually, running_collector
from tests.collector.load import post
from tests.collector.observer_faults import FAULTS
from tests.collector.raw_model import raw_model
from tests.collector.test_fault_matrix import LEAKING, LIMIT, held_by
from tests.collector.traffic import KINDS, SHORT, MemoryWatch, any_echo, traffic

MEBIBYTE: Final = 1024.0 * 1024.0
SECONDS: Final = 6.0
QUICK_SECONDS: Final = 2.0
LEAKS: Final = 5
KILLS: Final = 7
MOST_BACK: Final = 15.0
"""Seconds: a process that keeps dying is started again after at most ten."""


@contextmanager
def collector_before_a_model(program: tuple[str, ...] = ()) -> Iterator[Collector]:
    """Run both; what they log is thrown away."""
    with tempfile.TemporaryDirectory() as folder, raw_model(any_echo) as model:
        words = program or ("-m", "modelmonitor", "collector")
        with running_collector(Path(folder), model.port, program=words, shown=False) as collector:
            collector.configure(configuration_for())
            yield collector


def accident(fault: str, kind: str, seconds: float) -> list[Bar]:
    """Let something happen to the observer under one kind of traffic."""
    with collector_before_a_model() as collector:
        with traffic(collector.port, kind) as running:
            running.more(5)
            with MemoryWatch(collector) as memory:
                FAULTS[fault](collector, seconds)
            over = time.monotonic()
            collector.pull()
            collector.panes.clear()
            collector.pull_until(lambda panes: any(map(whole, panes)), "a pane is whole again")
            back = time.monotonic() - over
        asked = sum(running.succeeded.values())
        name = f"{fault}-{kind}"
        notes = (f"requests={asked}", f"slowest={running.slowest * 1e3:.0f}ms")
        return [
            Bar(
                name=f"faults-failed-{name}",
                ours=len(running.failed),
                bound=Bound(of="ours", operator="<=", limit=0),
                notes=notes,
            ),
            Bar(
                name=f"faults-growth-{name}",
                ours=memory.growth / MEBIBYTE,
                unit="MiB",
                bound=Bound(of="ours", operator="<=", limit=16),
            ),
            Bar(
                name=f"faults-back-{name}",
                ours=back,
                unit="s",
                bound=Bound(of="ours", operator="<=", limit=MOST_BACK),
            ),
        ]


def whole(pane: Pane) -> bool:
    """Return whether a pane saw requests and lost nothing."""
    answered = pane.requests.codes.get("200", 0) + pane.requests.codes.get(
        f"{GRPC_CODE_PREFIX}0", 0
    )
    return answered > 0 and not pane.droppedBytes


def leak() -> list[Bar]:
    """Let observers leak, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        limit = Path(folder) / "memory.max"
        limit.write_text(str(LIMIT))
        with (
            collector_before_a_model(("-c", LEAKING, str(limit))) as collector,
            traffic(collector.port) as running,
        ):
            observers, most = set[int](), 0

            def replaced() -> bool:
                nonlocal most
                pids = collector.children()
                observers.update(pid for name, pid in pids.items() if name == "mm-observer")
                most = max(most, sum(map(held_by, [collector.process.pid, *pids.values()])))
                return len(observers) > LEAKS

            eventually(replaced, "the observer is replaced", deadline=120.0)
    return [
        Bar(
            name="faults-leak-memory",
            ours=most / MEBIBYTE,
            unit="MiB",
            bound=Bound(of="ours", operator="<=", limit=LIMIT / MEBIBYTE),
            notes=(f"observers={len(observers)}",),
        ),
        Bar(
            name="faults-leak-failed",
            ours=len(running.failed),
            bound=Bound(of="ours", operator="<=", limit=0),
            notes=(f"requests={sum(running.succeeded.values())}",),
        ),
    ]


def dying_splice() -> list[Bar]:
    """Kill splices, and see how long a client that comes then waits."""
    gaps: list[float] = []
    failed = 0
    clients = 2 * len(KINDS)
    for _ in range(KILLS):  # one a collector: a splice that dies again and again has to wait
        with collector_before_a_model() as collector, traffic(collector.port) as running:
            running.more(5)
            collector.kill("mm-splice")
            begun = time.monotonic()
            while not answered(collector.port):
                pass
            gaps.append(time.monotonic() - begun)
            running.more(3)
        failed = max(failed, len(running.failed))
    gaps.sort()
    return [
        Bar(
            name="faults-splice-gap",
            ours=gaps[len(gaps) // 2] * 1e3,
            unit="ms",
            bound=Bound(of="ours", operator="<=", limit=100),
            notes=(f"worst={gaps[-1] * 1e3:.0f}ms", f"kills={KILLS}"),
        ),
        Bar(
            name="faults-splice-failed",
            ours=failed,
            bound=Bound(of="ours", operator="<=", limit=clients),
            notes=(f"clients={clients}", "of=the-worst-kill"),
        ),
    ]


def answered(port: int) -> bool:
    """Return whether a new client gets its answer."""
    try:
        return post(port, SHORT) == (200, SHORT)
    except OSError:  # the kernel gave it to the one that died
        return False


def main(words: list[str]) -> int:
    """Measure, print, and return the exit status: 1 if a bar does not hold."""
    seconds = QUICK_SECONDS if "--quick" in words else SECONDS
    lines = []

    def say(bars: list[Bar]) -> None:
        for bar in bars:
            lines.append(str(bar))
            print(bar, flush=True)

    for fault in FAULTS:
        for kind in KINDS:
            say(accident(fault, kind, seconds))
    say(leak())
    say(dying_splice())
    text, holds = summary(lines, [])
    print(text)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
