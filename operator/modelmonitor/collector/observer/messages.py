"""The messages of one direction of HTTP/1.1, one after the other, from bytes in any pieces."""

from typing import Final, Protocol

from modelmonitor.collector.observer.bodies import BodyKeeper
from modelmonitor.collector.observer.chunks import ChunkReader
from modelmonitor.collector.observer.headers import MAX_HEAD, UnreadableError
from modelmonitor.collector.observer.heads import CHUNKED, HeadCheck

_HEAD_END: Final = b"\r\n\r\n"
_HEAD_END_BYTES: Final = len(_HEAD_END)
_LINE_ENDS: Final = b"\r\n"
_FOREVER: Final = 1 << 62


class UpgradedError(Exception):
    """The connection speaks another protocol from here on."""

    def __init__(self, protocol: bytes = b"") -> None:
        super().__init__(protocol)
        self.protocol = protocol
        """As the model named it; empty: it did not."""
        self.rest = b""
        """What was sent in the other protocol already."""


class Side(Protocol):
    """Who is told about the messages; times are in monotonic microseconds."""

    def head(self, head: bytes, begun: int) -> int:
        """Take a whole head, whose first byte came at `begun`; return the length of the body.

        That is a number of bytes, or one of the marks of `heads`.
        """

    def part(self, data: bytes, start: int, stop: int, time: int) -> None:
        """Take a part of the body: the bytes from `start` to `stop`."""

    def ends(self, time: int) -> None:
        """Note that the message is complete."""


class MessageReader:
    """Takes one direction apart.

    Parameters
    ----------
    side
        Who is told.
    bodies
        Knows whether there is room to wait for the rest of a head.
    requests
        Messages are requests; else responses.
    """

    def __init__(self, side: Side, bodies: BodyKeeper, *, requests: bool) -> None:
        self._side = side
        self._bodies = bodies
        self._requests = requests
        self._head = b""
        """The beginning of a head whose end has not come."""
        self._begun = 0
        """When it came."""
        self._check: HeadCheck | None = None
        self._left = 0
        """Bytes that follow of a body whose length is known."""
        self._chunks: ChunkReader | None = None

    def feed(self, data: bytes, time: int) -> None:
        """Read on.

        Raises
        ------
        UnreadableError
            If these are no messages.
        UpgradedError
            If the side found that another protocol begins.
        """
        position = 0
        while position < len(data):
            if self._left:
                position = self._take_body(data, position, time)
            elif self._chunks is not None:
                position = self._take_chunks(self._chunks, data, position, time)
            else:
                if self._check is not None:
                    data, position = self._with_head(data), 0
                position = self._take_head(data, position, time)

    def end_of_stream(self, time: int) -> None:
        """Complete a message that ends with the connection, if there is one."""
        if self._left > _FOREVER // 2:
            self._left = 0
            self._side.ends(time)

    def forget(self) -> None:
        """Keep nothing of what is not complete."""
        self._bodies.let_go(len(self._head))
        self._head = b""

    def _take_head(self, data: bytes, position: int, time: int) -> int:
        while data[position] in _LINE_ENDS:  # some clients send more of them than they should
            position += 1
            if position == len(data):
                return position
        stop = data.find(_HEAD_END, position) + _HEAD_END_BYTES
        if stop < _HEAD_END_BYTES:
            self._wait(data[position:], time)
            return len(data)
        if stop - position > MAX_HEAD:
            raise UnreadableError
        begun = time
        if self._check is not None:
            self._check, begun = None, self._begun
        side = self._side
        try:
            length = side.head(data[position:stop], begun)
        except UpgradedError as upgrade:
            upgrade.rest = data[stop:]
            raise
        if length < 0:
            self._begin_open_body(length)
            return stop
        end = stop + length
        if end > len(data):
            self._left = length
            return stop
        if length:
            side.part(data, stop, end, time)
        side.ends(time)
        return end

    def _begin_open_body(self, length: int) -> None:
        if length == CHUNKED:
            self._chunks = ChunkReader()
        else:
            self._left = _FOREVER

    def _wait(self, head: bytes, time: int) -> None:
        """Keep the beginning of a head, if it may become one."""
        if not self._bodies.hold(len(head)):
            raise UnreadableError
        self._head = head
        if self._check is None:
            self._check, self._begun = HeadCheck(requests=self._requests), time
            self._check.feed(head)

    def _with_head(self, data: bytes) -> bytes:
        """Return the bytes with the beginning of the head before them."""
        if self._check is not None and _HEAD_END not in self._head[-3:] + data:
            self._check.feed(data)
        data = self._head + data
        self.forget()
        return data

    def _take_body(self, data: bytes, position: int, time: int) -> int:
        stop = min(position + self._left, len(data))
        self._left -= stop - position
        self._side.part(data, position, stop, time)
        if not self._left:
            self._side.ends(time)
        return stop

    def _take_chunks(self, chunks: ChunkReader, data: bytes, position: int, time: int) -> int:
        parts: list[bytes] = []
        position = chunks.read(data, position, parts)
        for part in parts:
            self._side.part(part, 0, len(part), time)
        if chunks.done:
            self._chunks = None
            self._side.ends(time)
        return position
