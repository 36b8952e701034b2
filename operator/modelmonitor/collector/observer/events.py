"""CloudEvents of a model server's own logger: pairs of events to exchanges.

KServe's and Seldon's loggers send each request and each response as an event of its own, both with
the same id, in any order. Events come over the hand-over as bytes of their HTTP requests. What is
known of a pair is what the events say: no path, no status but that the model answered, and a
latency only where both carry a time.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final, Protocol

import httptools
import msgspec

from modelmonitor.collector.handover import Kind, Record
from modelmonitor.collector.observer.bodies import MAX_MESSAGE
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.sink import Sink

REQUEST_TYPES: Final = frozenset(
    {"org.kubeflow.serving.inference.request", "io.seldon.serving.inference.request"}
)
RESPONSE_TYPES: Final = frozenset(
    {"org.kubeflow.serving.inference.response", "io.seldon.serving.inference.response"}
)
MAX_WAITING: Final = 4096
"""Events that wait for their other half at a time; the oldest gives way."""
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
WAIT_SECONDS: Final = 60.0
"""An event whose other half has not come by then stays alone: the logger of KServe sends no
response that is not 200."""
MAX_SENDERS: Final = 1024

MICROSECONDS: Final = 1e-6
_PREFIX: Final = b"ce-"
_STRUCTURED: Final = b"application/cloudevents+json"
_BODY_HEADERS: Final = frozenset({b"content-type", b"content-encoding", b"x-request-id"})
_MAX_VALUE: Final = 1024
_ANSWERED: Final = 200
_EVENT_OVERHEAD: Final = 1024


class Event(msgspec.Struct, frozen=True):
    """One half of an exchange."""

    id: str
    source: str
    type: str
    time: str
    headers: dict[bytes, bytes]
    """Of the body: type and coding; and the id."""
    body: bytes
    too_large: bool
    arrived: int
    """Monotonic microseconds."""

    @property
    def is_request(self) -> bool:
        """Whether it is what a client sent."""
        return self.type in REQUEST_TYPES

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits, about."""
        return len(self.body) + _EVENT_OVERHEAD


class _Structured(msgspec.Struct):
    """An event whose attributes and body are one JSON document."""

    id: str = ""
    source: str = ""
    type: str = ""
    time: str = ""
    datacontenttype: str = "application/json"
    data: msgspec.Raw = msgspec.Raw()
    data_base64: bytes = b""


class Recording(Sink, Protocol):
    """Who counts exchanges, and what the splice says of itself."""

    def take_all(self, records: Iterable[Record]) -> bool:
        """Take records; return whether the splice's last was among them."""

    def advance(self, monotonic: float) -> None:
        """Close what has ended by this time, in seconds."""

    def forget_connections(self) -> None:
        """Forget what was not complete."""


class Pairing:
    """Events that wait for their other half, oldest first."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._waiting: dict[tuple[str, str], Event] = {}
        self._bytes = 0
        self._number = 0
        self.unpaired = 0
        """Events that were given up."""

    def add(self, event: Event) -> None:
        """Take an event; if it completes a pair, count it."""
        self.expire(event.arrived)
        key = (event.source, event.id)
        other = self._waiting.pop(key, None)
        if other is not None:
            self._bytes -= other.size
            if other.is_request != event.is_request:
                self._count(*((other, event) if other.is_request else (event, other)))
                return
            self._give_up(other)  # sent twice: the later one is as good
        self._waiting[key] = event
        self._bytes += event.size
        while len(self._waiting) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._give_up_oldest()

    def expire(self, now: int) -> None:
        """Give up what has waited too long; `now` in monotonic microseconds."""
        latest = now - int(WAIT_SECONDS / MICROSECONDS)
        while self._waiting and next(iter(self._waiting.values())).arrived < latest:
            self._give_up_oldest()

    def _give_up_oldest(self) -> None:
        oldest = self._waiting.pop(next(iter(self._waiting)))
        self._bytes -= oldest.size
        self._give_up(oldest)

    def _give_up(self, event: Event) -> None:
        self.unpaired += 1
        self._recording.unread(len(event.body))

    def _count(self, request: Event, response: Event) -> None:
        arrived = max(request.arrived, response.arrived)
        latency = _latency(request, response)
        exchange = Exchange(
            port=0,
            connection=0,
            number=self._number,
            method=b"POST",
            path=b"/",
            headers=request.headers,
            started=request.arrived,
            request_complete=True,
            status=_ANSWERED,
            response_headers=response.headers,
        )
        if latency is not None:
            exchange.request_end, exchange.response_end = arrived - latency, arrived
        self._number += 1
        if not self._recording.begins(exchange):
            self._recording.unread(len(request.body) + len(response.body))
            return
        bodies = self._recording.bodies
        for body, event in ((exchange.request, request), (exchange.response, response)):
            if body.wanted:
                body.too_large = event.too_large
                bodies.keep(body, event.body, event.arrived)
        self._recording.finished(exchange)


class EventRecorder:
    """Takes the hand-over of a collector that is sent events."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._pairing = Pairing(recording)
        self._senders: dict[int, EventReader] = {}

    def take_all(self, records: Iterable[Record]) -> bool:
        """Take records; return whether the splice's last was among them."""
        others: list[Record] = []
        for record in records:
            if record.kind == Kind.REQUEST:
                self._recording.advance(record.time * MICROSECONDS)
                self._read(record)
            elif record.kind in {Kind.CLOSED, Kind.RESYNC}:
                self._senders.pop(record.connection, None)
            else:
                self._pairing.expire(record.time)
                others.append(record)
        return self._recording.take_all(others)

    def forget_connections(self) -> None:
        """Forget what is not complete: the splice is gone, or knows of a new stream."""
        self._senders.clear()
        self._recording.forget_connections()

    def _read(self, record: Record) -> None:
        reader = self._senders.get(record.connection)
        if reader is None:
            if len(self._senders) >= MAX_SENDERS:
                self._senders.pop(next(iter(self._senders)))
            reader = self._senders[record.connection] = EventReader(self._pairing)
        if not reader.read(record.payload, record.time):
            self._recording.unread(len(record.payload))


