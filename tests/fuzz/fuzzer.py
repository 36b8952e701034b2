"""Mutated messages through the observer: by their bodies to the decoders, by their bytes to it all.

A finding is an exception other than `UndecodableError`, an error in the log, a message that takes
longer than messages may, or rows that do not fit the configuration. Message `number` of a seed
is the same in every run.
"""

import gzip
import logging
import random
import statistics
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.collector.handover import Kind, Record
from modelmonitor.collector.observer.bodies import MAX_MESSAGE
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.collector.protocols.base import UndecodableError
from modelmonitor.collector.protocols.recognition import JSON
from modelmonitor.collector.protocols.registry import PROTOCOLS
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole
from modelmonitor.core.wire.configuration import (
    CollectorConfiguration,
    ColumnConfiguration,
    JSONPaths,
)
from modelmonitor.core.wire.pane import Undecodable
from tests.collector.layouts import LABEL, OUTPUTS, PROBA, call_of, exchange_of
from tests.fuzz.mutate import Mutator
from tests.fuzz.seeds import Seed

HONEST_TIMES: Final = 10
"""Whatever a message is, it may take so many times what the largest honest one takes."""

_WHOLE_CONNECTIONS: Final = 0.3
"""Share of messages that go through framing and counting as well."""
_SPACING: Final = 20
"""Simulated microseconds between messages; panes close every simulated second."""
_PREFIX: Final = struct.Struct(">BI")
_TYPES: Final = (b"application/json", b"text/csv", b"application/grpc", b"text/event-stream", b"")
_CODINGS: Final = (b"gzip", b"deflate", b"br", b"identity")


class FoundError(AssertionError):
    """A message that the observer does not take as it should.

    Parameters
    ----------
    number
        The message's.
    what
        Is wrong.
    exchange
        What was sent.
    """

    def __init__(self, number: int, what: str, exchange: object) -> None:
        super().__init__(f"message {number}: {what}\n{exchange!r}")
        self.number = number


@dataclass(frozen=True)
class _Reading:
    """A configuration with what reads under it."""

    interpreter: Interpreter
    rows: RowBuffer


class _StillClock:
    """The wall clock is read when panes begin; nothing here depends on it."""

    def wall(self) -> float:
        return 1.7e9

    def monotonic(self) -> float:
        return 0.0


