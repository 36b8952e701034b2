"""What clients notice of the collector's accidents, and what the panes say of them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.collector.harness import (
    LOOPBACK,
    Collector,
    configuration_for,
    eventually,
    free_port,
    running_collector,
    variables_for,
)
from tests.collector.load import load, post
from tests.collector.raw_model import http_echo, raw_model, read_until

SMALL = b'{"instances": [[1.0, 2.0]]}'
LARGE = b'{"instances": [%s]}' % b", ".join([b"[1.0, 2.0]"] * 20_000)


def test_killing_the_observer_fails_no_request_and_observation_comes_back(
    collector: Collector,
) -> None:
    collector.configure(configuration_for())
    with load(collector.port, SMALL) as running:
        running.more(50)
        for _ in range(3):
            collector.kill("mm-observer")
            running.more(50)
        boots = {pane.bootID for pane in collector.panes}
        collector.pull_until(
            lambda panes: any(
                pane.bootID not in boots and pane.requests.seen > 0 for pane in panes[-2:]
            ),
            "requests are seen again",
        )
    assert running.failed == []


def test_panes_closed_before_the_observer_died_are_still_there(collector: Collector) -> None:
    collector.configure(configuration_for())
    assert post(collector.port, SMALL) == (200, SMALL)
    before = collector.pull_seen(1)[-1]
    collector.kill("mm-observer")
    collector.cursor = ""
    eventually(lambda: _answers(collector), "the pane port answers again")
    kept = collector.poll()
    assert before in kept.panes
    assert kept.bootID != before.bootID
    # A cursor of the dead observer is understood by its successor.
    assert before not in collector.poll(after=f"{before.bootID}:{before.seq}").panes


def test_the_successor_of_a_dead_observer_admits_its_gap(collector: Collector) -> None:
    collector.configure(configuration_for(interval=3600.0))
    eventually(lambda: collector.poll().configDigest != "", "configured")
    collector.kill("mm-observer")
    eventually(lambda: _answers(collector), "the pane port answers again")
    collector.process.send_signal(signal.SIGTERM)
    final = collector.pull_until(lambda panes: bool(panes) and panes[-1].final, "final pane")[-1]
    assert final.observerGapSeconds > 0.5 * (final.end - final.start)


def test_a_stopped_observer_fails_no_request_and_what_did_not_fit_is_counted(
    collector: Collector,
) -> None:
    collector.configure(configuration_for())
    with load(collector.port, LARGE) as running:
        running.more(10)
        stopped = collector.kill("mm-observer", signal.SIGSTOP)
        running.more(200)  # 160 MB both ways; 8 MiB fit
        os.kill(stopped, signal.SIGCONT)
    panes = collector.pull_until(
        lambda panes: sum(pane.droppedBytes for pane in panes) > 0, "bytes were dropped"
    )
    eventually(
        lambda: _sees_all_of_one_more(collector), "requests are seen, and nothing is dropped"
    )
    assert running.failed == []
    assert stopped == collector.children()["mm-observer"]
    dropped = next(pane for pane in panes if pane.droppedBytes)
    assert dropped.copiedBytes + dropped.droppedBytes == dropped.forwardedBytes
    assert not any("none" in pane.requests.codes for pane in panes), "every request was answered"


def test_killing_the_splice_fails_only_what_is_in_flight(collector: Collector) -> None:
    collector.configure(configuration_for())
    with load(collector.port, SMALL, keep_alive=2, single=2) as running:
        running.more(50)
        collector.kill("mm-splice")
        running.more(100)
        failed = len(running.failed)
        collector.pull_until(
            lambda panes: panes[-1:] != [] and panes[-1].requests.seen > 0, "seen again"
        )
        running.more(100)
    # Each of four clients has at most one request in flight, and keep-alive ones may send one
    # more on a connection whose end they have not read yet.
    assert failed <= 4
    assert len(running.failed) == failed


def test_a_model_that_refuses_is_mirrored_until_it_answers(tmp_path: Path) -> None:
    with raw_model(http_echo) as model, running_collector(tmp_path, model.port) as collector:
        assert post(collector.port, SMALL) == (200, SMALL)
        model.close()
        with pytest.raises(ConnectionError):
            post(collector.port, SMALL)
        eventually(lambda: _refused(collector.port), "the captured port refuses as well")
        with raw_model(http_echo, port=collector.upstream):
            eventually(collector.accepts, "the captured port is open again")
            assert post(collector.port, SMALL) == (200, SMALL)


def test_a_new_splice_waits_for_a_model_that_refuses(tmp_path: Path) -> None:
    with raw_model(http_echo) as model, running_collector(tmp_path, model.port) as collector:
        assert post(collector.port, SMALL) == (200, SMALL)
        model.close()
        with pytest.raises(ConnectionError):
            post(collector.port, SMALL)
        eventually(lambda: _refused(collector.port), "the captured port refuses as well")
        collector.kill("mm-splice")
        with raw_model(http_echo, port=collector.upstream):
            eventually(collector.accepts, "the captured port is open again")
            assert post(collector.port, SMALL) == (200, SMALL)


def test_before_the_model_has_started_the_port_answers_startup_probes(tmp_path: Path) -> None:
    """Otherwise a stray client could keep the model's container from ever being started."""
    with running_collector(tmp_path) as collector:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                post(collector.port, SMALL)
            assert collector.accepts()


