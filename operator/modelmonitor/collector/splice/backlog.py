"""What waits to be handed over: records in batches, written as the observer reads.

Batches are joined when they are complete, so that what waits takes little more memory than its
bytes, however small the records are. Each ends with a report of what was forwarded, copied and
dropped; what was reported but not sent when the observer goes counts as dropped.
"""

import asyncio
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from modelmonitor.collector.handover import (
    HEAD_BYTES,
    Kind,
    Statistics,
    encode_head,
    encode_statistics,
)

FLUSH_SECONDS: Final = 0.02
FLUSH_BYTES: Final = 256 * 1024
CAPACITY: Final = 8 * 1024 * 1024
"""Bytes that wait at most."""
CONTROL_BYTES: Final = 512 * 1024
"""Beside them, for records without payload; they are small but there is no end to connections."""
SEND_BUFFER: Final = 512 * 1024
"""Bytes that the kernel keeps beside; it doubles the figure, and counts them as the pod's."""

_NOTHING: Final = Statistics(0, 0, 0)
_SENT: Final = memoryview(b"")


class Backlog:
    """Records on their way into a stream.

    Parameters
    ----------
    loop
        Runs both sides' callbacks.
    lost
        Called, later, with a stream that does not take bytes any more.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, lost: Callable[[socket.socket], None]
    ) -> None:
        self._loop = loop
        self._lost = lost
        self._stream: socket.socket | None = None
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._reported = _NOTHING
        """What the open batch reports so far."""
        self._sealed: deque[tuple[bytes, Statistics]] = deque()
        self._sending = _SENT
        self._unsent = _NOTHING
        """What the batch that is being sent reports."""
        self.waiting = 0
        """Bytes that are not sent yet."""
        self.forwarded = self.copied = self.dropped = 0
        """Bytes since the last report; who copies counts them."""

    @property
    def full(self) -> bool:
        """Whether there is no room even for records without payload."""
        return self.waiting > CAPACITY + CONTROL_BYTES

    def open(self, stream: socket.socket) -> None:
        """Write to this stream from now on; it must not block."""
        self._stream = stream

    def close(self) -> None:
        """Stop writing; what waited was dropped."""
        if self._stream is not None and self._writing:
            self._loop.remove_writer(self._stream)
        self._stream, self._writing = None, False
        for lost in (self._unsent, self._reported, *(report for _, report in self._sealed)):
            self.forwarded += lost.forwarded
            self.dropped += lost.copied + lost.dropped
        self.dropped += self.copied
        self.copied = 0
        self._unsent = self._reported = _NOTHING
        self._sending = _SENT
        self._sealed.clear()
        self._batch.clear()
        self._batch_bytes = self.waiting = 0

    def append(self, head: bytes, payload: bytes = b"") -> None:
        """Let a record wait."""
        self._batch += (head, payload)
        size = HEAD_BYTES + len(payload)
        self.waiting += size
        self._batch_bytes += size
        if self._batch_bytes >= FLUSH_BYTES:
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush_in_time)

    def beat(self) -> None:
        """Let the observer hear how late it is, or report while it does not listen."""
        if self._stream is None:
            return
        if not self._writing:
            self._flush()
        elif not self.full:
            self._report()

    def end(self) -> None:
        """Report, and say that nothing follows."""
        self._report()
        self.append(encode_head(0, 0, Kind.END, 0, _now()))
        self._flush()

    def _report(self) -> None:
        report = Statistics(self.forwarded, self.copied, self.dropped)
        self.forwarded = self.copied = self.dropped = 0
        self._reported = _sum(self._reported, report)
        payload = encode_statistics(report)
        head = encode_head(len(payload), 0, Kind.STATISTICS, 0, _now())
        self._batch += (head, payload)
        self._batch_bytes += len(head) + len(payload)
        self.waiting += len(head) + len(payload)

    def _flush_in_time(self) -> None:
        self._timer = None
        if self._batch:
            self._flush()

    def _flush(self) -> None:
        """Complete the open batch, and send unless an earlier one is on its way."""
        if self._stream is None:
            return
        self._report()
        self._sealed.append((b"".join(self._batch), self._reported))
        self._batch.clear()
        self._batch_bytes = 0
        self._reported = _NOTHING
        if not self._writing:
            self._send()

    def _send(self) -> None:
        """Send of one batch what the stream takes; called again while there is more."""
        stream = self._stream
        if stream is None:
            return
        if not self._sending:
            content, self._unsent = self._sealed.popleft()
            self._sending = memoryview(content)
        try:
            sent = stream.send(self._sending)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._idle(stream)
            self._loop.call_soon(self._lost, stream)
            return
        self._sending = self._sending[sent:]
        self.waiting -= sent
        if not self._sending:
            self._sending, self._unsent = _SENT, _NOTHING
            if not self._sealed:
                self._idle(stream)
                return
        if not self._writing:
            self._writing = True
            self._loop.add_writer(stream, self._send)

    def _idle(self, stream: socket.socket) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(stream)


def _sum(left: Statistics, right: Statistics) -> Statistics:
    return Statistics(
        left.forwarded + right.forwarded, left.copied + right.copied, left.dropped + right.dropped
    )


def _now() -> int:
    return time.monotonic_ns() // 1000