class _Errors(logging.Handler):
    """Keeps what was logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def configurations() -> list[CollectorConfiguration]:
    """Return what a monitor may ask for: columns of all kinds or none, every protocol, paths."""
    cuts = [0.0, 1.0, 25.0]
    inputs = [
        _column("temp", ColumnKind.NUMERIC, cuts=cuts),
        _column("wind", ColumnKind.NUMERIC, cuts=cuts),
        _column("carrier", ColumnKind.CATEGORICAL, categories=["AA", "B6"]),
    ]
    label, proba = OUTPUTS
    outputs = [
        ColumnConfiguration(
            name=LABEL,
            kind=ColumnKind.CATEGORICAL,
            role=ColumnRole.LABEL,
            locator=label,
            categories=["0", "1"],
        ),
        ColumnConfiguration(
            name=PROBA,
            kind=ColumnKind.NUMERIC,
            role=ColumnRole.SCORE,
            locator=proba,
            cuts=[0.25, 0.5],
        ),
    ]
    texts = [
        _column("prompt_characters", ColumnKind.NUMERIC, cuts=cuts),
        _column("temp", ColumnKind.IGNORED),
        _column("carrier", ColumnKind.TEXT),
    ]
    tabular = [*inputs, *outputs]
    return [
        _configuration(tabular),
        _configuration(tabular, reveal=["carrier"]),
        _configuration([*texts, *outputs[:1]]),
        _configuration([inputs[0]]),
        _configuration([]),
        *(_configuration(tabular, protocols={"http": one}, model="m") for one in PROTOCOLS),
        _configuration(
            tabular,
            protocols={"http": JSON},
            paths={"http": JSONPaths(rows="/payload/0/rows", results="/result")},
        ),
    ]


def _column(
    name: str, kind: ColumnKind, *, cuts: Sequence[float] = (), categories: Sequence[str] = ()
) -> ColumnConfiguration:
    return ColumnConfiguration(
        name=name,
        kind=kind,
        role=ColumnRole.INPUT,
        cuts=list(cuts),
        categories=list(categories),
    )


def _configuration(
    columns: list[ColumnConfiguration],
    *,
    protocols: Mapping[str, str] | None = None,
    paths: Mapping[str, JSONPaths] | None = None,
    model: str = "",
    reveal: Sequence[str] = (),
) -> CollectorConfiguration:
    return CollectorConfiguration(
        monitorUID="m",
        interval=1.0,
        columns=columns,
        protocols=dict(protocols or {}),
        paths=dict(paths or {}),
        model=model,
        reveal=list(reveal),
        hashKey="a2V5" * 8,
    )


def honest_seconds() -> float:
    """Return the processor time of decoding an honest message of the largest size, here and now."""
    row = b'{"temp":1.5,"wind":2.5,"carrier":"B6"},'
    body = b"[" + row * (MAX_MESSAGE // len(row) - 1) + row[:-1] + b"]"
    answer = b'{"predictions":[' + b"1," * (MAX_MESSAGE // len(row) - 1) + b"1]}"
    interpreter = Interpreter(configurations()[3], ("http",))
    exchange = exchange_of(call_of(b"/predict", body, answer))
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        interpreter.decode(exchange)
        spent.append(time.thread_time() - begun)
    return statistics.median(spent)


class Fuzzer:
    """Sends mutated messages, one after the other.

    Parameters
    ----------
    seed
        Names the run.
    seeds
        The corpus.
    """

    def __init__(self, seed: int, seeds: Sequence[Seed]) -> None:
        self.outcomes: Counter[str] = Counter()
        """Protocol or reason → messages; `wire` for those that were a whole connection."""
        self.slowest = 0.0
        """The largest share of its time that a message took."""
        self._allowed = HONEST_TIMES * honest_seconds()
        self._seed = seed
        self._seeds = seeds
        self._exchanges = [exchange for one in seeds for exchange in one.exchanges]
        self._parts = [one.request for one in seeds] + [one.response for one in seeds]
        found = configurations()
        self.readings = [_Reading(Interpreter(one, ("http",)), RowBuffer(one)) for one in found]
        self._recorders = [_recorder(one) for one in found]
        self._errors = _Errors()

    def run(self, first: int, count: int) -> None:
        """Send messages from this number on.

        Raises
        ------
        FoundError
            At the first that is not taken as it should.
        """
        logger = logging.getLogger("modelmonitor")
        logger.addHandler(self._errors)
        propagates, logger.propagate = logger.propagate, False
        try:
            for number in range(first, first + count):
                self._one(number)
        finally:
            logger.removeHandler(self._errors)
            logger.propagate = propagates

    def _one(self, number: int) -> None:
        draw = random.Random(self._seed << 32 | number)
        mutator = Mutator(draw, self._parts)
        if draw.random() < _WHOLE_CONNECTIONS:
            self._connection(number, draw, mutator)
        else:
            self._bodies(number, draw, mutator)

    def _bodies(self, number: int, draw: random.Random, mutator: Mutator) -> None:
        exchange = self._mutated(draw, mutator)
        reading = self.readings[0] if draw.random() < 0.5 else draw.choice(self.readings)
        begun = time.thread_time()
        try:
            self.outcomes[self._read(reading, exchange)] += 1
        except Exception as error:
            raise FoundError(number, repr(error), exchange) from error
        self._check(number, time.thread_time() - begun, exchange)

    def _read(self, reading: _Reading, exchange: Exchange) -> str:
        """Read an exchange as the recorder would; return what became of it."""
        interpreter = reading.interpreter
        if not interpreter.concerns(exchange):
            return "other model"
        if not interpreter.samples(exchange):
            return "no prediction"
        try:
            decoded = interpreter.decode(exchange)
        except UndecodableError as error:
            if error.reason is Undecodable.INTERNAL:
                raise
            return error.reason.value
        reading.rows.add(decoded.rows, len(exchange.request.content()))
        return decoded.protocol

    def _mutated(self, draw: random.Random, mutator: Mutator) -> Exchange:
        seed = draw.choice(self._exchanges)
        headers, response_headers = dict(seed.headers), dict(seed.response_headers)
        request, response = seed.request.content(), seed.response.content()
        if draw.random() < 0.7:
            request = _changed(request, headers, draw, mutator)
        if draw.random() < 0.5:
            response = _changed(response, response_headers, draw, mutator)
        path = draw.choice(self._exchanges).path if draw.random() < 0.1 else seed.path
        if draw.random() < 0.1:
            _change_headers(draw.choice((headers, response_headers)), draw)
        times = [(0, 5), (draw.randrange(500), 7)] if draw.random() < 0.5 else []
        return exchange_of(
            call_of(
                path,
                request,
                response,
                headers=headers,
                response_headers=response_headers,
                times=times,
            ),
            number=draw.randrange(1000),
        )

    def _connection(self, number: int, draw: random.Random, mutator: Mutator) -> None:
        records = self._records(number, draw, mutator)
        recorder = draw.choice(self._recorders)
        begun = time.thread_time()
        try:
            recorder.take_all(records)
        except Exception as error:
            raise FoundError(number, repr(error), records) from error
        self.outcomes["wire"] += 1
        self._check(number, time.thread_time() - begun, records)

    def _records(self, number: int, draw: random.Random, mutator: Mutator) -> list[Record]:
        seed = draw.choice(self._seeds)
        request = mutator.raw(seed.request) if draw.random() < 0.7 else seed.request
        response = mutator.raw(seed.response) if draw.random() < 0.6 else seed.response
        parts = [(Kind.REQUEST, piece) for piece in mutator.pieces(request)]
        parts += [(Kind.RESPONSE, piece) for piece in mutator.pieces(response)]
        if draw.random() < 0.2:
            draw.shuffle(parts)
        if draw.random() < 0.15:
            kind = draw.choice((Kind.RESYNC, Kind.SKIPPED, Kind.PAST_REQUEST, Kind.PAST_RESPONSE))
            payload = draw.choice((b"", b"\1\0\0\0", request, response, draw.randbytes(20)))
            parts.insert(draw.randrange(len(parts) + 1), (kind, payload))
        parts.append((Kind.CLOSED, b""))
        now = number * _SPACING
        return [
            Record(kind, number, 0, now + place, payload)
            for place, (kind, payload) in enumerate(parts)
        ]

    def _check(self, number: int, spent: float, what: object) -> None:
        if self._errors.records:
            record = self._errors.records[0]
            self._errors.records.clear()
            cause = repr(record.exc_info[1]) if record.exc_info else ""
            raise FoundError(number, f"{record.getMessage()} {cause}", what)
        share = spent / self._allowed
        self.slowest = max(self.slowest, share)
        if share > 1:
            raise FoundError(number, f"{spent:.3f} s", what)


def _changed(
    body: bytes, headers: dict[bytes, bytes], draw: random.Random, mutator: Mutator
) -> bytes:
    """Return a body changed, often inside of what it is wrapped in."""
    inside = draw.random() < 0.7
    if inside and headers.get(b"content-encoding") == b"gzip":
        return gzip.compress(mutator.body(gzip.decompress(body)), 1)
    if inside and headers.get(b"content-type", b"").startswith(b"application/grpc"):
        flag, length = _PREFIX.unpack_from(body)
        message = body[_PREFIX.size : _PREFIX.size + length]
        rest = body[_PREFIX.size + length :]
        if flag:
            message = gzip.compress(mutator.raw(gzip.decompress(message)), 1)
        else:
            message = mutator.raw(message)
        return _PREFIX.pack(flag, len(message)) + message + rest
    return mutator.body(body)


def _change_headers(headers: dict[bytes, bytes], draw: random.Random) -> None:
    match draw.randrange(4):
        case 0:
            headers[b"content-type"] = draw.choice(_TYPES)
        case 1:
            headers[b"content-encoding"] = draw.choice(_CODINGS)
        case 2:
            headers[b"inference-header-content-length"] = b"%d" % draw.choice((0, 9, 100, 10**9))
        case _:
            headers.clear()


def _recorder(configuration: CollectorConfiguration) -> Recorder:
    book = PaneBook(
        identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
        clock=_StillClock(),
        closed=lambda _pane: None,
        configuration=configuration,
        replaces=False,
    )
    return Recorder(book, ("http",), Totals())
