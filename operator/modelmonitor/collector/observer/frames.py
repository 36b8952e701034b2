"""The frames of one direction of an HTTP/2 connection, from bytes in any pieces (RFC 9113 §4, §6).

DATA is passed on as it comes, header blocks and the few other frames that matter when they are
whole; everything else is skipped without being kept.
"""

import struct
from typing import Final, Protocol

from modelmonitor.collector.handover import HTTP2_PREFACE
from modelmonitor.collector.http2 import (
    BLOCKS,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LENGTHS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM,
    WINDOW_UPDATE,
    WITH_PRIORITY,
)
from modelmonitor.collector.observer.bodies import BodyKeeper
from modelmonitor.collector.observer.headers import UnreadableError

MAX_BLOCK: Final = 32 * 1024
"""Bytes of a header block, compressed."""
MAX_GUESSED: Final = 1 << 20
"""Bytes of the first frame of what is taken for HTTP/2 by its looks; many protocols begin with
bytes that would announce more, TLS among them."""

_HEAD: Final = struct.Struct(">BHBBI")
HEAD_BYTES: Final = _HEAD.size
_PRIORITY_BYTES: Final = 5
_STREAM_BYTES: Final = 4
"""Of a stream's number in a payload."""
_OF_CONNECTION: Final = frozenset({SETTINGS, PING, GOAWAY})
_OF_STREAM: Final = frozenset({DATA, HEADERS, PRIORITY, RST_STREAM, PUSH_PROMISE, CONTINUATION})
_GOAWAY_READ: Final = 8
"""Bytes of a GOAWAY that matter: the last stream and the code; what follows is for people."""


class Receiver(Protocol):
    """Who is told about frames."""

    def headers(self, stream: int, block: bytes, *, ended: bool) -> None:
        """Take a whole header block."""

    def promised(self, block: bytes) -> None:
        """Take the header block of a promise to push."""

    def data(self, stream: int, data: bytes, *, ended: bool) -> None:
        """Take a part of a stream's body, without padding."""

    def reset(self, stream: int, code: int) -> None:
        """Take the end of a stream by RST_STREAM."""

    def going_away(self, last_stream: int) -> None:
        """Take the announcement that streams above this one are not answered."""


def looks_like_frames(data: bytes) -> bool:
    """Return whether bytes begin as frames do."""
    if len(data) < HEAD_BYTES:
        return False
    high, low, kind, _, stream = _HEAD.unpack_from(data)
    length: int = high << 16 | low
    return bool(
        kind <= CONTINUATION
        and length <= MAX_GUESSED
        and length == LENGTHS.get(kind, length)
        and stream <= STREAM
        and (stream == 0 if kind in _OF_CONNECTION else stream > 0 or kind == WINDOW_UPDATE)
    )


