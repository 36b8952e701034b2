"""Copies of forwarded bytes on their way to the observer.

Nothing here may block, raise or grow: the bytes of clients are forwarded already when a copy is
taken. Copies wait for at most 20 ms or 256 kB, 8 MiB in all; what does not fit is dropped and
counted. A connection of HTTP/1.1 that lost bytes is followed again from its next request line on.
Of HTTP/2 the bodies are left out first, and a connection is followed again at any frame.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from modelmonitor.collector.handover import REQUEST_LINES, Kind, encode_head
from modelmonitor.collector.splice.backlog import CAPACITY, SEND_BUFFER, Backlog
from modelmonitor.collector.splice.compression import Memory
from modelmonitor.collector.splice.frames import (
    Direction,
    Frames,
    NoFramesError,
    begins_http2,
    begins_with_settings,
)

RESUME_BELOW: Final = CAPACITY // 8
"""A connection that lost bytes is followed again only when this little waits."""
BODIES_BELOW: Final = CAPACITY // 2
"""Bodies of HTTP/2 are left out above it, and until only `RESUME_BELOW` waits: the other half is
for what has to be told of every request."""
HEARTBEAT_SECONDS: Final = 0.25
"""How often the observer hears from an idle splice: it closes panes by the splice's time."""

COPY_ON: Final = b"+"
COPY_OFF: Final = b"-"


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
    frames: Frames | None = None
    """Of a connection that speaks HTTP/2."""
    by_lines: bool = True
    """What begins like a request line is one."""


