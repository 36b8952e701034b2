"""The first process of the container: owns the sockets, keeps splice and observer running.

It listens, so that no client is refused while a splice is started anew; it joins splice and
observer by a stream, new with each start of either; and it conducts the end: the splice drains,
the observer closes and hands out the last pane, then the container exits.

It runs no event loop and no thread, which is what makes fork safe.
"""

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from modelmonitor.collector.control import Control, Word, control_pair
from modelmonitor.collector.environment import CapturedPort, CollectorEnvironment
from modelmonitor.collector.processes import (
    Child,
    Closeable,
    Restarts,
    data_size,
    fork,
    stream_pair,
)

logger = logging.getLogger(__name__)

SPLICE: Final = "splice"
OBSERVER: Final = "observer"
HANG_SECONDS: Final = 30.0
"""A process that says nothing for so long hangs, and is replaced."""
END_SECONDS: Final = 10.0
"""From SIGTERM to the exit at the latest."""
TICK_SECONDS: Final = 1.0
SPLICE_PAUSE: Final = 0.5
OBSERVER_PAUSE: Final = 10.0
"""Longest pauses before a process that keeps dying is started again, in seconds."""
GIVE_UP_AFTER: Final = 12
"""Deaths of the splice in a row before the container exits and the kubelet takes over."""


