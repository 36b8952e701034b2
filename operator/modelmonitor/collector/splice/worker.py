"""The splice process: listeners, connections and the copier on one event loop."""

import asyncio
import contextlib
import functools
import itertools
import resource
import socket
import time
from collections.abc import Sequence
from typing import Final, TypeAlias

import uvloop

from modelmonitor.collector import sockets
from modelmonitor.collector.control import Control, Word
from modelmonitor.collector.environment import CapturedPort
from modelmonitor.collector.splice.connection import SplicedConnection
from modelmonitor.collector.splice.copier import Copier, Flow
from modelmonitor.collector.splice.intake import EventListener
from modelmonitor.collector.splice.listener import Listener

DRAIN_SECONDS: Final = 7.0
"""Longest wait for requests in flight; the rest of 10 s is for the last pane."""
DRAIN_POLL_SECONDS: Final = 0.02
ALIVE_SECONDS: Final = 1.0
LET_GO_SECONDS: Final = 15.0
"""How often abandoned connections are looked for."""
MAX_CONNECTION: Final = 1 << 32

Captured: TypeAlias = Sequence[tuple[CapturedPort, socket.socket]]
"""Each captured port with the socket that listens there."""


class Worker:
    """All connections of one splice process."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        captured: Captured,
        control: Control,
        events: socket.socket | None = None,
    ) -> None:
        self._loop = loop
        self._control = control
        self._copier = Copier(loop)
        self._connections: set[SplicedConnection] = set()
        self._numbers = (number % MAX_CONNECTION for number in itertools.count(1))
        self._gone = asyncio.Event()
        self._draining = False
        self._listeners: list[Listener | EventListener] = [
            Listener(loop, listening, port.upstream, functools.partial(self._serve, index))
            for index, (port, listening) in enumerate(captured)
        ]
        if events is not None:
            self._listeners.append(EventListener(loop, events, self._copier, self._numbers))

    async def run(self) -> None:
        """Serve until the supervisor is gone."""
        self._loop.add_reader(self._control.fileno(), self._hear)
        for listener in self._listeners:
            listener.start()
        self._let_go()
        self._tell_alive()
        await self._gone.wait()

    def attach(self, stream: socket.socket) -> None:
        """Hand copies over through this stream."""
        self._copier.attach(stream)

    async def _serve(self, port: int, client: socket.socket, model: socket.socket) -> None:
        """Join a client's socket and the model's."""
        sockets.without_delay(client)
        connection = SplicedConnection(
            flow=Flow(connection=next(self._numbers), port=port),
            copier=self._copier,
            client=client,
            model=model,
            on_lost=self._connections.discard,
        )
        self._connections.add(connection)
        try:
            await self._loop.create_connection(lambda: connection.model, sock=model)
            await self._loop.connect_accepted_socket(lambda: connection.client, client)
        except OSError:  # the client is gone already
            self._connections.discard(connection)
            connection.model.reset()
            client.close()

    def _tell_alive(self) -> None:
        self._control.send(Word.ALIVE)
        self._loop.call_later(ALIVE_SECONDS, self._tell_alive)

    def _let_go(self) -> None:
        """End connections that the model ended and nobody uses any more."""
        now = time.monotonic()
        for connection in list(self._connections):
            connection.let_go(now)
        self._loop.call_later(LET_GO_SECONDS, self._let_go)

    def _hear(self) -> None:
        while (said := self._control.receive()) is not None:
            word, passed = said
            if word is Word.STREAM and passed is not None:
                self._copier.attach(passed)
            elif word is Word.DRAIN and not self._draining:
                self._drain()
            elif word is Word.GONE:
                self._loop.remove_reader(self._control.fileno())
                self._gone.set()
                return

    def _drain(self) -> None:
        """Accept nobody any more, let requests in flight end, then say so."""
        self._draining = True
        for listener in self._listeners:
            listener.stop()
        self._check_drained(time.monotonic() + DRAIN_SECONDS)

    def _check_drained(self, deadline: float) -> None:
        if self._busy() and time.monotonic() < deadline:
            self._loop.call_later(DRAIN_POLL_SECONDS, self._check_drained, deadline)
            return
        self._copier.end()
        self._control.send(Word.DRAINED)

    def _busy(self) -> bool:
        now = time.monotonic()
        return any(listener.busy for listener in self._listeners) or any(
            not connection.idle(now) for connection in self._connections
        )


def run(
    captured: Captured,
    control: Control,
    stream: socket.socket,
    events: socket.socket | None = None,
) -> None:
    """Run the splice in this process until the supervisor is gone.

    Parameters
    ----------
    captured
        Sockets that listen for the model's clients.
    control
        The line to the supervisor.
    stream
        Where copies go.
    events
        A socket that listens for a model server's logger.
    """
    _allow_many_connections()

    async def work() -> None:
        worker = Worker(asyncio.get_running_loop(), captured, control, events)
        worker.attach(stream)
        await worker.run()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(work())


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
