"""The frames of an HTTP/2 connection, as far as copying has to know them (RFC 9113 §4, §6).

Nothing is decoded. What is followed is where frames begin, so that a copy can leave bodies out and
nothing else, and what a new observer would need to read on: each direction's compression table.
"""

import struct
from typing import Final

from modelmonitor.collector.handover import HTTP2_PREFACE, Kind
from modelmonitor.collector.http2 import (
    BLOCKS,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    LENGTHS,
    PADDED,
    PUSH_PROMISE,
    SETTINGS,
    STREAM,
    WITH_PRIORITY,
    MalformedBlockError,
)
from modelmonitor.collector.splice.compression import CompressionTable, Memory

HEAD: Final = struct.Struct(">IBI")
"""Length and type in one number, flags, stream."""
MAX_BLOCK: Final = 256 * 1024
"""Bytes of a header block; a longer one makes no sense."""

_SETTING: Final = 6
"""Bytes of one setting."""
_REPLAY_STREAM: Final = 1


class NoFramesError(ValueError):
    """Bytes that are not HTTP/2, or no longer."""


def begins_http2(data: bytes) -> bool:
    """Return whether a client that begins with these bytes speaks HTTP/2."""
    return data[: len(HTTP2_PREFACE)] == HTTP2_PREFACE[: len(data)] and len(data) > len(b"PRI")


def begins_with_settings(data: bytes) -> bool:
    """Return whether a server that speaks first may speak HTTP/2."""
    if len(data) < HEAD.size:
        return False
    word, _, stream = HEAD.unpack_from(data)
    return word & 0xFF == SETTINGS and not (word >> 8) % _SETTING and not stream


class Direction:
    """One direction of a connection.

    Every byte goes through exactly one of `walk`, `thin` and `align`. Each raises `NoFramesError`
    for bytes that make no sense; the direction is of no use then.
    """

    __slots__ = ("_block", "_ending", "_left_out", "_rest", "_tail", "_withheld", "joined", "table")

    def __init__(self, memory: Memory, before: int = 0) -> None:
        self.table = CompressionTable(memory)
        self._rest = before
        """Bytes that follow of a frame whose payload does not matter."""
        self._tail = b""
        """The beginning of a frame that has to be read as a whole."""
        self._block: bytes | None = None
        """The header block so far; None between blocks."""
        self._left_out = False
        """What follows of the frame is left out of the copy."""
        self._ending = b""
        """What the copy gets instead of the frame that is left out, at its end."""
        self._withheld = False
        """The tail is not in the copy yet."""
        self.joined = True
        """The copy has this direction; False: it waits for a frame to begin with."""

    @property
    def thinning(self) -> bool:
        """Whether the next bytes have to go through `thin`, whether or not copies are to shrink."""
        return self._left_out or self._withheld

    def walk(self, data: bytes) -> None:
        """Follow bytes that are copied as they are, or not at all."""
        if self._tail:
            data = self._tail + data
            self._tail = b""
        end = len(data)
        offset = self._rest
        while offset + HEAD.size <= end:
            word, flags, stream = HEAD.unpack_from(data, offset)
            after = offset + HEAD.size + (word >> 8)
            if after > end and word & 0xFF in BLOCKS:
                break
            if word & 0xFF or self._block is not None:
                self._frame(word, flags, stream, data[offset + HEAD.size : after])
            elif not stream & STREAM:
                raise NoFramesError("DATA without a stream")
            offset = after
        self._rest = max(0, offset - end)
        if offset < end:
            self._keep_tail(data[offset:])

    def align(self, data: bytes) -> int | None:
        """Follow bytes up to where a reader may begin; return their number.

        None: there is no such place in them, and they have been followed.
        """
        consumed = 0
        while not self.aligned:
            if self._rest:
                step = self._rest
            elif len(self._tail) < HEAD.size:
                step = HEAD.size - len(self._tail)
            else:
                step = HEAD.size + (HEAD.unpack_from(self._tail)[0] >> 8) - len(self._tail)
            piece = data[consumed : consumed + step]
            if not piece:
                return None
            self.walk(piece)
            consumed += len(piece)
        return consumed

    @property
    def aligned(self) -> bool:
        """Whether the next byte begins a frame, and not one that continues a header block."""
        return not self._rest and not self._tail and self._block is None

    @property
    def withheld(self) -> int:
        """Bytes that were followed and neither copied nor left out yet."""
        return len(self._ending) + (len(self._tail) if self._withheld else 0)

    def part(self) -> None:
        """Note that the copy has ended, without what was withheld from it."""
        self.joined = self._left_out = self._withheld = False
        self._ending = b""

    def join(self) -> bytes:
        """Begin a copy at this frame; return what its reader has to read before."""
        self.joined = True
        return b"".join(
            HEAD.pack(len(block) << 8 | HEADERS, END_HEADERS, _REPLAY_STREAM) + block
            for block in self.table.replay()
        )

    def thin(self, data: bytes, *, leave_out: bool) -> tuple[bytes, set[int]]:
        """Follow bytes, and return what of them is to be copied, without DATA frames.

        A frame of which a part was copied already is copied to its end. A DATA frame that ends its
        stream becomes an empty one. What cannot be judged yet is withheld until the next call.

        Returns
        -------
        bytes
            Whole frames, and parts of such as were or will be copied in parts.
        set of int
            The streams of which DATA was left out.
        """
        given = 0 if self._withheld else len(self._tail)
        data, self._tail, self._withheld = self._tail + data, b"", False
        end = len(data)
        kept: list[bytes] = []
        streams: set[int] = set()
        offset = self._thin_rest(data, kept)
        while not self._rest and end - offset >= HEAD.size:
            word, flags, stream = HEAD.unpack_from(data, offset)
            after = offset + HEAD.size + (word >> 8)
            if word & 0xFF in BLOCKS and after > end:
                break
            if leave_out and not given and self._leave_out(word, flags, stream):
                streams.add(stream & STREAM)
                if after <= end:
                    self._end_left_out(kept)
            else:
                self._frame(word, flags, stream, data[offset + HEAD.size : after])
                kept.append(data[offset + given : after])
            given = 0
            offset = min(after, end)
            self._rest = after - offset
        if offset < end:
            self._keep_tail(data[offset:])
            self._withheld = not given
            kept.append(data[offset + given :] if given else b"")
        return b"".join(kept), streams

    def _thin_rest(self, data: bytes, kept: list[bytes]) -> int:
        """Pass what follows of the last frame; return where it ends."""
        offset = min(self._rest, len(data))
        self._rest -= offset
        if not self._left_out:
            kept.append(data[:offset])
        elif not self._rest:
            self._end_left_out(kept)
        return offset

    def _leave_out(self, word: int, flags: int, stream: int) -> bool:
        """Return whether a frame is left out of the copy: one of DATA that is not empty."""
        if word & 0xFF or not word >> 8 or not stream & STREAM or self._block is not None:
            return False
        self._left_out = True
        self._ending = HEAD.pack(DATA, END_STREAM, stream) if flags & END_STREAM else b""
        return True

    def _end_left_out(self, kept: list[bytes]) -> None:
        self._left_out = False
        if self._ending:
            kept.append(self._ending)
            self._ending = b""

    def _keep_tail(self, tail: bytes) -> None:
        self._tail = tail
        if len(tail) >= HEAD.size and HEAD.unpack_from(tail)[0] >> 8 > MAX_BLOCK:
            raise NoFramesError("a header block without end")

    def _frame(self, word: int, flags: int, stream: int, payload: bytes) -> None:
        """Follow a frame; its payload is whole where it is a part of a header block."""
        kind, length, stream = word & 0xFF, word >> 8, stream & STREAM
        if self._block is not None and kind != CONTINUATION:
            raise NoFramesError("a header block is interrupted")
        if kind == DATA or kind in BLOCKS:
            if not stream:
                raise NoFramesError(f"a frame of type {kind} without a stream")
            if kind != DATA:
                self._headers(kind, flags, payload)
        elif kind == SETTINGS:
            if length % _SETTING or stream:
                raise NoFramesError("SETTINGS that are none")
        elif LENGTHS.get(kind, length) != length:
            raise NoFramesError(f"a frame of type {kind} with {length} bytes")

    def _headers(self, kind: int, flags: int, payload: bytes) -> None:
        if kind == CONTINUATION:
            if self._block is None:
                raise NoFramesError("CONTINUATION of nothing")
            payload = self._block + payload
            if len(payload) > MAX_BLOCK:
                raise NoFramesError("a header block without end")
        elif flags & (PADDED | WITH_PRIORITY) or kind == PUSH_PROMISE:
            payload = _fragment(kind, flags, payload)
        if not flags & END_HEADERS:
            self._block = payload
            return
        self._block = None
        try:
            self.table.read(payload)
        except MalformedBlockError as error:
            raise NoFramesError(str(error)) from error


