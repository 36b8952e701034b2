"""Records of the hand-over to counts: connections, exchanges, the open pane."""

from typing import Final

from modelmonitor.collector.handover import Kind, Record, decode_statistics
from modelmonitor.collector.observer.bodies import Body, BodyKeeper
from modelmonitor.collector.observer.book import PaneBook
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.framing import HTTPConnection
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.core.wire.configuration import CollectorConfiguration

MICROSECONDS: Final = 1e-6
FLUSH_SECONDS: Final = 1.0
"""Rows wait no longer to be counted."""


class Recorder:
    """Takes records in the order of their times.

    Parameters
    ----------
    book
        Keeps the open pane.
    port_names
        Names of the captured ports, by index.
    totals
        Counts since the start, for `/metrics`.
    """

    def __init__(self, book: PaneBook, port_names: tuple[str, ...], totals: Totals) -> None:
        self._book = book
        self._port_names = port_names
        self._totals = totals
        self._bodies = BodyKeeper()
        self._connections: dict[int, HTTPConnection] = {}
        self._configuration = book.configuration
        self._interpreter = Interpreter(book.configuration, port_names)
        self._flushed = 0.0

    def take(self, record: Record) -> bool:
        """Count one record; return whether it was the splice's last."""
        self.advance(record.time * MICROSECONDS)
        match record.kind:
            case Kind.REQUEST | Kind.RESPONSE:
                self._take_bytes(record)
            case Kind.CLOSED:
                closed = self._connections.pop(record.connection, None)
                if closed is not None:
                    closed.close(record.time)
            case Kind.RESYNC:
                self._connection(record).restart()
            case Kind.STATISTICS:
                self._take_statistics(record.payload)
            case Kind.END:
                return True
            case _:  # a later version's
                pass
        return False

    def advance(self, monotonic: float) -> None:
        """Close what has ended by this time, and read on as the configuration in force says."""
        self._book.advance(monotonic)
        self._follow_configuration()
        if monotonic - self._flushed >= FLUSH_SECONDS:
            self._flushed = monotonic
            self._book.tally.flush()

    def apply(self, configuration: CollectorConfiguration, monotonic: float) -> None:
        """Count under another configuration, from the moment that the book chooses."""
        self._book.apply(configuration, monotonic)
        self._follow_configuration()

    def forget_connections(self) -> None:
        """Follow no connection any more: the splice is gone, or knows of a new stream."""
        for connection in self._connections.values():
            connection.restart()
        self._connections.clear()

    def wants_bodies(self, exchange: Exchange) -> bool:
        """Return whether the bodies of this request and its response are to be kept."""
        return self._interpreter.samples(exchange)

    def keep(self, body: Body, data: bytes) -> None:
        """Keep a part of a wanted body, within limits."""
        self._bodies.keep(body, data)

    def finished(self, exchange: Exchange) -> None:
        """Count an exchange that is over."""
        if self._interpreter.concerns(exchange):
            self._count(exchange)
            if exchange.request.wanted and exchange.succeeded:
                self._decode(exchange)
        else:
            self._totals.other_models += 1
        self.abandoned(exchange)

    def abandoned(self, exchange: Exchange) -> None:
        """Forget an exchange."""
        self._bodies.release(exchange.request)
        self._bodies.release(exchange.response)

    def _count(self, exchange: Exchange) -> None:
        self._book.tally.add_exchange(exchange)
        self._totals.codes[exchange.code] += 1

    def _decode(self, exchange: Exchange) -> None:
        # The configuration may have changed since the request began.
        if not self._interpreter.samples(exchange):
            return
        try:
            decoded = self._interpreter.decode(exchange)
        except UndecodableError as error:
            self._book.tally.add_undecodable(error.reason)
            self._totals.undecodable[str(error.reason)] += 1
            return
        self._book.tally.add_rows(decoded)
        self._totals.decoded += 1
        self._totals.rows += decoded.rows.inputs.rows

    def _take_bytes(self, record: Record) -> None:
        connection = self._connection(record)
        if record.kind == Kind.REQUEST:
            connection.request_bytes(record.payload, record.time)
        else:
            connection.response_bytes(record.payload, record.time)
        if not connection.readable:
            self._book.tally.unreadable += len(record.payload)
            self._totals.unreadable += len(record.payload)

    def _take_statistics(self, payload: bytes) -> None:
        forwarded, copied, dropped = decode_statistics(payload)
        for counts in (self._book.tally, self._totals):
            counts.forwarded += forwarded
            counts.copied += copied
            counts.dropped += dropped

    def _connection(self, record: Record) -> HTTPConnection:
        connection = self._connections.get(record.connection)
        if connection is None:
            connection = HTTPConnection(record.connection, record.port, self)
            self._connections[record.connection] = connection
        return connection

    def _follow_configuration(self) -> None:
        if self._book.configuration is not self._configuration:
            self._configuration = self._book.configuration
            self._interpreter = Interpreter(self._configuration, self._port_names)
