"""Each accident of the observer under every kind of traffic: clients notice none."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelmonitor.core.wire.pane import GRPC_CODE_PREFIX, Pane
from tests.collector.harness import configuration_for, eventually, running_collector
from tests.collector.observer_faults import FAULTS
from tests.collector.raw_model import raw_model
from tests.collector.traffic import CallClient, MemoryWatch, any_echo, traffic

MOST_GROWTH = 16 * 1024 * 1024
LIMIT = 256 * 1024 * 1024
CLIENTS = 10


@pytest.mark.parametrize("fault", FAULTS)
def test_no_client_notices_what_happens_to_the_observer(fault: str, tmp_path: Path) -> None:
    with raw_model(any_echo) as model, running_collector(tmp_path, model.port) as collector:
        collector.configure(configuration_for())
        with traffic(collector.port) as running:
            running.more(5)
            with MemoryWatch(collector) as memory:
                FAULTS[fault](collector, 2.0)
            running.more(5)
            collector.pull()
            collector.panes.clear()
            collector.pull_until(_all_seen, "requests of all kinds are seen, and none is dropped")
        assert running.failed == []
        assert memory.growth <= MOST_GROWTH


def _all_seen(panes: list[Pane]) -> bool:
    """Return whether a pane lost nothing and has HTTP/1.1 and gRPC, on connections of before."""
    return any(
        not pane.droppedBytes
        and pane.requests.codes.get("200", 0) > 0
        and pane.requests.codes.get(f"{GRPC_CODE_PREFIX}0", 0) > 0
        for pane in panes
    )


def test_no_call_is_missing_when_only_bodies_do_not_fit(tmp_path: Path) -> None:
    """As the observer stood still, almost 200 MB went by; what it has to know fitted."""
    calls, body = 200, bytes(150_000)
    with raw_model(any_echo) as model, running_collector(tmp_path, model.port) as collector:
        collector.configure(configuration_for())
        stopped = collector.kill("mm-observer", signal.SIGSTOP)
        clients = [CallClient(collector.port, body) for _ in range(3)]
        with ThreadPoolExecutor() as pool:
            wrong = list(pool.map(lambda client: [client.ask() for _ in range(calls)], clients))
        assert [error for errors in wrong for error in errors if error] == []
        os.kill(stopped, signal.SIGCONT)
        panes = collector.pull_seen(len(clients) * calls)
        for client in clients:
            client.close()
    assert sum(pane.requests.seen for pane in panes) == len(clients) * calls
    assert {code for pane in panes for code in pane.requests.codes} == {f"{GRPC_CODE_PREFIX}0"}
    assert sum(pane.droppedBytes for pane in panes) > len(clients) * calls * len(body)
    assert sum(pane.latency["Response"].count for pane in panes if pane.latency) == (
        len(clients) * calls
    )


LEAKING = """
import os, sys, threading, time
from pathlib import Path
from modelmonitor.collector import main, processes
from modelmonitor.collector.observer import process

processes._CGROUP_LIMITS = (Path(sys.argv[1]),)
observe = process.run

def leak():
    kept = []
    while True:
        try:
            kept.append(b"x" * (1 << 20))
        except MemoryError:
            pass
        time.sleep(0.005)

def leaking(*arguments, **more):
    threading.Thread(target=leak, daemon=True).start()
    observe(*arguments, **more)

process.run = leaking
sys.exit(main.run(os.environ))
"""


def test_an_observer_that_leaks_is_replaced_below_the_containers_limit(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{LIMIT}\n")
    program = ("-c", LEAKING, str(limit))
    with (
        raw_model(any_echo) as model,
        running_collector(tmp_path, model.port, program=program) as collector,
        traffic(collector.port, "short", "gRPC") as running,
    ):
        observers, most = set[int](), 0

        def replaced() -> bool:
            nonlocal most
            pids = collector.children()
            observers.update(pid for name, pid in pids.items() if name == "mm-observer")
            most = max(most, sum(map(held_by, [collector.process.pid, *pids.values()])))
            return len(observers) > 3

        eventually(replaced, "the observer is replaced three times")
        running.more(5)
        assert running.failed == []
        assert LIMIT // 3 < most < LIMIT


def test_a_killed_splice_fails_only_what_is_in_flight_and_is_back_at_once(tmp_path: Path) -> None:
    with raw_model(any_echo) as model, running_collector(tmp_path, model.port) as collector:
        with traffic(collector.port) as running:
            running.more(5)
            collector.kill("mm-splice")
            running.more(20)
        # Each client has one request in flight; one more may go out on a connection whose end the
        # client has not read yet.
        assert len(running.failed) <= 2 * CLIENTS
        failed = len(running.failed)
        with traffic(collector.port) as running:
            running.more(5)
        assert running.failed == []
        assert failed > 0


def held_by(pid: int) -> int:
    """Return the bytes of a process in memory, shared ones in part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
