"""The messages of one direction of HTTP/1.1, one after the other, from bytes in any pieces."""

from typing import Final, Protocol

from modelmonitor.collector.observer.chunks import ChunkReader
from modelmonitor.collector.observer.headers import MAX_HEAD, UnreadableError
from modelmonitor.collector.observer.heads import CHUNKED, UNTIL_END, HeadCheck

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
    """Who is told about the messages."""

    def begins(self) -> None:
        """Note that a message's first byte came."""

    def head(self, head: bytes) -> int:
        """Take a whole head; return the length of the body, as in `heads`."""

    def part(self, data: bytes, start: int, stop: int) -> None:
        """Take a part of the body: the bytes from `start` to `stop`."""

    def ends(self) -> None:
        """Note that the message is complete."""


class MessageReader:
    """Takes one direction apart.

    Parameters
    ----------
    side
        Who is told.
    requests
        Messages are requests; else responses.
    """

    def __init__(self, side: Side, *, requests: bool) -> None:
        self._side = side
        self._requests = requests
        self._head = b""
        """The beginning of a head whose end has not come."""
        self._check: HeadCheck | None = None
        self._left = 0
        """Bytes that follow of a body whose length is known."""
        self._chunks: ChunkReader | None = None

    def feed(self, data: bytes) -> None:
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
                position = self._take_body(data, position)
            elif self._chunks is not None:
                position = self._take_chunks(self._chunks, data, position)
            else:
                if self._head:
                    data, position = self._with_head(data), 0
                position = self._take_head(data, position)

    def end_of_stream(self) -> bool:
        """Complete a message that ends with the connection; return whether there was one."""
        if self._left <= _FOREVER // 2:
            return False
        self._left = 0
        self._side.ends()
        return True

    def _take_head(self, data: bytes, position: int) -> int:
        while data[position] in _LINE_ENDS:  # some clients send more of them than they should
            position += 1
            if position == len(data):
                return position
        if self._check is None:
            self._side.begins()
        stop = data.find(_HEAD_END, position) + _HEAD_END_BYTES
        if stop < _HEAD_END_BYTES:
            self._wait(data[position:])
            return len(data)
        if stop - position > MAX_HEAD:
            raise UnreadableError
        self._check = None
        try:
            length = self._side.head(data[position:stop])
        except UpgradedError as upgrade:
            upgrade.rest = data[stop:]
            raise
        if not length:
            self._side.ends()
        elif length == CHUNKED:
            self._chunks = ChunkReader()
        else:
            self._left = _FOREVER if length == UNTIL_END else length
        return stop

    def _wait(self, head: bytes) -> None:
        """Keep the beginning of a head, if it may become one."""
        self._head = head
        if self._check is None:
            self._check = HeadCheck(requests=self._requests)
            self._check.feed(head)

    def _with_head(self, data: bytes) -> bytes:
        """Return the bytes with the beginning of the head before them."""
        if self._check is not None and _HEAD_END not in self._head[-3:] + data:
            self._check.feed(data)
        data, self._head = self._head + data, b""
        return data

    def _take_body(self, data: bytes, position: int) -> int:
        stop = min(position + self._left, len(data))
        self._left -= stop - position
        self._side.part(data, position, stop)
        if not self._left:
            self._side.ends()
        return stop

    def _take_chunks(self, chunks: ChunkReader, data: bytes, position: int) -> int:
        parts: list[bytes] = []
        position = chunks.read(data, position, parts)
        for part in parts:
            self._side.part(part, 0, len(part))
        if chunks.done:
            self._chunks = None
            self._side.ends()
        return position
