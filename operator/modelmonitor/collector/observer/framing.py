"""HTTP/1.1 framing: two byte streams of one connection to exchanges.

Whatever arrives, nothing is raised: bytes that are not HTTP/1.1, or no longer, make the connection
unreadable until a request line starts a record again. Bodies are kept only where they are wanted.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import httptools

from modelmonitor.collector.handover import REQUEST_LINES
from modelmonitor.collector.observer.bodies import Body
from modelmonitor.collector.observer.exchange import SWITCHING_PROTOCOLS, Exchange

logger = logging.getLogger(__name__)

KEPT_HEADERS: Final = frozenset(
    {
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
        b"inference-header-content-length",
        b"x-request-id",
        b"ce-id",
    }
)
MAX_HEAD: Final = 64 * 1024
MAX_PIPELINED: Final = 1024
"""Requests without a response on one connection; more is not HTTP any more."""

_FINAL_STATUS: Final = 200
_STATUS_LINE: Final = slice(9, 12)


class Sink(Protocol):
    """Who is told about exchanges."""

    def wants_bodies(self, exchange: Exchange) -> bool:
        """Return whether the bodies of this request and its response are to be kept."""

    def keep(self, body: Body, data: bytes) -> None:
        """Keep a part of a wanted body, within limits."""

    def finished(self, exchange: Exchange) -> None:
        """Take an exchange that is over."""

    def abandoned(self, exchange: Exchange) -> None:
        """Forget an exchange whose end will not be seen."""


class _UnreadableError(Exception):
    """The connection does not speak HTTP/1.1."""


class HTTPConnection:
    """The exchanges of one connection."""

    def __init__(self, connection: int, port: int, sink: Sink) -> None:
        self.connection = connection
        self.port = port
        self.sink = sink
        self.now = 0
        self.queue: deque[Exchange] = deque()
        """Requests whose response is not complete, oldest first."""
        self.opaque = False
        """The connection was upgraded: what follows is another protocol's."""
        self._readable = True
        self._numbers = 0
        self._requests = _RequestReader(self)
        self._responses = _ResponseReader(self)

    @property
    def readable(self) -> bool:
        """Whether the bytes so far could be read."""
        return self._readable

    def next_number(self) -> int:
        """Return how many requests came before."""
        self._numbers += 1
        return self._numbers - 1

    def request_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the client sent."""
        if not self._readable and data.startswith(REQUEST_LINES):
            self.restart()
        self._read(self._requests.feed, data, time)

    def response_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the model sent."""
        self._read(self._responses.feed, data, time)

    def restart(self) -> None:
        """Read on at a request line; what was before it is forgotten."""
        self._forget()
        self._readable, self.opaque = True, False
        self._requests = _RequestReader(self)
        self._responses = _ResponseReader(self)

    def close(self, time: int) -> None:
        """End the connection: what has no complete response will not get one."""
        self.now = time
        if self._readable:
            self._responses.end_of_stream()
        for exchange in self.queue:
            if exchange.request_complete and not exchange.response_end:
                exchange.status = 0
                self.sink.finished(exchange)
            else:
                self.sink.abandoned(exchange)
        self.queue.clear()

    def _read(self, feed: Callable[[bytes], None], data: bytes, time: int) -> None:
        if self.opaque or not self._readable:
            return
        self.now = time
        try:
            feed(data)
        except (httptools.HttpParserError, _UnreadableError) as error:
            if isinstance(error, httptools.HttpParserCallbackError) and not isinstance(
                error.__context__, _UnreadableError
            ):
                logger.exception("cannot follow connection %d", self.connection)
            if not self.opaque:
                self._readable = False
                self._forget()

    def _forget(self) -> None:
        for exchange in self.queue:
            self.sink.abandoned(exchange)
        self.queue.clear()