class EventReader:
    """Reads the events of one sender's connection; whatever comes, nothing is raised."""

    def __init__(self, pairing: Pairing) -> None:
        self._pairing = pairing
        self._parser = httptools.HttpRequestParser(self)
        self._now = 0
        self._readable = True
        self._begin()

    def read(self, data: bytes, time: int) -> bool:
        """Read bytes; return whether they could be read."""
        self._now = time
        if self._readable:
            try:
                self._parser.feed_data(data)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                self._readable = False
                self._begin()
        return self._readable

    def _begin(self) -> None:
        self._attributes: dict[bytes, str] = {}
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._size = 0

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep attributes, and what tells how to read the body."""
        name = name.lower()
        if len(value) > _MAX_VALUE:
            return
        if name.startswith(_PREFIX):
            self._attributes[name.removeprefix(_PREFIX)] = value.decode("utf-8", "replace")
        elif name in _BODY_HEADERS:
            self._headers[name] = value

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body, up to what a message may have."""
        self._size += len(data)
        if self._size <= MAX_MESSAGE:
            self._parts.append(data)
        else:
            self._parts.clear()

    def on_message_complete(self) -> None:
        """Take the event, if it is one of a prediction."""
        event = self._event()
        self._begin()
        if event is not None and event.id and event.type in REQUEST_TYPES | RESPONSE_TYPES:
            self._pairing.add(event)

    def _event(self) -> Event | None:
        body, too_large = b"".join(self._parts), self._size > MAX_MESSAGE
        if self._headers.get(b"content-type", b"").lower().startswith(_STRUCTURED):
            return _structured(body, self._now)
        attributes = self._attributes
        identity = attributes.get(b"id", "")
        return Event(
            id=identity,
            source=attributes.get(b"source", ""),
            type=attributes.get(b"type", ""),
            time=attributes.get(b"time", ""),
            headers={**self._headers, b"ce-id": identity.encode()},
            body=body,
            too_large=too_large,
            arrived=self._now,
        )


def _structured(content: bytes, now: int) -> Event | None:
    """Return the event of a JSON document; None if it is none."""
    try:
        document = msgspec.json.decode(content, type=_Structured)
        body = document.data_base64 or _data(document)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return Event(
        id=document.id,
        source=document.source,
        type=document.type,
        time=document.time,
        headers={
            b"content-type": document.datacontenttype.encode(),
            b"ce-id": document.id.encode(),
        },
        body=body,
        too_large=False,
        arrived=now,
    )


def _data(document: _Structured) -> bytes:
    """Return the body: JSON as it stands, or the text of a JSON string (CloudEvents JSON §3.1)."""
    raw = bytes(document.data)
    if raw.startswith(b'"') and "json" not in document.datacontenttype:
        return msgspec.json.decode(raw, type=str).encode()
    return raw


def _latency(request: Event, response: Event) -> int | None:
    """Return the microseconds between the events; None if they do not say."""
    try:
        began, ended = datetime.fromisoformat(request.time), datetime.fromisoformat(response.time)
        elapsed = (ended - began).total_seconds()
    except (TypeError, ValueError):
        return None
    return int(elapsed / MICROSECONDS) if elapsed >= 0.0 else None