def test_sigterm_lets_requests_finish_and_hands_out_the_last_pane(tmp_path: Path) -> None:
    arrived, may_answer = threading.Event(), threading.Event()

    def patient(connection: socket.socket) -> None:
        read_until(connection, SMALL)
        arrived.set()
        may_answer.wait(20.0)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    with (
        raw_model(patient) as model,
        running_collector(tmp_path, model.port) as collector,
        ThreadPoolExecutor() as pool,
    ):
        collector.configure(configuration_for(interval=3600.0))
        collector.pull()
        request = pool.submit(post, collector.port, SMALL)
        assert arrived.wait(20.0)
        polling = pool.submit(collector.pull, 30.0)
        collector.process.send_signal(signal.SIGTERM)
        eventually(lambda: _refused(collector.port), "nobody is accepted any more")
        may_answer.set()
        assert request.result() == (200, b"late")
        reply = polling.result()
        assert reply.draining
        assert [pane.final for pane in reply.panes] == [True]
        assert reply.panes[0].requests.seen == 1
        assert reply.panes[0].requests.codes == {"200": 1}
        assert collector.process.poll() is None, "the last pane is not acknowledged yet"
        acknowledged = collector.pull()
        assert acknowledged.panes == []
        assert acknowledged.draining
        assert collector.process.wait(20.0) == 0


def test_nobody_waits_for_a_suspended_collectors_last_pane(collector: Collector) -> None:
    collector.configure(configuration_for(suspended=True))
    collector.process.send_signal(signal.SIGTERM)
    assert collector.process.wait(9.0) == 0


def test_a_suspended_collector_only_splices(collector: Collector) -> None:
    collector.configure(configuration_for(suspended=True))
    eventually(lambda: _dropped_total(collector, SMALL) > 0, "bytes are not copied any more")
    collector.configure(configuration_for())
    collector.cursor = _end_of(collector)
    collector.panes.clear()
    eventually(lambda: _sees_all_of_one_more(collector), "requests are seen again")


def test_the_container_ends_when_the_splice_cannot_run(collector: Collector) -> None:
    def died() -> bool:
        pid = collector.children().get("mm-splice")
        if pid is not None and collector.process.poll() is None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return False
        return collector.process.poll() is not None

    eventually(died, "the container ends", deadline=90.0)
    assert collector.process.returncode == 1


def test_a_wrong_environment_is_said_in_a_sentence(tmp_path: Path) -> None:
    variables = variables_for(
        port=free_port(), upstream=1, pane_port=free_port(), state=tmp_path
    ) | {"MM_PORTS": "http:8080"}
    finished = subprocess.run(
        [sys.executable, "-m", "modelmonitor", "collector"],
        env={**os.environ, **variables},
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stderr.decode() == (
        "modelmonitor collector: MM_PORTS: 'http:8080' is not readable; write "
        "name=listen:upstream, for example http=24180:8080\n"
    )


def _refused(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=5.0).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _sees_all_of_one_more(collector: Collector) -> bool:
    """Send a request; return whether a pane came that saw requests and lost no byte."""
    assert post(collector.port, SMALL) == (200, SMALL)
    new = collector.pull(wait=1.0).panes
    return any(pane.requests.seen and not pane.droppedBytes for pane in new)


def _answers(collector: Collector) -> bool:
    try:
        collector.poll()
    except OSError:
        return False
    return True


def _end_of(collector: Collector) -> str:
    panes = collector.poll(after="").panes
    return f"{panes[-1].bootID}:{panes[-1].seq}" if panes else ""


def _dropped_total(collector: Collector, body: bytes) -> float:
    assert post(collector.port, body) == (200, body)
    for line in collector.ask("/metrics").decode().splitlines():
        if line.startswith("modelmonitor_collector_dropped_bytes_total"):
            return float(line.split()[1])
    raise AssertionError("the metric is missing")
