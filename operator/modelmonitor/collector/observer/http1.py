"""HTTP/1.1: two byte streams of one connection to exchanges.

Messages are followed one by one, each side for itself: a head, then a body as the head says. What
a response's body is, is known only with the request that it answers, so no parser that reads
responses alone can tell where the one to HEAD ends.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from modelmonitor.collector.observer.exchange import SWITCHING_PROTOCOLS, Exchange
from modelmonitor.collector.observer.headers import UnreadableError
from modelmonitor.collector.observer.heads import ResponseHead, request_head, response_head
from modelmonitor.collector.observer.messages import MessageReader, UpgradedError
from modelmonitor.collector.observer.sink import Sink

MAX_PIPELINED: Final = 1024
"""Requests without a response on one connection; more is not HTTP any more."""

_FINAL_STATUS: Final = 200
_TUNNELLED: Final = range(200, 300)


class HTTP1Connection:
    """The exchanges of one connection."""

    def __init__(self, connection: int, port: int, sink: Sink) -> None:
        self.connection = connection
        self.port = port
        self.sink = sink
        self.queue: deque[Exchange] = deque()
        """Requests whose response is not complete, oldest first."""
        self._numbers = 0
        self._last_response = 0
        self._requests = MessageReader(_Requests(self), sink.bodies, requests=True)
        self._responses = MessageReader(_Responses(self), sink.bodies, requests=False)

    def exchanges(self) -> Iterable[Exchange]:
        """Return those that are not over."""
        return self.queue

    def request_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the client sent.

        Raises
        ------
        UnreadableError
            If this is not HTTP/1.1, or no longer.
        """
        self._requests.feed(data, time)

    def response_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the model sent.

        Raises
        ------
        UnreadableError
            If this is not HTTP/1.1, or no longer.
        UpgradedError
            If another protocol begins.
        """
        self._last_response = time
        self._responses.feed(data, time)

    def close(self) -> None:
        """End the connection: what has no complete response will not get one.

        Clients leave a stream of events when they have read the one that they take for the last,
        such as `[DONE]`, before its end has come: it is counted by its status.
        """
        self._responses.end_of_stream(self._last_response)
        first = self.queue[0] if self.queue else None
        if first is not None and first.request_complete and first.status and first.response.timed:
            self.finish(first, self._last_response)
        for exchange in self.queue:
            if exchange.request_complete:
                exchange.status = 0
                self.sink.finished(exchange)
            else:
                self.sink.abandoned(exchange)
        self.queue.clear()
        self.forget()

    def forget(self) -> None:
        """Abandon what is open."""
        for exchange in self.queue:
            self.sink.abandoned(exchange)
        self.queue.clear()
        self._requests.forget()
        self._responses.forget()

    def leave(self) -> Exchange | None:
        """Return the request that was upgraded, unfinished, and abandon those after it."""
        upgraded = self.queue.popleft() if self.queue else None
        self.forget()
        return upgraded

    def next_number(self) -> int:
        """Return how many requests came before."""
        self._numbers += 1
        return self._numbers - 1

    def finish(self, exchange: Exchange, time: int) -> None:
        """Count the oldest request, whose response is complete."""
        exchange.response_end = time
        if not exchange.request_complete:
            exchange.request_end = exchange.first_byte  # answered before the request was read
            exchange.request.wanted = False
        self.queue.popleft()
        self.sink.finished(exchange)


class _Requests:
    """Messages of the client."""

    def __init__(self, owner: HTTP1Connection) -> None:
        self._owner = owner
        self._exchange: Exchange | None = None

    def head(self, head: bytes, begun: int) -> int:
        said = request_head(head)
        owner = self._owner
        self._exchange = exchange = Exchange(
            owner.port,
            owner.connection,
            owner.next_number(),
            said.method,
            said.path,
            said.headers.kept,
            begun,
        )
        if len(owner.queue) >= MAX_PIPELINED or not owner.sink.begins(exchange):
            raise UnreadableError
        owner.queue.append(exchange)
        return said.length

    def part(self, data: bytes, start: int, stop: int, time: int) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.request.wanted:
            self._owner.sink.bodies.keep(exchange.request, data[start:stop], time)

    def ends(self, time: int) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.request_end = time
            exchange.request_complete = True


class _Responses:
    """Messages of the model."""

    def __init__(self, owner: HTTP1Connection) -> None:
        self._owner = owner
        self._exchange: Exchange | None = None

    def head(self, head: bytes, begun: int) -> int:
        said = response_head(head)
        queue = self._owner.queue
        exchange = self._exchange = queue[0] if queue else None
        status = said.status
        if status < _FINAL_STATUS:
            self._exchange = None
            if status == SWITCHING_PROTOCOLS:
                _note(exchange, said, begun)
                raise UpgradedError(said.headers.kept.get(b"upgrade", b""))
            return 0
        _note(exchange, said, begun)
        if exchange is None:
            return said.length
        if exchange.method == b"CONNECT" and status in _TUNNELLED:
            raise UpgradedError
        return 0 if exchange.method == b"HEAD" else said.length

    def part(self, data: bytes, start: int, stop: int, time: int) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.response.wanted:
            self._owner.sink.bodies.keep(exchange.response, data[start:stop], time)

    def ends(self, time: int) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._owner.finish(exchange, time)


def _note(exchange: Exchange | None, said: ResponseHead, begun: int) -> None:
    if exchange is not None:
        exchange.status = said.status
        exchange.first_byte = begun
        exchange.response_headers = said.headers.kept
        exchange.response.timed = said.headers.timed
