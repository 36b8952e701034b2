"""One connection: which protocol it speaks, and its exchanges.

Whatever arrives, nothing is raised: bytes that are not understood make the connection unreadable
until it can be followed again. Bodies are kept only where they are wanted.
"""

import logging
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Final, TypeAlias

from modelmonitor.collector.handover import HTTP2_PREFACE, REQUEST_LINES
from modelmonitor.collector.observer.exchange import SWITCHING_PROTOCOLS, Exchange
from modelmonitor.collector.observer.frames import HEAD_BYTES, looks_like_frames
from modelmonitor.collector.observer.headers import MAX_HEAD, UnreadableError
from modelmonitor.collector.observer.http1 import HTTP1Connection
from modelmonitor.collector.observer.http2 import HTTP2Connection
from modelmonitor.collector.observer.messages import UpgradedError
from modelmonitor.collector.observer.sink import Sink

logger = logging.getLogger(__name__)

Reader: TypeAlias = HTTP1Connection | HTTP2Connection

_H2C: Final = b"h2c"


class _State(Enum):
    """What a connection is whose bytes no reader gets."""

    UNDECIDED = auto()
    """Too little has come to tell the protocol."""
    OPAQUE = auto()
    """It was upgraded to a protocol that is not read; nothing is lost by that."""
    UNREADABLE = auto()


class Connection:
    """The exchanges of one connection.

    Parameters
    ----------
    connection, port
        Which connection, at which captured port.
    sink
        Who is told.
    """

    def __init__(self, connection: int, port: int, sink: Sink) -> None:
        self.connection = connection
        self.port = port
        self._sink = sink
        self._reader: Reader | None = None
        self._state = _State.UNDECIDED
        self._resumed = False
        """The first bytes are not the connection's first."""
        self._held: list[tuple[bool, bytes, int]] = []
        """What came before the protocol was known: (from the client, bytes, time)."""

    @property
    def readable(self) -> bool:
        """Whether the bytes so far could be read."""
        return self._reader is not None or self._state is not _State.UNREADABLE

    def exchanges(self) -> Iterable[Exchange]:
        """Return those that are not over."""
        return () if self._reader is None else self._reader.exchanges()

    def request_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the client sent, at this time in monotonic microseconds."""
        reader = self._reader
        if reader is None:
            self._without_reader(data, time, requested=True)
            return
        try:
            reader.request_bytes(data, time)
        except UnreadableError:
            self._give_up(data)
        except Exception:
            logger.exception("cannot follow connection %d", self.connection)
            self._give_up(data)

    def response_bytes(self, data: bytes, time: int) -> None:
        """Read bytes that the model sent, at this time in monotonic microseconds."""
        reader = self._reader
        if reader is None:
            self._without_reader(data, time, requested=False)
            return
        try:
            reader.response_bytes(data, time)
        except UnreadableError:
            self._give_up(data)
        except UpgradedError as upgrade:
            self._upgrade(upgrade, time)
        except Exception:
            logger.exception("cannot follow connection %d", self.connection)
            self._give_up(data)

    def past_request(self, data: bytes) -> None:
        """Learn what header blocks of the client's refer to; the connection is HTTP/2."""
        self._learn(HTTP2Connection.past_request, data)

    def past_response(self, data: bytes) -> None:
        """Learn what header blocks of the model's refer to; the connection is HTTP/2."""
        self._learn(HTTP2Connection.past_response, data)

    def skipped(self, payload: bytes, time: int) -> None:
        """Note that parts of bodies were left out, of the streams that the payload lists."""
        if isinstance(self._reader, HTTP2Connection):
            self._reader.skipped(payload, time)

    def resync(self) -> None:
        """Read on at a request line, or at frames; what was before is forgotten."""
        spoke_http2 = isinstance(self._reader, HTTP2Connection)
        self.forget()
        self._resumed = True
        if spoke_http2:
            self._reader = self._http2(preface=False)

    def forget(self) -> None:
        """Abandon what is open, and begin anew."""
        if self._reader is not None:
            self._reader.forget()
            self._reader = None
        self._state = _State.UNDECIDED
        self._let_go()

    def close(self) -> None:
        """End the connection: what has no complete response will not get one."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._sink.unread(sum(len(data) for _, data, _ in self._let_go()))

    def _http2(self, *, preface: bool) -> HTTP2Connection:
        return HTTP2Connection(self.connection, self.port, self._sink, preface=preface)

    def _learn(self, learn: Callable[[HTTP2Connection, bytes], None], data: bytes) -> None:
        if not isinstance(self._reader, HTTP2Connection):
            self.forget()
            self._reader = self._http2(preface=False)
        try:
            learn(self._reader, data)
        except UnreadableError:
            self._give_up(data)
        except Exception:
            logger.exception("cannot follow connection %d", self.connection)
            self._give_up(data)

    def _give_up(self, data: bytes) -> None:
        self.forget()
        self._state = _State.UNREADABLE
        self._sink.unread(len(data))

    def _without_reader(self, data: bytes, time: int, *, requested: bool) -> None:
        if self._state is _State.OPAQUE:
            return
        if self._state is _State.UNREADABLE:
            if not requested or not data.startswith(REQUEST_LINES):
                self._sink.unread(len(data))
                return
            self.forget()
        room = self._sink.bodies.hold(len(data))
        if room:
            self._held.append((requested, data, time))
        begun = b"".join(data for said_by, data, _ in self._held if said_by is requested)
        self._reader = self._decided(begun) if requested else self._guessed(begun)
        if self._reader is not None:
            self._replay()
        elif not room or sum(len(data) for _, data, _ in self._held) > MAX_HEAD:
            lost = [data] if not room else []
            self._give_up(b"".join([*(held for _, held, _ in self._let_go()), *lost]))

    def _decided(self, begun: bytes) -> Reader | None:
        """Return the reader for what the client begins with; None if it is too little."""
        if begun.startswith(HTTP2_PREFACE):
            return self._http2(preface=True)
        if HTTP2_PREFACE.startswith(begun) or (self._resumed and len(begun) < HEAD_BYTES):
            return None
        if self._resumed and looks_like_frames(begun):
            return self._http2(preface=False)
        return HTTP1Connection(self.connection, self.port, self._sink)

    def _guessed(self, begun: bytes) -> Reader | None:
        """Return the reader for what the model goes on with, where that tells it."""
        if self._resumed and looks_like_frames(begun):
            return self._http2(preface=False)
        return None

    def _let_go(self) -> list[tuple[bool, bytes, int]]:
        held, self._held = self._held, []
        self._sink.bodies.let_go(sum(len(data) for _, data, _ in held))
        return held

    def _replay(self) -> None:
        for requested, data, time in self._let_go():
            if requested:
                self.request_bytes(data, time)
            else:
                self.response_bytes(data, time)

    def _upgrade(self, upgrade: UpgradedError, time: int) -> None:
        """Go on in the protocol that the model agreed to."""
        reader = self._reader
        exchange = reader.leave() if isinstance(reader, HTTP1Connection) else None
        self._reader, self._state = None, _State.OPAQUE
        if exchange is None:
            return
        if exchange.status == SWITCHING_PROTOCOLS and upgrade.protocol.lower() == _H2C:
            http2 = self._http2(preface=True)
            http2.upgraded(exchange)
            self._reader = http2
            if upgrade.rest:
                self.response_bytes(upgrade.rest, time)
        else:
            exchange.response_end = time
            self._sink.finished(exchange)
