"""Records of the hand-over to counts: connections, exchanges, the open pane."""

from collections.abc import Iterable
from typing import Final

from modelmonitor.collector.handover import BrokenStreamError, Kind, Record, decode_statistics
from modelmonitor.collector.observer.bodies import BodyKeeper
from modelmonitor.collector.observer.book import PaneBook
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.framing import Connection
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.core.wire.configuration import CollectorConfiguration

MICROSECONDS: Final = 1e-6
FLUSH_SECONDS: Final = 1.0
"""Rows wait no longer to be counted."""
MAX_CONNECTIONS: Final = 10_000
"""Connections that are followed at a time; the bytes of others count as unread."""
MAX_OPEN: Final = 8192
"""Requests without a complete response that are followed at a time, of all connections."""

_REQUEST: Final = int(Kind.REQUEST)
_RESPONSE: Final = int(Kind.RESPONSE)


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
        self.bodies = BodyKeeper()
        self._connections: dict[int, Connection] = {}
        self._open = 0
        self._configuration = book.configuration
        self._interpreter = Interpreter(book.configuration, port_names)
        self._flushed = 0.0
        self._due = 0
        """Monotonic microseconds; before, `advance` does nothing."""

    @property
    def open_requests(self) -> int:
        """Requests that are followed and not over."""
        return self._open

    def take(self, record: Record) -> bool:
        """Count one record; return whether it was the splice's last."""
        return self.take_all((record,))

    def take_all(self, records: Iterable[Record]) -> bool:
        """Count records; return whether the splice's last was among them.

        Raises
        ------
        BrokenStreamError
            If a record makes no sense; whatever bytes it carries are none of that.
        """
        connections = self._connections
        ended = False
        for record in records:
            kind, number, port, time, payload = record
            if time >= self._due:
                self.advance(time * MICROSECONDS)
            if kind > _RESPONSE:
                ended |= self._take_other(record)
                continue
            connection = connections.get(number) or self._connect(number, port)
            if connection is None:
                self.unread(len(payload))
            elif kind == _REQUEST:
                connection.request_bytes(payload, time)
            else:
                connection.response_bytes(payload, time)
        return ended

    def advance(self, monotonic: float) -> None:
        """Close what has ended by this time, and read on as the configuration in force says."""
        self._book.advance(monotonic)
        self._follow_configuration()
        if monotonic - self._flushed >= FLUSH_SECONDS:
            self._flushed = monotonic
            self._book.tally.flush()
        self._due = int(min(self._book.due, self._flushed + FLUSH_SECONDS) / MICROSECONDS)

    def apply(self, configuration: CollectorConfiguration, monotonic: float) -> None:
        """Count under another configuration, from the moment that the book chooses."""
        self._book.apply(configuration, monotonic)
        self._follow_configuration()
        self._due = 0

    def forget_connections(self) -> None:
        """Follow no connection any more: the splice is gone, or knows of a new stream."""
        for connection in self._connections.values():
            connection.forget()
        self._connections.clear()

    def begins(self, exchange: Exchange) -> bool:
        """Take a request that begins; return whether there is room to follow it."""
        if self._open >= MAX_OPEN:
            return False
        self._open += 1
        wanted = self._interpreter.wants(exchange)
        exchange.request.wanted = exchange.response.wanted = wanted
        return True

    def finished(self, exchange: Exchange) -> None:
        """Count an exchange that is over."""
        if self._interpreter.concerns(exchange):
            self._book.tally.add_exchange(exchange)
            if exchange.request.wanted and exchange.succeeded:
                self._decode(exchange)
        else:
            self._totals.other_models += 1
        self.abandoned(exchange)

    def abandoned(self, exchange: Exchange) -> None:
        """Forget an exchange."""
        self._open -= 1
        exchange.request.wanted = exchange.response.wanted = False
        self.bodies.release(exchange.request)
        self.bodies.release(exchange.response)

    def unread(self, length: int) -> None:
        """Note bytes that cannot be read."""
        self._book.tally.unreadable += length
        self._totals.unreadable += length

    def _decode(self, exchange: Exchange) -> None:
        # The body may have been kept only to name the model, or the configuration have changed.
        if not self._interpreter.samples(exchange):
            return
        try:
            decoded = self._interpreter.decode(exchange)
        except UndecodableError as error:
            self._book.tally.add_undecodable(error.reason)
            return
        self._book.tally.add_rows(decoded, exchange, self._port_names[exchange.port])
        self._totals.rows += decoded.rows.inputs.rows

    def _take_other(self, record: Record) -> bool:
        """Take a record that carries no bytes of a message; return whether it is the last."""
        match record.kind:
            case Kind.CLOSED:
                closed = self._connections.pop(record.connection, None)
                if closed is not None:
                    closed.close()
            case Kind.RESYNC | Kind.SKIPPED | Kind.PAST_REQUEST | Kind.PAST_RESPONSE:
                self._tell(record)
            case Kind.STATISTICS:
                self._take_statistics(record.payload)
            case Kind.END:
                return True
            case _:  # a later version's
                pass
        return False

    def _tell(self, record: Record) -> None:
        """Tell a connection what it has to know to read on."""
        known = self._connections.get(record.connection)
        connection = known or self._connect(record.connection, record.port)
        if connection is None:
            return
        match record.kind:
            case Kind.RESYNC:
                connection.resync()
            case Kind.SKIPPED:
                connection.skipped(record.payload, record.time)
            case Kind.PAST_REQUEST:
                connection.past_request(record.payload)
            case _:
                connection.past_response(record.payload)

    def _take_statistics(self, payload: bytes) -> None:
        forwarded, copied, dropped = decode_statistics(payload)
        for counts in (self._book.tally, self._totals):
            counts.forwarded += forwarded
            counts.copied += copied
            counts.dropped += dropped

    def _connect(self, number: int, port: int) -> Connection | None:
        """Follow a new connection, if there is room."""
        if port >= len(self._port_names):
            raise BrokenStreamError(f"bytes of port {port}")
        if len(self._connections) >= MAX_CONNECTIONS:
            return None
        connection = self._connections[number] = Connection(number, port, self)
        return connection

    def _follow_configuration(self) -> None:
        if self._book.configuration is not self._configuration:
            self._configuration = self._book.configuration
            self._interpreter = Interpreter(self._configuration, self._port_names)
            for connection in self._connections.values():
                for exchange in connection.exchanges():
                    exchange.target = None