def _fragment(kind: int, flags: int, payload: bytes) -> bytes:
    """Return the part of a HEADERS or PUSH_PROMISE frame that belongs to the header block."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload:
            raise NoFramesError("padding of nothing")
        start, end = 1, end - payload[0]
    if kind == PUSH_PROMISE:
        start += 4
    elif flags & WITH_PRIORITY:
        start += 5
    if start > end:
        raise NoFramesError("more padding than frame")
    return payload[start:end]


class Frames:
    """Both directions of a connection."""

    __slots__ = ("_client", "_model", "greeted")

    def __init__(self, memory: Memory) -> None:
        self._client = Direction(memory, before=len(HTTP2_PREFACE))
        self._model = Direction(memory)
        self.greeted = False
        """The client has begun."""

    @property
    def known(self) -> bool:
        """Whether a new reader could be told all it needs."""
        return self._client.table.known and self._model.table.known

    @property
    def withheld(self) -> int:
        """Bytes that will be copied, or left out, with later ones."""
        return self._client.withheld + self._model.withheld

    def direction(self, kind: Kind) -> Direction:
        """Return the direction of a record."""
        return self._client if kind is Kind.REQUEST else self._model

    def greet(self, data: bytes) -> None:
        """Take the client's first bytes.

        Raises
        ------
        NoFramesError
            If they are not HTTP/2's: only the model seemed to speak it.
        """
        if not begins_http2(data):
            raise NoFramesError("the client does not speak HTTP/2")
        self.greeted = True

    def part(self) -> None:
        """Note that the copy has ended; each direction may join another one."""
        self._client.part()
        self._model.part()

    def release(self) -> None:
        """Give memory back; the connection is not followed by its frames any more."""
        for direction in (self._client, self._model):
            direction.part()
            direction.table.release()
