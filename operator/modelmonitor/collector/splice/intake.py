"""Taking CloudEvents from a model server's own logger: answered at once, copied, read later.

The logger of a model server holds what it could not deliver in its own memory, next to the model.
So the answer waits for nothing: not for the observer, which may be late, hang or be absent, and not
for what the event says. What the observer does not take in time is dropped and counted, as with
spliced traffic.
"""

import asyncio
import socket
from collections.abc import Iterator
from typing import Final, cast

import httptools

from modelmonitor.collector import sockets
from modelmonitor.collector.handover import Kind
from modelmonitor.collector.splice.copier import Copier, Flow

MAX_CONNECTIONS: Final = 1024
"""Senders at a time; a model server has one logger. More are refused."""

_TAKEN: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_UNREADABLE: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class EventListener:
    """The port of events."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        copier: Copier,
        numbers: Iterator[int],
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._copier = copier
        self._numbers = numbers
        self._senders: set[Sender] = set()
        self._server: asyncio.Server | None = None
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Accept senders."""
        self._starting = self._loop.create_task(self._start())

    def stop(self) -> None:
        """Refuse new senders, and let those that are connected go."""
        sockets.stop_listening(self._listening)
        if self._server is not None:
            self._server.close()
        for sender in list(self._senders):
            sender.close()

    @property
    def busy(self) -> bool:
        """Whether a sender may have more to say; it never has to be waited for."""
        return False

    async def _start(self) -> None:
        self._server = await self._loop.create_server(self._sender, sock=self._listening)

    def _sender(self) -> "Sender":
        flow = Flow(connection=next(self._numbers), port=0)
        return Sender(flow, self._copier, self._senders)


class Sender(asyncio.Protocol):
    """One connection of a logger; every request on it is answered with 200."""

    def __init__(self, flow: Flow, copier: Copier, senders: set["Sender"]) -> None:
        self._flow = flow
        self._copier = copier
        self._senders = senders
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the sender, unless there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        if len(self._senders) >= MAX_CONNECTIONS:
            self._transport.abort()
            return
        self._senders.add(self)

    def data_received(self, data: bytes) -> None:
        """Copy, and answer the requests that are complete."""
        self._copier.add(self._flow, Kind.REQUEST, data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._write(_UNREADABLE)
            self.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the sender."""
        if self in self._senders:
            self._senders.discard(self)
            self._copier.closed(self._flow)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Let a sender go on that asks first."""
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._write(_CONTINUE)

    def on_message_complete(self) -> None:
        """Answer."""
        self._write(_TAKEN)
        if not self._parser.should_keep_alive():
            self.close()

    def close(self) -> None:
        """End the connection when all is answered."""
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
