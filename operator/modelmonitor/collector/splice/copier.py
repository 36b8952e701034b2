"""Copies of forwarded bytes on their way to the observer.

Nothing here may block, raise or grow: the bytes of clients are forwarded already when a copy is
taken. Copies wait for at most 20 ms or 256 kB, 8 MiB in all; what does not fit is dropped and
counted, and a connection that lost bytes is followed again from its next request line on.
"""

import asyncio
import socket
import time
from dataclasses import dataclass
from typing import Final

from modelmonitor.collector.handover import (
    REQUEST_LINES,
    Kind,
    Statistics,
    encode_head,
    encode_statistics,
)

FLUSH_SECONDS: Final = 0.02
FLUSH_BYTES: Final = 256 * 1024
CAPACITY: Final = 8 * 1024 * 1024
SEND_BUFFER: Final = 512 * 1024
"""Bytes that the kernel keeps beside; it doubles the figure, and counts them as the pod's."""
RESUME_BELOW: Final = CAPACITY // 8
"""A connection that lost bytes is followed again only when this little waits."""
HEARTBEAT_SECONDS: Final = 0.25
"""How often the observer hears from an idle splice: it closes panes by the splice's time."""
MAX_CONTROL_RECORDS: Final = 20_000
"""Records without payload that may wait; they are small but there is no end to connections."""

COPY_ON: Final = b"+"
COPY_OFF: Final = b"-"

_NOTHING: Final = Statistics(0, 0, 0)


@dataclass(slots=True)
class Flow:
    """One client's connection, as the observer knows it."""

    connection: int
    port: int
    epoch: int = -1
    """The copier's epoch in which the connection is followed; another one: not followed."""
    fresh: bool = True
    """No byte was seen yet, so the next one starts a request."""
    announced: bool = False
    """The observer may know the connection."""


def _sum(left: Statistics, right: Statistics) -> Statistics:
    return Statistics(
        left.forwarded + right.forwarded, left.copied + right.copied, left.dropped + right.dropped
    )


class Copier:
    """Hands copies over to the observer, if there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._stream: socket.socket | None = None
        self._copying = True
        self._epoch = 0
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._sending = memoryview(b"")
        self._flush_timer: asyncio.TimerHandle | None = None
        self._forwarded = self._copied = self._dropped = 0
        self._queued = _NOTHING
        self._unsent = _NOTHING
        self._beat()

    def attach(self, stream: socket.socket) -> None:
        """Hand over through this stream from now on; the observer knows no connection yet."""
        self.detach()
        stream.setblocking(False)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._stream = stream
        self._copying = True
        self._epoch += 1
        self._loop.add_reader(stream, self._listen, stream)

    def detach(self) -> None:
        """Stop handing over; what waited counts as dropped."""
        stream, self._stream = self._stream, None
        if stream is not None:
            self._loop.remove_reader(stream)
            self._loop.remove_writer(stream)
            stream.close()
        self._epoch += 1
        self._waiting.clear()
        self._waiting_bytes = 0
        self._sending = memoryview(b"")
        lost = _sum(self._unsent, self._queued)
        self._unsent = self._queued = _NOTHING
        self._forwarded += lost.forwarded
        self._dropped += lost.copied + lost.dropped + self._copied
        self._copied = 0

    def add(self, flow: Flow, kind: Kind, data: bytes) -> None:
        """Take a copy of bytes that were forwarded just now."""
        length = len(data)
        self._forwarded += length
        fresh, flow.fresh = flow.fresh, False
        if flow.epoch != self._epoch and not self._follow(flow, kind, data, fresh=fresh):
            self._dropped += length
            return
        if self._waiting_bytes + len(self._sending) + length > CAPACITY:
            self._dropped += length
            flow.epoch = -1
            return
        self._copied += length
        self._append(kind, flow, data)
        if self._waiting_bytes >= FLUSH_BYTES:
            self._flush()

    def closed(self, flow: Flow) -> None:
        """Tell the observer that a connection has ended."""
        if self._stream is None or not flow.announced or len(self._waiting) > MAX_CONTROL_RECORDS:
            return
        if flow.epoch != self._epoch:
            # The response may be among the bytes that were dropped: it did not fail to come.
            self._append(Kind.RESYNC, flow)
        self._append(Kind.CLOSED, flow)

    def end(self) -> None:
        """Tell the observer that nothing follows."""
        if self._stream is not None:
            self._report()
            self._append(Kind.END, Flow(connection=0, port=0))
            self._flush()

    def _follow(self, flow: Flow, kind: Kind, data: bytes, *, fresh: bool) -> bool:
        """Start or resume following a connection, where that is possible."""
        if self._stream is None or not self._copying:
            return False
        if not fresh:
            if (
                kind is not Kind.REQUEST
                or self._waiting_bytes + len(self._sending) > RESUME_BELOW
                or not data.startswith(REQUEST_LINES)
            ):
                return False
            self._append(Kind.RESYNC, flow)
        flow.epoch = self._epoch
        flow.announced = True
        return True

    def _append(self, kind: Kind, flow: Flow, data: bytes = b"") -> None:
        now = time.monotonic_ns() // 1000
        self._waiting.append(encode_head(len(data), flow.connection, kind, flow.port, now))
        if data:
            self._waiting.append(data)
            self._waiting_bytes += len(data)
        if self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_now)

    def _flush_now(self) -> None:
        self._flush_timer = None
        self._flush()

    def _beat(self) -> None:
        self._loop.call_later(HEARTBEAT_SECONDS, self._beat)
        if self._stream is None:
            return
        if not self._sending:
            self._flush()
        elif len(self._waiting) < MAX_CONTROL_RECORDS:
            self._report()

    def _report(self) -> None:
        statistics = Statistics(self._forwarded, self._copied, self._dropped)
        self._forwarded = self._copied = self._dropped = 0
        self._queued = _sum(self._queued, statistics)
        payload = encode_statistics(statistics)
        now = time.monotonic_ns() // 1000
        self._waiting += (encode_head(len(payload), 0, Kind.STATISTICS, 0, now), payload)

    def _flush(self) -> None:
        if self._stream is None or self._sending:
            return
        self._report()
        self._unsent, self._queued = self._queued, _NOTHING
        self._sending = memoryview(b"".join(self._waiting))
        self._waiting.clear()
        self._waiting_bytes = 0
        self._send()

    def _send(self) -> None:
        stream = self._stream
        if stream is None:
            return
        try:
            sent = stream.send(self._sending)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.detach()
            return
        self._sending = self._sending[sent:]
        if self._sending:
            self._loop.add_writer(stream, self._send)
            return
        self._loop.remove_writer(stream)
        self._unsent = _NOTHING
        if self._waiting and self._flush_timer is None:
            self._flush_timer = self._loop.call_later(FLUSH_SECONDS, self._flush_now)

    def _listen(self, stream: socket.socket) -> None:
        """Hear the observer: whether it wants copies, and whether it is gone."""
        try:
            said = stream.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            if self._stream is stream:
                self.detach()
            return
        wanted = said[-1:] == COPY_ON
        if self._copying and not wanted:
            self._epoch += 1
        self._copying = wanted
