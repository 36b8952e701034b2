"""HTTP/2: the frames of one connection's two directions to exchanges (RFC 9113, gRPC's mapping).

The observer is neither end: it acknowledges nothing and enforces nothing, and what it does not
know of a connection that it did not see from the start is unknown. A stream becomes one exchange,
at its end, however long it lasted.
"""

import struct
from collections.abc import Iterable
from typing import Final

from modelmonitor.collector.observer.compression import BlockReader
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.frames import FrameWalker
from modelmonitor.collector.observer.headers import UnreadableError
from modelmonitor.collector.observer.sink import Sink

MAX_STREAMS: Final = 2048
"""Streams of one connection that are open at a time; servers allow far fewer."""

_UPGRADED_STREAM: Final = 1
_FINAL_STATUS: Final = 200
_STREAM_ID: Final = struct.Struct("<I")
_GRPC: Final = b"application/grpc"
_CANCEL: Final = 8
_GRPC_OF_RESET: Final = {7: 14, _CANCEL: 1, 11: 8, 12: 7}
"""What gRPC makes of RST_STREAM: REFUSED_STREAM is UNAVAILABLE, CANCEL is CANCELLED,
ENHANCE_YOUR_CALM is RESOURCE_EXHAUSTED, INADEQUATE_SECURITY is PERMISSION_DENIED …"""
_GRPC_INTERNAL: Final = 13
"""… and the others are INTERNAL."""


class HTTP2Connection:
    """The exchanges of one connection.

    Parameters
    ----------
    connection, port
        Which connection, at which captured port.
    sink
        Who is told.
    preface
        Whether the client's preface comes first: not so where a connection is followed from its
        middle on.
    """

    def __init__(self, connection: int, port: int, sink: Sink, *, preface: bool) -> None:
        self.connection = connection
        self.port = port
        self.sink = sink
        self.now = 0
        self.streams: dict[int, Exchange] = {}
        """Those whose response is not complete, oldest first."""
        self._last_stream = 0
        self._numbers = 0
        self._request_blocks = BlockReader()
        self._response_blocks = BlockReader()
        self._requests = FrameWalker(
            _Requests(self, self._request_blocks), sink.bodies, preface=preface
        )
        self._responses = FrameWalker(
            _Responses(self, self._response_blocks), sink.bodies, preface=False
        )

    def exchanges(self) -> Iterable[Exchange]:
        """Return those that are not over."""
        return self.streams.values()

    def request_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the client sent.

        Raises
        ------
        UnreadableError
            If this is not HTTP/2, or no longer.
        """
        self.now = time
        self._requests.feed(data)

    def response_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the model sent; errors as of `request_bytes`."""
        self.now = time
        self._responses.feed(data)

    def past_request(self, data: bytes) -> None:
        """Learn the client's table from frames that it sent before; errors as above."""
        self._learn(self._request_blocks, data)

    def past_response(self, data: bytes) -> None:
        """Learn the model's table from frames that it sent before; errors as above."""
        self._learn(self._response_blocks, data)

    def skipped(self, payload: bytes, time: int) -> None:
        """Note that parts of bodies were left out, of the streams that the payload lists."""
        usable = len(payload) - len(payload) % _STREAM_ID.size
        for (stream,) in _STREAM_ID.iter_unpack(payload[:usable]):
            exchange = self.streams.get(stream)
            if exchange is not None:
                self.sink.bodies.break_off(exchange.request)
                self.sink.bodies.break_off(exchange.response)
                if not exchange.request_complete:
                    exchange.request_end = time

    def upgraded(self, exchange: Exchange) -> None:
        """Take the request that asked for HTTP/2 in HTTP/1.1: it is stream 1."""
        exchange.status = 0
        self.streams[_UPGRADED_STREAM] = exchange
        self._last_stream = _UPGRADED_STREAM
        self._numbers = exchange.number + 1

    def close(self) -> None:
        """End the connection: what has no complete response will not get one."""
        self.end_unanswered(list(self.streams))
        self.forget()

    def forget(self) -> None:
        """Abandon what is open."""
        for exchange in self.streams.values():
            self.sink.abandoned(exchange)
        self.streams.clear()
        self._requests.forget()
        self._responses.forget()

    def _learn(self, blocks: BlockReader, data: bytes) -> None:
        walker = FrameWalker(_Past(blocks), self.sink.bodies, preface=False)
        try:
            walker.feed(data)
        finally:
            walker.forget()

    def begin(self, stream: int, exchange: Exchange) -> None:
        """Take a stream that the client opened."""
        if len(self.streams) >= MAX_STREAMS or not self.sink.begins(exchange):
            raise UnreadableError
        self.streams[stream] = exchange

    def opens(self, stream: int) -> bool:
        """Return whether a stream is a new one of the client, and note it."""
        if stream <= self._last_stream or not stream % 2:
            return False
        self._last_stream = stream
        return True

    def next_number(self) -> int:
        """Return how many requests came before."""
        self._numbers += 1
        return self._numbers - 1

    def finish(self, stream: int, exchange: Exchange) -> None:
        """Count a stream whose response is complete."""
        del self.streams[stream]
        exchange.response_end = self.now
        if not exchange.request_complete and not exchange.request_end:
            exchange.request_end = exchange.first_byte  # answered before the request was read
        self.sink.finished(exchange)

    def reset(self, stream: int, code: int) -> None:
        """End a stream that one of both ends gave up."""
        exchange = self.streams.get(stream)
        if exchange is None:
            return
        if is_grpc(exchange):
            exchange.grpc_status = _GRPC_OF_RESET.get(code, _GRPC_INTERNAL)
            exchange.request_complete = True
        self.end_unanswered([stream])

    def end_unanswered(self, streams: Iterable[int]) -> None:
        """End streams that get no response, or not all of it."""
        for stream in streams:
            exchange = self.streams.pop(stream)
            if exchange.request_complete:
                exchange.status = 0
                self.sink.finished(exchange)
            else:
                self.sink.abandoned(exchange)


