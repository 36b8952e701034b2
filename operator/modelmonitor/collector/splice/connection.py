"""One client's connection and the model's end of it: bytes go over unchanged, copies second.

What one side does, the other side sees: an end is passed on as an end, a reset as a reset, and a
side that does not read stops the other from being read. Nothing here looks into the bytes.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final, cast

from modelmonitor.collector.handover import Kind
from modelmonitor.collector.sockets import reset_on_close
from modelmonitor.collector.splice.copier import Copier, Flow

WRITE_BUFFER: Final = 256 * 1024
"""Bytes that wait for a slow reader before the other side is no longer read."""
ABANDONED_SECONDS: Final = 60.0
"""A client that does not end its side so long after the model has ended its own is let go, as the
kernel would let it go if it had been the model's (net.ipv4.tcp_fin_timeout)."""
QUIET_SECONDS: Final = 0.5
"""A connection on which the model spoke last and nothing moved for so long is idle."""
MICROSECONDS: Final = 1e-6

_RESPONSE: Final = Kind.RESPONSE


class End(asyncio.Protocol):
    """One end of a spliced connection."""

    __slots__ = ("_owner", "_socket", "early", "ended", "kind", "lost", "peer", "transport")

    def __init__(self, owner: "SplicedConnection", kind: Kind, connected: socket.socket) -> None:
        self._owner = owner
        self.kind = kind
        self._socket = connected
        self.early: list[bytes] = []
        """What this end said before the other was there."""
        self.peer: End = self
        self.transport: asyncio.Transport | None = None
        self.ended = False
        """This end sends no more."""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass on what the other end said before this one was there."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(WRITE_BUFFER)
        peer = self.peer
        early, peer.early = peer.early, []
        for data in early:
            self.transport.write(data)
            self._owner.forwarded(peer.kind, data)
        if peer.transport is not None:
            peer.transport.resume_reading()
        if peer.ended:
            self.transport.write_eof()
        if peer.lost:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Forward, then copy."""
        transport = self.peer.transport
        if transport is None:
            self.early.append(data)
            if self.transport is not None:
                self.transport.pause_reading()
            return
        transport.write(data)
        # As `forwarded`, without the call: this is done for every read.
        owner = self._owner
        owner.answered = self.kind is _RESPONSE
        owner.spoke = owner.copier.add(owner.flow, self.kind, data)

    def eof_received(self) -> bool:
        """Pass the end on; keep this side open for what the other still has to say."""
        self.ended = True
        peer = self.peer
        if peer.transport is not None and not peer.lost:
            if peer.ended:
                peer.transport.close()
                return False
            peer.transport.write_eof()
        return True

    def pause_writing(self) -> None:
        """Stop reading from the other side: this one does not keep up."""
        if self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read from the other side again."""
        if self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side in the same way."""
        self.lost = True
        peer = self.peer
        if peer.transport is not None and not peer.lost:
            if exc is None or self._owner.answered:
                peer.transport.close()
            else:
                peer.reset()
        self._owner.side_lost()

    def close(self) -> None:
        """End this side in order; what waits to be written still is."""
        if self.transport is not None:
            self.transport.close()

    def reset(self) -> None:
        """End this side with a reset; what waits to be written is thrown away."""
        if self.transport is not None:
            reset_on_close(self._socket)
            self.transport.abort()


class SplicedConnection:
    """A client's connection joined with one to the model."""

    __slots__ = ("_begun", "_on_lost", "answered", "client", "copier", "flow", "model", "spoke")

    def __init__(
        self,
        *,
        flow: Flow,
        copier: Copier,
        client: socket.socket,
        model: socket.socket,
        on_lost: Callable[["SplicedConnection"], None],
    ) -> None:
        self.flow = flow
        self.copier = copier
        self._on_lost = on_lost
        self._begun = self.spoke = time.monotonic_ns() // 1000
        """Monotonic µs of the beginning, and of the last byte."""
        self.answered = False
        """The model spoke last: no client waits for the first byte of a response."""
        self.client = End(self, Kind.REQUEST, client)
        self.model = End(self, Kind.RESPONSE, model)
        self.client.peer, self.model.peer = self.model, self.client

    def forwarded(self, kind: Kind, data: bytes) -> None:
        """Note that bytes were forwarded."""
        self.answered = kind is _RESPONSE
        self.spoke = self.copier.add(self.flow, kind, data)

    def side_lost(self) -> None:
        """Note that a side is gone; the connection has ended when both are."""
        if self.client.lost and self.model.lost:
            self.copier.closed(self.flow)
            self._on_lost(self)

    def let_go(self, now: float) -> None:
        """End the connection if the model has ended its side long ago and nothing moved since."""
        if self.model.ended and now - self.spoke * MICROSECONDS > ABANDONED_SECONDS:
            self.client.close()
            self.model.close()

    def idle(self, now: float) -> bool:
        """Return whether a client would lose nothing if the connection ended now."""
        if self.spoke == self._begun or self.model.ended or self.model.lost:
            return True
        return self.answered and now - self.spoke * MICROSECONDS > QUIET_SECONDS