class _RequestReader:
    """Callbacks of the request parser."""

    def __init__(self, owner: HTTPConnection) -> None:
        self._owner = owner
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._started = 0
        self._exchange: Exchange | None = None
        self._resumed: Exchange | None = None
        """The request whose body follows, after its head was read by another parser."""

    def feed(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._ignore_upgrade()
                data = data[upgrade.args[0] :]
                if data:
                    continue
            return

    def _ignore_upgrade(self) -> None:
        """Go on in HTTP/1.1 after an offered upgrade.

        Most servers answer as if it had not been offered; a 101 from the model is what makes the
        connection opaque. The parser ends such a request at its head, so if there is a body, a
        new parser is told of it by a head that offers nothing.
        """
        self._parser = httptools.HttpRequestParser(self)
        exchange = self._exchange
        if exchange is None:
            return
        framing = b"".join(
            name + b": " + exchange.headers[name] + b"\r\n"
            for name in (b"content-length", b"transfer-encoding")
            if name in exchange.headers
        )
        if framing:
            exchange.request_complete = False
            self._resumed = exchange
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n")

    def on_message_begin(self) -> None:
        self._url, self._headers, self._started = b"", {}, self._owner.now
        self._exchange = None

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > MAX_HEAD:
            raise _UnreadableError

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in KEPT_HEADERS:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        if self._resumed is not None:
            self._exchange, self._resumed = self._resumed, None
            return
        owner = self._owner
        if len(owner.queue) >= MAX_PIPELINED:
            raise _UnreadableError
        exchange = Exchange(
            port=owner.port,
            connection=owner.connection,
            number=owner.next_number(),
            method=self._parser.get_method(),
            path=self._url.partition(b"?")[0],
            headers=self._headers,
            started=self._started,
        )
        wanted = owner.sink.wants_bodies(exchange)
        exchange.request.wanted = exchange.response.wanted = wanted
        self._exchange = exchange
        owner.queue.append(exchange)

    def on_body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.request.wanted:
            self._owner.sink.keep(exchange.request, data)

    def on_message_complete(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.request_end = self._owner.now
            exchange.request_complete = True


class _ResponseReader:
    """Callbacks of the response parser."""

    def __init__(self, owner: HTTPConnection) -> None:
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._head = b""
        self._headers: dict[bytes, bytes] = {}
        self._begun = 0
        self._last = 0
        self._until_end = False
        self._exchange: Exchange | None = None

    def feed(self, data: bytes) -> None:
        self._last = self._owner.now
        queue = self._owner.queue
        while data and queue and queue[0].method == b"HEAD" and self._exchange is None:
            data = self._feed_head(data)
        if data:
            self._parser.feed_data(data)

    def end_of_stream(self) -> None:
        """Complete a response that ends with the connection."""
        if self._exchange is not None and self._until_end:
            self._owner.now = max(self._last, 1)
            self.on_message_complete()

    def on_message_begin(self) -> None:
        self._headers, self._begun = {}, self._owner.now

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in KEPT_HEADERS:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status == SWITCHING_PROTOCOLS:
            self._switch()
        if status < _FINAL_STATUS or not self._owner.queue:
            self._exchange = None
            return
        exchange = self._owner.queue[0]
        exchange.status = status
        exchange.first_byte = self._begun
        exchange.response_headers = self._headers
        self._until_end = not {b"content-length", b"transfer-encoding"} & self._headers.keys()
        self._exchange = exchange

    def on_body(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.response.wanted:
            self._owner.sink.keep(exchange.response, data)

    def on_message_complete(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._finish(exchange)

    def _finish(self, exchange: Exchange) -> None:
        exchange.response_end = self._owner.now
        if not exchange.request_complete:
            exchange.request_end = exchange.first_byte  # answered before the request was read
        self._owner.queue.popleft()
        self._owner.sink.finished(exchange)

    def _switch(self) -> None:
        """Finish the request that was upgraded; what follows is not HTTP/1.1."""
        queue = self._owner.queue
        self._owner.opaque = True
        if queue:
            exchange = queue[0]
            exchange.status = SWITCHING_PROTOCOLS
            exchange.first_byte = self._begun
            self._finish(exchange)
        raise _UnreadableError

    def _feed_head(self, data: bytes) -> bytes:
        """Read the head of a response to HEAD, which has no body whatever it announces.

        Returns the bytes after it.
        """
        if not self._head:
            self._begun = self._owner.now
        self._head += data
        end = self._head.find(b"\r\n\r\n")
        if end < 0:
            if len(self._head) > MAX_HEAD:
                raise _UnreadableError
            return b""
        head, rest = self._head[:end], self._head[end + 4 :]
        self._head = b""
        status = head[_STATUS_LINE]
        if not head.startswith(b"HTTP/1.") or not status.isdigit():
            raise _UnreadableError
        if int(status) >= _FINAL_STATUS:
            exchange = self._owner.queue[0]
            exchange.status = int(status)
            exchange.first_byte = self._begun
            self._finish(exchange)
        return rest
