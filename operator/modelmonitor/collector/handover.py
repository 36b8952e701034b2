"""The hand-over: records in which the splice tells the observer what it forwarded.

A record is an 18-byte head, little-endian, and a payload:

    length u32 | connection u32 | kind u8 | port u8 | monotonic µs u64 | payload

`length` is the payload's, `port` the index of the captured port, and the time is CLOCK_MONOTONIC
when the bytes were forwarded, so that latencies are right however late the observer reads them.
Records are in the order of their times. The clock is the machine's: both processes read the same.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct("<IIBBQ")
_STATISTICS: Final = struct.Struct("<QQQ")
HEAD_BYTES: Final = _HEAD.size
MAX_PAYLOAD: Final = 1 << 20
"""No record is longer; a longer one means that the stream is broken."""

REQUEST_LINES: Final = (
    b"POST ",
    b"GET ",
    b"PUT ",
    b"HEAD ",
    b"PATCH ",
    b"DELETE ",
    b"OPTIONS ",
)
"""How bytes begin from which a connection can be followed again, after some were lost."""
HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How a client of HTTP/2 begins (RFC 9113 §3.4)."""


class Kind(IntEnum):
    """What a record says about its connection."""

    REQUEST = 0
    """Bytes from the client to the model."""
    RESPONSE = 1
    """Bytes from the model to the client."""
    CLOSED = 2
    """The connection has ended."""
    RESYNC = 3
    """Bytes were dropped, of requests or responses; what follows starts at a request line, or in
    HTTP/2 in both directions at a frame, each after a record of its past."""
    STATISTICS = 4
    """Bytes forwarded, copied and dropped since the last such record; connection 0."""
    END = 5
    """The splice has drained; nothing follows."""
    SKIPPED = 6
    """HTTP/2: DATA frames were left out, every other frame is there; the payload lists their
    streams, each as u32. Bodies of these streams, in both directions, are not complete. Said after
    the request's first frame and before the response's last; a DATA frame that ends its stream is
    there, but empty."""
    PAST_REQUEST = 7
    """HTTP/2: HEADERS and CONTINUATION frames that the client sent before the connection was
    followed, whole frames in order: they fill the compression table and are nothing to count. May
    be empty."""
    PAST_RESPONSE = 8
    """The same of the model."""


class Record(NamedTuple):
    """One record of the hand-over."""

    kind: int
    connection: int
    port: int
    time: int
    """Monotonic microseconds."""
    payload: bytes = b""


class Statistics(NamedTuple):
    """Bytes since the last report; copied + dropped = forwarded, up to what is being decided."""

    forwarded: int
    copied: int
    dropped: int


class BrokenStreamError(Exception):
    """Bytes that are not a hand-over; the stream has to be closed."""


encode_head: Final = _HEAD.pack
"""Returns a record's head, of the payload's length, connection, kind, port, monotonic µs."""


def encode_record(record: Record) -> bytes:
    """Return a record as bytes."""
    head = _HEAD.pack(len(record.payload), record.connection, record.kind, record.port, record.time)
    return head + record.payload


def encode_statistics(statistics: Statistics) -> bytes:
    """Return the payload of a statistics record."""
    return _STATISTICS.pack(*statistics)


def decode_statistics(payload: bytes) -> Statistics:
    """Return the statistics of a record's payload.

    Raises
    ------
    BrokenStreamError
        If the payload is too short. A longer one is accepted: later versions may say more.
    """
    if len(payload) < _STATISTICS.size:
        raise BrokenStreamError(f"statistics of {len(payload)} bytes")
    return Statistics(*_STATISTICS.unpack_from(payload))


class Splitter:
    """Cuts a byte stream into records; keeps what is incomplete for the next call."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Record]:
        """Return the records that are complete.

        Raises
        ------
        BrokenStreamError
            If a record claims to be longer than `MAX_PAYLOAD`.
        """
        buffer = self._rest + data if self._rest else data
        records: list[Record] = []
        read, make, last_head = _HEAD.unpack_from, tuple.__new__, len(buffer) - HEAD_BYTES
        offset = 0
        while offset <= last_head:
            length, connection, kind, port, time = read(buffer, offset)
            if length > MAX_PAYLOAD:
                raise BrokenStreamError(f"a record of {length} bytes")
            start = offset + HEAD_BYTES
            after = start + length
            if after > len(buffer):
                break
            offset = after
            # As `Record(…)`, which takes three times as long.
            records.append(make(Record, (kind, connection, port, time, buffer[start:after])))
        self._rest = buffer[offset:]
        return records
