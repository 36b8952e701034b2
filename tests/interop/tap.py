"""A tap on a line: it passes bytes on, and keeps a copy of them by connection."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.collector.harness import LOOPBACK
from tests.collector.raw_model import RawModel, raw_model


@dataclass
class Conversation:
    """One connection: what the client sent, and what it got."""

    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)
    ended: bool = False
    """Both sides have ended: nothing will be added."""


class Tap:
    """Listens on a port of its own and relays each connection to another port."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._conversations: list[Conversation] = []

    def conversations(self) -> list[tuple[bytes, bytes]]:
        """Return what was sent and received so far, one pair a connection that carried anything.

        Sorted: on the other side of a proxy, connections may be opened in another order.
        """
        return sorted(
            (bytes(one.sent), bytes(one.received))
            for one in self._conversations
            if one.sent or one.received
        )

    @property
    def settled(self) -> bool:
        """Whether every connection has ended."""
        return all(one.ended for one in self._conversations)

    def forget(self) -> None:
        """Begin anew; connections that are open are forgotten too."""
        self._conversations = []

    def relay(self, client: socket.socket) -> None:
        """Carry one connection until both sides have ended."""
        conversation = Conversation()
        self._conversations.append(conversation)
        with socket.create_connection((LOOPBACK, self._upstream)) as server:
            answers = threading.Thread(target=_pump, args=(server, client, conversation.received))
            answers.start()
            _pump(client, server, conversation.sent)
            answers.join()
        conversation.ended = True


def _pump(source: socket.socket, sink: socket.socket, record: bytearray) -> None:
    """Carry one direction; the end of it is passed on as an end of that direction only."""
    try:
        while data := source.recv(1 << 16):
            record += data
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # A reset ends both directions, on both sides.
        for side in (source, sink):
            side.close()


@contextmanager
def tapped(upstream: int) -> Iterator[tuple[Tap, RawModel]]:
    """Run a tap in front of a port; the second of the pair knows the port to connect to."""
    tap = Tap(upstream)
    with raw_model(tap.relay) as listener:
        yield tap, listener
