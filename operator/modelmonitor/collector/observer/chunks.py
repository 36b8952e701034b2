"""Bodies in chunks (RFC 9112 §7.1), from bytes in any pieces."""

import re
from enum import Enum, auto
from typing import Final

from modelmonitor.collector.observer.headers import MAX_HEAD, UnreadableError

MAX_LINE: Final = 4096
"""Bytes of a chunk's size with its extensions, or of a trailer."""

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")


class _Expected(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()


class ChunkReader:
    """Takes one body apart."""

    def __init__(self) -> None:
        self.done = False
        """The last chunk and the trailers were read."""
        self._expected = _Expected.SIZE
        self._left = 0
        self._line = b""
        self._trailers = 0

    def read(self, data: bytes, position: int, parts: list[bytes]) -> int:
        """Read bytes from a position on; return where the body, or what there is of it, ends.

        Parameters
        ----------
        data, position
            What came, and where the body goes on in it.
        parts
            Gets the content of chunks.

        Raises
        ------
        UnreadableError
            If these are no chunks.
        """
        end = len(data)
        while position < end and not self.done:
            if self._expected is _Expected.DATA:
                after = min(position + self._left, end)
                parts.append(data[position:after])
                self._left -= after - position
                position = after
                if not self._left:
                    self._expected = _Expected.DATA_END
            elif self._expected is _Expected.SIZE and not self._line:
                position = self._take_chunk(data, position, parts)
            else:
                position = self._take_line(data, position)
        return position

    def _take_chunk(self, data: bytes, position: int, parts: list[bytes]) -> int:
        """Read a chunk that came as a whole in one step, as events do; otherwise line by line."""
        match = _SIZE_LINE.match(data, position, position + MAX_LINE)
        if match is not None:
            start = match.end()
            stop = start + int(match[1], 16)
            if stop > start and data[stop : stop + 2] == b"\r\n":
                parts.append(data[start:stop])
                return stop + 2
        return self._take_line(data, position)

    def _take_line(self, data: bytes, position: int) -> int:
        stop = data.find(b"\n", position) + 1
        line = self._line + data[position : stop or len(data)]
        if len(line) > MAX_LINE:
            raise UnreadableError
        if not stop:
            self._line = line
            return len(data)
        self._line = b""
        if self._expected is _Expected.SIZE:
            self._size(line)
        elif self._expected is _Expected.DATA_END:
            if line != b"\r\n":
                raise UnreadableError
            self._expected = _Expected.SIZE
        else:
            self._trailer(line)
        return stop

    def _size(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise UnreadableError
        self._left = int(match[1], 16)
        self._expected = _Expected.DATA if self._left else _Expected.TRAILER

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > MAX_HEAD:
            raise UnreadableError
        self.done = line == b"\r\n"