class FrameWalker:
    """Walks the frames of one direction.

    Parameters
    ----------
    receiver
        Who is told.
    bodies
        Knows whether there is room to wait for the rest of a frame.
    preface
        Whether the client's preface comes before the first frame.
    """

    def __init__(self, receiver: Receiver, bodies: BodyKeeper, *, preface: bool) -> None:
        self._receiver = receiver
        self._bodies = bodies
        self._held = 0
        """Bytes of the two below that are counted as kept."""
        self._rest = b""
        """The beginning of a frame that is needed whole."""
        self._skipped = len(HTTP2_PREFACE) if preface else 0
        """Bytes that follow and do not matter."""
        self._left = 0
        """Bytes that follow of a DATA frame, before its padding."""
        self._padding = 0
        self._data_stream = 0
        self._data_ends = False
        self._block: bytes | None = None
        """The header block so far, while CONTINUATION is due."""
        self._block_stream = 0
        self._block_ends = False
        self._block_promised = False

    def feed(self, data: bytes) -> None:
        """Walk on.

        Raises
        ------
        UnreadableError
            If these are no frames.
        """
        if self._held:
            data = self._rest + data
            self._rest = b""
            self._bodies.let_go(self._held)
            self._held = 0
        position, end = 0, len(data)
        while position < end:
            if self._skipped:
                step = min(self._skipped, end - position)
                self._skipped -= step
                position += step
            elif self._left:
                position = self._data(data, position)
            else:
                after = self._frame(data, position)
                if after < 0:
                    self._rest = data[position:]
                    break
                position = after
        if self._rest or self._block is not None:
            self._hold()

    def forget(self) -> None:
        """Keep nothing of what is not complete."""
        self._bodies.let_go(self._held)
        self._held = 0

    def _hold(self) -> None:
        held = len(self._rest) + len(self._block or b"")
        if not self._bodies.hold(held):
            raise UnreadableError
        self._held = held

    def _frame(self, data: bytes, position: int) -> int:
        """Take the frame at a position; return where to go on, or −1: more bytes are needed."""
        start = position + HEAD_BYTES
        available = len(data) - start
        if available < 0:
            return -1
        high, low, kind, flags, stream = _HEAD.unpack_from(data, position)
        length: int = high << 16 | low
        stream &= STREAM
        self._check(kind, stream, length)
        if kind == DATA:
            if flags & PADDED or available < length:
                return self._begin_data(data, start, length, flags, stream)
            after = start + length
            self._receiver.data(stream, data[start:after], ended=bool(flags & END_STREAM))
            return after
        needed = _needed(kind, length)
        if available < needed:
            return -1
        after = start + needed
        self._skipped = length - needed
        if needed or kind in BLOCKS:
            self._control(kind, flags, stream, data[start:after])
        return after

    def _check(self, kind: int, stream: int, length: int) -> None:
        if self._block is not None and (kind != CONTINUATION or stream != self._block_stream):
            raise UnreadableError
        if stream == 0 if kind in _OF_STREAM else stream != 0 and kind in _OF_CONNECTION:
            raise UnreadableError
        if length != LENGTHS.get(kind, length):
            raise UnreadableError

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == RST_STREAM:
            self._receiver.reset(stream, int.from_bytes(payload, "big"))
        elif kind == GOAWAY:
            self._receiver.going_away(int.from_bytes(payload[:_STREAM_BYTES], "big") & STREAM)
        else:
            self._headers(kind, flags, stream, payload)

    def _begin_data(self, data: bytes, start: int, length: int, flags: int, stream: int) -> int:
        padding = 0
        if flags & PADDED:
            if length == 0:
                raise UnreadableError
            if start == len(data):
                return -1
            padding = data[start]
            start += 1
            length -= 1
            if padding > length:
                raise UnreadableError
        self._left, self._padding = length - padding, padding
        self._data_stream, self._data_ends = stream, bool(flags & END_STREAM)
        if not self._left:
            self._skipped = padding
            self._receiver.data(stream, b"", ended=self._data_ends)
        return start

    def _data(self, data: bytes, position: int) -> int:
        after = min(position + self._left, len(data))
        self._left -= after - position
        if not self._left:
            self._skipped = self._padding
        self._receiver.data(
            self._data_stream,
            data[position:after],
            ended=self._data_ends and not self._left,
        )
        return after

    def _headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == CONTINUATION:
            if self._block is None:
                raise UnreadableError
            block = self._block + payload
            if len(block) > MAX_BLOCK:
                raise UnreadableError
        else:
            block = _fragment(kind, flags, payload)
            self._block_stream = stream
            self._block_ends = bool(flags & END_STREAM)
            self._block_promised = kind == PUSH_PROMISE
        if not flags & END_HEADERS:
            self._block = block
            return
        self._block = None
        if self._block_promised:
            self._receiver.promised(block)
        else:
            self._receiver.headers(stream, block, ended=self._block_ends)


def _needed(kind: int, length: int) -> int:
    """Return how many bytes of a frame's payload are needed at once."""
    if kind in BLOCKS:
        if length > MAX_BLOCK:
            raise UnreadableError
        return length
    if kind == RST_STREAM:
        return length
    return min(length, _GOAWAY_READ) if kind == GOAWAY else 0


def _fragment(kind: int, flags: int, payload: bytes) -> bytes:
    """Return the part of HEADERS or PUSH_PROMISE that belongs to the header block."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise UnreadableError
        start, end = 1, end - payload[0]
    if kind == PUSH_PROMISE:
        start += _STREAM_BYTES
    elif flags & WITH_PRIORITY:
        start += _PRIORITY_BYTES
    if start > end:
        raise UnreadableError
    return payload[start:end]