class Copier:
    """Hands copies over to the observer, if there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._stream: socket.socket | None = None
        self._backlog = Backlog(loop, self._lost)
        self._copying = True
        self._epoch = 0
        self._lean = False
        self._memory = Memory()
        self._beat()

    def attach(self, stream: socket.socket) -> None:
        """Hand over through this stream from now on; the observer knows no connection yet."""
        self.detach()
        stream.setblocking(False)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._stream = stream
        self._copying = True
        self._epoch += 1
        self._backlog.open(stream)
        self._loop.add_reader(stream, self._listen, stream)

    def detach(self) -> None:
        """Stop handing over; what waited counts as dropped."""
        stream, self._stream = self._stream, None
        self._backlog.close()
        self._epoch += 1
        if stream is not None:
            self._loop.remove_reader(stream)
            stream.close()

    def add(self, flow: Flow, kind: Kind, data: bytes) -> int:
        """Take a copy of bytes that were forwarded just now; return the monotonic µs."""
        now = time.monotonic_ns() // 1000
        length = len(data)
        backlog = self._backlog
        backlog.forwarded += length
        if flow.fresh:
            self._begin(flow, kind, data)
        if flow.frames is not None:
            self._add_frames(flow, flow.frames, kind, data, now)
        elif flow.epoch != self._epoch and not self._resume(flow, kind, data, now):
            backlog.dropped += length
        elif backlog.waiting + length > CAPACITY:
            backlog.dropped += length
            flow.epoch = -1
        else:
            backlog.copied += length
            backlog.append(encode_head(length, flow.connection, kind, flow.port, now), data)
        return now

    def closed(self, flow: Flow) -> None:
        """Tell the observer that a connection has ended."""
        if flow.frames is not None:
            flow.frames.release()
        if self._stream is None or not flow.announced or self._backlog.full:
            return
        now = time.monotonic_ns() // 1000
        if flow.epoch != self._epoch:
            # The response may be among the bytes that were dropped: it did not fail to come.
            self._tell(flow, Kind.RESYNC, now)
        self._tell(flow, Kind.CLOSED, now)

    def end(self) -> None:
        """Tell the observer that nothing follows."""
        if self._stream is not None:
            self._backlog.end()

    @property
    def _heard(self) -> bool:
        """Whether anybody wants copies."""
        return self._stream is not None and self._copying

    def _begin(self, flow: Flow, kind: Kind, data: bytes) -> None:
        """See by its first bytes what a connection speaks; follow it if anybody is there."""
        flow.fresh = False
        if self._heard:
            flow.epoch = self._epoch
            flow.announced = True
        if begins_http2(data) if kind is Kind.REQUEST else begins_with_settings(data):
            flow.frames = Frames(self._memory)
            flow.by_lines = False

    def _resume(self, flow: Flow, kind: Kind, data: bytes, now: int) -> bool:
        """Follow a connection of HTTP/1.1 again, where that is possible."""
        if (
            kind is not Kind.REQUEST
            or not flow.by_lines
            or not self._heard
            or self._backlog.waiting > RESUME_BELOW
            or not data.startswith(REQUEST_LINES)
        ):
            return False
        self._tell(flow, Kind.RESYNC, now)
        flow.epoch = self._epoch
        flow.announced = True
        return True

    def _add_frames(self, flow: Flow, frames: Frames, kind: Kind, data: bytes, now: int) -> None:
        """Take a copy of bytes of HTTP/2."""
        withheld = frames.withheld
        copied = 0
        try:
            copied = self._copy_frames(flow, frames, kind, data, now)
        except NoFramesError:
            frames.release()
            flow.frames, flow.epoch = None, -1
        self._backlog.copied += copied
        self._backlog.dropped += len(data) + withheld - frames.withheld - copied

    def _copy_frames(self, flow: Flow, frames: Frames, kind: Kind, data: bytes, now: int) -> int:
        """Return how many bytes were copied.

        Raises
        ------
        NoFramesError
            If the connection cannot be followed, now or later.
        """
        direction = frames.direction(kind)
        if kind is Kind.REQUEST and not frames.greeted:
            frames.greet(data)
        if flow.epoch != self._epoch:
            frames.part()
            if not self._may_resume(frames):
                direction.walk(data)
                return 0
            self._tell(flow, Kind.RESYNC, now)
            flow.epoch = self._epoch
            flow.announced = True
        if not direction.joined:
            start = direction.align(data)
            if start is None:
                return 0
            past = Kind.PAST_REQUEST if kind is Kind.REQUEST else Kind.PAST_RESPONSE
            self._tell(flow, past, now, direction.join())
            data = data[start:]
        return self._pass_frames(flow, direction, kind, data, now)

    def _pass_frames(
        self, flow: Flow, direction: Direction, kind: Kind, data: bytes, now: int
    ) -> int:
        """Copy bytes of a direction that is followed, without bodies if there is no room."""
        lean = self._leaves_out(len(data))
        streams: Collection[int] = ()
        if lean or direction.thinning:
            data, streams = direction.thin(data, leave_out=lean)
        else:
            direction.walk(data)
        if self._backlog.waiting + len(data) > CAPACITY:
            flow.epoch = -1
            return 0
        if streams and kind is Kind.RESPONSE:
            self._tell_skipped(flow, now, streams)
        if data:
            self._tell(flow, kind, now, data)
        if streams and kind is Kind.REQUEST:
            self._tell_skipped(flow, now, streams)
        return len(data)

    def _may_resume(self, frames: Frames) -> bool:
        if not frames.known:
            raise NoFramesError("nobody who does not know the connection yet can read it")
        return self._heard and self._backlog.waiting <= RESUME_BELOW

    def _leaves_out(self, length: int) -> bool:
        """Return whether bodies are left out, of HTTP/2."""
        if self._lean:
            self._lean = self._backlog.waiting > RESUME_BELOW
        else:
            self._lean = self._backlog.waiting + length > BODIES_BELOW
        return self._lean

    def _tell_skipped(self, flow: Flow, now: int, streams: Collection[int]) -> None:
        """Tell of which bodies something was left out, between a stream's first frame and last."""
        self._tell(flow, Kind.SKIPPED, now, struct.pack(f"<{len(streams)}I", *streams))

    def _tell(self, flow: Flow, kind: Kind, now: int, payload: bytes = b"") -> None:
        head = encode_head(len(payload), flow.connection, kind, flow.port, now)
        self._backlog.append(head, payload)

    def _beat(self) -> None:
        self._loop.call_later(HEARTBEAT_SECONDS, self._beat)
        self._backlog.beat()

    def _lost(self, stream: socket.socket) -> None:
        if self._stream is stream:
            self.detach()

    def _listen(self, stream: socket.socket) -> None:
        """Hear the observer: whether it wants copies, and whether it is gone."""
        try:
            said = stream.recv(64)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._lost(stream)
            return
        wanted = said[-1:] == COPY_ON
        if self._copying and not wanted:
            self._epoch += 1
        self._copying = wanted