def is_grpc(exchange: Exchange) -> bool:
    """Return whether an exchange is a gRPC call."""
    return exchange.headers.get(b"content-type", b"").startswith(_GRPC)


class _Requests:
    """Frames of the client."""

    def __init__(self, owner: HTTP2Connection, blocks: BlockReader) -> None:
        self._owner = owner
        self._blocks = blocks

    def headers(self, stream: int, block: bytes, *, ended: bool) -> None:
        owner = self._owner
        fields = self._blocks.read(block)
        exchange = owner.streams.get(stream)
        if exchange is None:
            # On a connection that is followed from its middle on, these may be trailers.
            if not owner.opens(stream) or not (fields.asks or not ended):
                return
            exchange = Exchange(
                port=owner.port,
                connection=owner.connection,
                number=owner.next_number(),
                method=fields.method,
                path=fields.path,
                headers=fields.headers.kept,
                started=owner.now,
            )
            owner.begin(stream, exchange)
        if ended:
            exchange.request_end = owner.now
            exchange.request_complete = True

    def promised(self, block: bytes) -> None:
        del block  # clients do not push
        raise UnreadableError

    def data(self, stream: int, data: bytes, *, ended: bool) -> None:
        owner = self._owner
        exchange = owner.streams.get(stream)
        if exchange is None:
            return
        exchange.request_end = owner.now
        if data and exchange.request.wanted:
            owner.sink.bodies.keep(exchange.request, data, owner.now)
        if ended:
            exchange.request_complete = True

    def reset(self, stream: int, code: int) -> None:
        self._owner.reset(stream, code)

    def going_away(self, last_stream: int) -> None:
        """Do nothing: it speaks of streams that the model opens."""


class _Responses:
    """Frames of the model."""

    def __init__(self, owner: HTTP2Connection, blocks: BlockReader) -> None:
        self._owner = owner
        self._blocks = blocks

    def headers(self, stream: int, block: bytes, *, ended: bool) -> None:
        owner = self._owner
        fields = self._blocks.read(block)
        exchange = owner.streams.get(stream)
        if exchange is None:
            return
        if not exchange.status:
            if 0 < fields.status < _FINAL_STATUS:
                return
            if not fields.status:  # a table that is not known: nothing to be said of this one
                del owner.streams[stream]
                owner.sink.abandoned(exchange)
                return
            exchange.status = fields.status
            exchange.first_byte = owner.now
            exchange.response_headers = fields.headers.kept
            exchange.response.timed = fields.headers.timed
        if fields.grpc_status is not None:
            exchange.grpc_status = fields.grpc_status
        if ended:
            owner.finish(stream, exchange)

    def promised(self, block: bytes) -> None:
        self._blocks.read(block)

    def data(self, stream: int, data: bytes, *, ended: bool) -> None:
        owner = self._owner
        exchange = owner.streams.get(stream)
        if exchange is None:
            return
        if data and exchange.response.wanted:
            owner.sink.bodies.keep(exchange.response, data, owner.now)
        if ended:
            owner.finish(stream, exchange)

    def reset(self, stream: int, code: int) -> None:
        self._owner.reset(stream, code)

    def going_away(self, last_stream: int) -> None:
        owner = self._owner
        owner.end_unanswered([stream for stream in owner.streams if stream > last_stream])


class _Past:
    """Frames of the time before: only their header blocks matter."""

    def __init__(self, blocks: BlockReader) -> None:
        self._blocks = blocks

    def headers(self, stream: int, block: bytes, *, ended: bool) -> None:
        del stream, ended
        self._blocks.read(block)

    def promised(self, block: bytes) -> None:
        self._blocks.read(block)

    def data(self, stream: int, data: bytes, *, ended: bool) -> None:
        """Do nothing."""

    def reset(self, stream: int, code: int) -> None:
        """Do nothing."""

    def going_away(self, last_stream: int) -> None:
        """Do nothing."""