class RunObserver(Protocol):
    """Runs the observer in the process it is called in."""

    def __call__(
        self,
        environment: CollectorEnvironment,
        panes: socket.socket,
        control: Control,
        stream: socket.socket,
        *,
        replaces: bool,
    ) -> None:
        """Observe until the supervisor is gone; `replaces` an observer that died, or not."""


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the children run."""

    splice: Callable[[Sequence[tuple[CapturedPort, socket.socket]], Control, socket.socket], None]
    observer: RunObserver


class Supervisor:
    """Keeps the children running until SIGTERM.

    Parameters
    ----------
    environment
        What the observer is told.
    captured, panes
        The sockets that listen; they outlive the children.
    roles
        What the children run.
    hang_seconds
        Silence after which a child is replaced.
    observer_memory
        Bytes that an observer may allocate before it is replaced; None: as many as it likes.
    """

    def __init__(
        self,
        environment: CollectorEnvironment,
        captured: Sequence[tuple[CapturedPort, socket.socket]],
        panes: socket.socket,
        roles: Roles,
        *,
        hang_seconds: float = HANG_SECONDS,
        observer_memory: int | None = None,
    ) -> None:
        self._environment = environment
        self._captured = captured
        self._panes = panes
        self._roles = roles
        self._hang_seconds = hang_seconds
        self._observer_memory = observer_memory
        self._children: dict[str, Child] = {}
        self._restarts = {
            SPLICE: Restarts(longest_pause=SPLICE_PAUSE),
            OBSERVER: Restarts(longest_pause=OBSERVER_PAUSE),
        }
        self._due: dict[str, float] = {}
        self._observers = 0
        self._suspected: set[str] = set()
        self._drained = False
        self._end_by: float | None = None
        self._finished = False
        self._wake_read, self._wake_write = socket.socketpair()

    def run(self) -> int:
        """Supervise until the end, and return the exit status of the container."""
        self._take_signals()
        splice_end, observer_end = stream_pair()
        self._start(SPLICE, splice_end, observer_end)
        self._start(OBSERVER, observer_end)
        try:
            while not self._finished:
                self._wait()
                self._reap()
                self._restart_due()
                self._check_hanging()
                self._check_memory()
                if self._restarts[SPLICE].rapid >= GIVE_UP_AFTER:
                    logger.error("the splice died %d times in a row: giving up", GIVE_UP_AFTER)
                    return 1
                if self._end_by is not None and time.monotonic() >= self._end_by:
                    logger.warning("the last pane was not acknowledged in time")
                    break
        finally:
            for child in self._children.values():
                child.kill()
        return 0

    def _take_signals(self) -> None:
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _noted)

    def _start(self, name: str, stream: socket.socket, *spare: socket.socket) -> None:
        ours, theirs = control_pair()
        inherited: list[Closeable] = [
            ours,
            self._wake_read,
            self._wake_write,
            *spare,
            *(child.control for child in self._children.values()),
        ]
        if name == SPLICE:
            pid = fork(lambda: self._roles.splice(self._captured, theirs, stream), inherited)
        else:
            replaces = self._observers > 0
            self._observers += 1
            pid = fork(
                lambda: self._roles.observer(
                    self._environment, self._panes, theirs, stream, replaces=replaces
                ),
                inherited,
            )
        theirs.close()
        stream.close()
        now = time.monotonic()
        self._children[name] = Child(name=name, pid=pid, control=ours, started=now, heard=now)
        logger.info("started the %s, process %d", name, pid)

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        by_descriptor = {}
        for child in self._children.values():
            if child.deaf:
                continue
            poll.register(child.control, select.POLLIN)
            by_descriptor[child.control.fileno()] = child
        now = time.monotonic()
        moments = [now + TICK_SECONDS, *self._due.values()]
        if self._end_by is not None:
            moments.append(self._end_by)
        for descriptor, _ in poll.poll(max(0.0, min(moments) - now) * 1000.0):
            if descriptor in by_descriptor:
                self._hear(by_descriptor[descriptor])
            else:
                self._take_signal()

    def _take_signal(self) -> None:
        numbers = self._wake_read.recv(4096)
        if {signal.SIGTERM, signal.SIGINT} & set(numbers) and self._end_by is None:
            logger.info("told to stop: draining")
            self._end_by = time.monotonic() + END_SECONDS
            for child in self._children.values():
                child.control.send(Word.DRAIN)

    def _hear(self, child: Child) -> None:
        said = child.control.receive()
        if said is None:
            return
        word, _ = said
        child.heard = time.monotonic()
        if word is Word.DRAINED:
            self._drained = True
            self._finished = OBSERVER not in self._children
        elif word is Word.DONE:
            self._finished = True
        elif word is Word.GONE:
            # Without its line it is of no use; the signal of its death says when it is over.
            child.deaf = True
            child.kill()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in list(self._children.values()):
                if child.pid == pid:
                    code = os.waitstatus_to_exitcode(status)
                    logger.warning("the %s ended with status %d", child.name, code)
                    child.control.close()
                    del self._children[child.name]
                    self._buried(child)

    def _buried(self, child: Child) -> None:
        """Plan what follows a child's death."""
        now = time.monotonic()
        if self._end_by is not None:
            # Nothing is started any more; without a splice all is drained.
            self._drained = self._drained or child.name == SPLICE
            self._finished = self._drained and OBSERVER not in self._children
            return
        self._due[child.name] = now + self._restarts[child.name].pause_after(now - child.started)

    def _restart_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            mine, other = stream_pair()
            self._start(name, mine, other)
            partner = self._children.get(OBSERVER if name == SPLICE else SPLICE)
            if partner is not None:
                partner.control.send(Word.STREAM, other)
            other.close()

    def _check_hanging(self) -> None:
        """Replace a process that hangs; a frozen machine gets one more second to thaw."""
        now = time.monotonic()
        silent = {
            name for name, child in self._children.items() if now - child.heard > self._hang_seconds
        }
        for name in silent & self._suspected:
            logger.warning("the %s hangs: replacing it", name)
            self._children[name].kill()
        self._suspected = silent

    def _check_memory(self) -> None:
        """Replace an observer that leaks: at its limit it would live on and be able to nothing."""
        child = self._children.get(OBSERVER)
        if child is None or self._observer_memory is None:
            return
        allocated = data_size(child.pid)
        if allocated > self._observer_memory:
            logger.warning("the observer takes %d MiB: replacing it", allocated >> 20)
            child.kill()


def _noted(number: int, frame: object) -> None:
    """Let the wake-up descriptor tell the loop; there is nothing to do here."""
