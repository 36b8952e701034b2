"""What the supervisor does with children that misbehave, in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector.harness import LOOPBACK, eventually, free_port, variables_for

PROGRAM = """
import os, sys, time
from modelmonitor.collector.control import Word
from modelmonitor.collector.environment import environment_from
from modelmonitor.collector.processes import name_process
from modelmonitor.collector.sockets import listening_socket
from modelmonitor.collector.supervisor import Roles, Supervisor

def splice(captured, control, stream):
    name_process("mm-splice")
    while True:
        if sys.argv[1] != "silent splice":
            control.send(Word.ALIVE)
        said = control.receive()
        if said is not None and said[0] is Word.GONE:
            return
        if said is not None and said[0] is Word.DRAIN:
            control.send(Word.DRAINED)
        time.sleep(0.02)

def observer(environment, panes, control, stream, *, replaces):
    name_process("mm-observer")
    while True:
        if sys.argv[1] != "silent observer":
            control.send(Word.ALIVE)
        said = control.receive()
        if said is not None and said[0] is Word.GONE:
            return
        time.sleep(0.02)

environment = environment_from(os.environ)
captured = [(port, listening_socket(port.listen)) for port in environment.ports]
panes = listening_socket(environment.pane_port)
roles = Roles(splice=splice, observer=observer)
sys.exit(Supervisor(environment, captured, panes, roles, hang_seconds=0.5).run())
"""


class Supervised:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port

    def child(self, name: str) -> int | None:
        pids = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for pid in pids.split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                return int(pid)
        return None

    def started(self, name: str) -> int:
        eventually(lambda: self.child(name) is not None, f"{name} runs")
        pid = self.child(name)
        assert pid is not None
        return pid


@pytest.fixture
def supervised(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervised]:
    port = free_port()
    variables = variables_for(port=port, upstream=1, pane_port=free_port(), state=tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, request.param], env={**os.environ, **variables}
    )
    try:
        yield Supervised(process, port)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("supervised", ["silent observer"], indirect=True)
def test_an_observer_that_says_nothing_is_replaced(supervised: Supervised) -> None:
    first = supervised.started("mm-observer")
    splice = supervised.started("mm-splice")
    eventually(lambda: supervised.child("mm-observer") not in {None, first}, "another observer")
    assert supervised.child("mm-splice") == splice


@pytest.mark.parametrize("supervised", ["silent splice"], indirect=True)
def test_a_splice_that_says_nothing_is_replaced(supervised: Supervised) -> None:
    first = supervised.started("mm-splice")
    observer = supervised.started("mm-observer")
    eventually(lambda: supervised.child("mm-splice") not in {None, first}, "another splice")
    assert supervised.child("mm-observer") == observer


@pytest.mark.parametrize("supervised", ["alive"], indirect=True)
def test_children_that_live_are_left_alone(supervised: Supervised) -> None:
    """Far longer than what a silent one is given."""
    children = [supervised.started("mm-observer"), supervised.started("mm-splice")]
    os.kill(children[0], signal.SIGSTOP)
    eventually(
        lambda: supervised.child("mm-observer") != children[0], "the stopped one is replaced"
    )
    assert supervised.child("mm-splice") == children[1]


@pytest.mark.parametrize("supervised", ["alive"], indirect=True)
def test_children_end_with_their_supervisor(supervised: Supervised) -> None:
    children = [supervised.started("mm-observer"), supervised.started("mm-splice")]
    supervised.process.kill()
    eventually(
        lambda: not any(Path(f"/proc/{child}").exists() for child in children), "children end"
    )


@pytest.mark.parametrize("supervised", ["alive"], indirect=True)
def test_clients_wait_in_the_queue_while_a_splice_starts(supervised: Supervised) -> None:
    splice = supervised.started("mm-splice")
    os.kill(splice, signal.SIGKILL)
    socket.create_connection((LOOPBACK, supervised.port), timeout=5.0).close()
    eventually(lambda: supervised.child("mm-splice") not in {None, splice}, "another splice")


@pytest.mark.parametrize("supervised", ["alive"], indirect=True)
def test_the_end_does_not_wait_longer_than_it_may(supervised: Supervised) -> None:
    """The observer never says that the last pane was read."""
    supervised.started("mm-observer")
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.process.wait(30.0) == 0
