"""What the observer spends on one request, by stage, without sockets and other processes.

Recorded hand-over bytes go through the observer's own parts in one process: 497-byte OpenInference
requests with 20 features, 201-byte responses, on 16 connections in turn. Each stage is measured
with everything before it, in CPU time; the difference is what the stage adds.

    uv run --extra operator python bench/observer_profile.py 20000 --unique --grpc

All words may be left out: the number of requests is 20,000 then. `--unique` gives every request
and response an id of its own in its head; `--grpc` sends the same rows as raw tensors over HTTP/2;
`--profile` prints where the time of the whole goes, function by function.
"""

import cProfile
import gc
import json
import pstats
import struct
import sys
import time
from collections.abc import Callable, Iterator

from hpack import Encoder

from modelmonitor.collector.handover import (
    HTTP2_PREFACE,
    Kind,
    Record,
    Splitter,
    Statistics,
    encode_record,
    encode_statistics,
)
from modelmonitor.collector.http2 import DATA, END_HEADERS, END_STREAM, HEADERS
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.clock import SystemClock
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole, OutputLocator
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration

CONNECTIONS = 16
FEATURES = 20
BATCH = 400
"""Requests of one 20 ms batch at 20,000 a second."""
READ = 256 * 1024
"""Bytes that one read of the stream brings at most."""
CUTS = [-3.0 + index * 0.3 for index in range(21)]


def bodies() -> tuple[bytes, bytes]:
    data = [round(-2.0 + 0.2137 * index, 4) for index in range(FEATURES)]
    request = json.dumps(
        {
            "id": "f3b1",
            "inputs": [
                {"name": "x", "shape": [1, FEATURES], "datatype": "FP64", "data": data},
            ],
        }
    )
    response = json.dumps(
        {
            "model_name": "m",
            "model_version": "v1",
            "id": "f3b1",
            "outputs": [
                {"name": "predict", "shape": [1, 1], "datatype": "FP64", "data": [0.731]},
            ],
        }
    )
    return request.ljust(497).encode(), response.ljust(201).encode()


Message = Callable[[int, int], tuple[bytes, bytes]]
"""Bytes of a request and its response, by number of the request and of the connection."""


def over_http1(*, unique: bool) -> Message:
    question, answer = bodies()

    def message(number: int, _connection: int) -> tuple[bytes, bytes]:
        identity = b"X-Request-ID: %032d\r\n" % number if unique else b""
        request = (
            b"POST /v2/models/m/infer HTTP/1.1\r\nHost: 10.0.0.1:8080\r\n"
            b"User-Agent: python-requests/2.32\r\nAccept-Encoding: gzip, deflate\r\n"
            b"Accept: */*\r\nConnection: keep-alive\r\n" + identity + b"Content-Length: 497\r\n"
            b"Content-Type: application/json\r\n\r\n" + question
        )
        response = (
            b"HTTP/1.1 200 OK\r\ndate: Mon, 23 Nov 2026 05:00:00 GMT\r\nserver: uvicorn\r\n"
            + identity
            + b"content-length: 201\r\ncontent-type: application/json\r\n\r\n"
            + answer
        )
        return request, response

    return message


def over_grpc(*, unique: bool) -> Message:
    """Return calls of ModelInfer; protobuf is written by hand: a few fields of few bytes."""

    def field(number: int, content: bytes) -> bytes:
        return bytes((number << 3 | 2, *length(len(content)))) + content

    def length(size: int) -> tuple[int, ...]:
        return (size,) if size < 128 else (size & 0x7F | 0x80, size >> 7)

    def tensor(name: bytes, width: int) -> bytes:
        return field(1, name) + field(2, b"FP64") + field(3, bytes((1, width)))

    def enveloped(content: bytes) -> bytes:
        return b"\0" + struct.pack(">I", len(content)) + content

    values = [round(-2.0 + 0.2137 * index, 4) for index in range(FEATURES)]
    raw = struct.pack(f"<{FEATURES}d", *values)
    question = enveloped(field(1, b"m") + field(5, tensor(b"x", FEATURES)) + field(7, raw))
    answer = enveloped(
        field(1, b"m") + field(5, tensor(b"predict", 1)) + field(6, struct.pack("<d", 0.731))
    )
    ends = [(Encoder(), Encoder()) for _ in range(CONNECTIONS + 1)]
    asked = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/inference.GRPCInferenceService/ModelInfer",
        ":authority": "10.0.0.1:9000",
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "grpc-python/1.80",
        "grpc-accept-encoding": "identity, deflate, gzip",
    }

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload))[1:]
            + struct.pack(">BBI", kind, flags, stream)
            + (payload)
        )

    def message(number: int, connection: int) -> tuple[bytes, bytes]:
        client, model = ends[connection]
        stream = number // CONNECTIONS * 2 + 1
        fields = {**asked, "traceparent": f"00-{number:032x}-01"} if unique else asked
        request = HTTP2_PREFACE if stream == 1 else b""
        request += frame(HEADERS, END_HEADERS, stream, client.encode(list(fields.items())))
        request += frame(DATA, END_STREAM, stream, question)
        begun = model.encode([(":status", "200"), ("content-type", "application/grpc")])
        response = frame(HEADERS, END_HEADERS, stream, begun) + frame(DATA, 0, stream, answer)
        ended = model.encode([("grpc-status", "0")])
        response += frame(HEADERS, END_HEADERS | END_STREAM, stream, ended)
        return request, response

    return message


def recorded(requests: int, message: Message) -> list[bytes]:
    """Return the hand-over's bytes as they are read from the stream."""
    begin = time.monotonic_ns() // 1000
    stream: list[bytes] = []
    waiting = bytearray()
    for number in range(requests):
        connection = number % CONNECTIONS + 1
        now = begin + number * 50
        request, response = message(number, connection)
        waiting += encode_record(Record(Kind.REQUEST, connection, 0, now, request))
        waiting += encode_record(Record(Kind.RESPONSE, connection, 0, now + 40, response))
        if number % BATCH == BATCH - 1:
            size = len(request) + len(response)
            counted = encode_statistics(Statistics(size * BATCH, size * BATCH, 0))
            waiting += encode_record(Record(Kind.STATISTICS, 0, 0, now + 45, counted))
            whole = bytes(waiting)
            stream += [whole[start : start + READ] for start in range(0, len(whole), READ)]
            waiting.clear()
    return stream


def recorder(*, columns: bool) -> Recorder:
    inputs = [
        ColumnConfiguration(
            name=f"f{index}", kind=ColumnKind.NUMERIC, role=ColumnRole.INPUT, cuts=CUTS
        )
        for index in range(FEATURES)
    ]
    prediction = ColumnConfiguration(
        name="score",
        kind=ColumnKind.NUMERIC,
        role=ColumnRole.SCORE,
        locator=OutputLocator(output="predict"),
        cuts=CUTS,
    )
    configuration = CollectorConfiguration(
        monitorUID="m",
        interval=60.0,
        baselineDigest="sha256:0" if columns else "",
        columns=[*inputs, prediction] if columns else [],
    )
    book = PaneBook(
        identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
        clock=SystemClock(),
        closed=lambda _pane: None,
        configuration=configuration,
        replaces=False,
    )
    return Recorder(book, ("http",), Totals())


def split_only(stream: list[bytes]) -> None:
    splitter = Splitter()
    for data in stream:
        splitter.feed(data)


def through(stream: list[bytes], target: Recorder) -> None:
    splitter = Splitter()
    for data in stream:
        target.take_all(splitter.feed(data))


def stages(stream: list[bytes]) -> Iterator[tuple[str, Callable[[], None]]]:
    yield "split", lambda: split_only(stream)
    yield "+ frame, count", lambda: through(stream, recorder(columns=False))
    yield "+ decode, columns", lambda: through(stream, recorder(columns=True))


def microseconds(work: Callable[[], None], requests: int) -> float:
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best / requests * 1e6


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    requests = numbers[0] if numbers else 20_000
    protocol = over_grpc if "--grpc" in sys.argv else over_http1
    stream = recorded(requests, protocol(unique="--unique" in sys.argv))
    if "--profile" in sys.argv:
        profiler = cProfile.Profile()
        profiler.runcall(through, stream, recorder(columns=True))
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
        return
    gc.collect()
    gc.freeze()  # as the observer does
    before = 0.0
    for name, work in stages(stream):
        spent = microseconds(work, requests)
        print(f"{name:20} {spent - before:6.2f} µs  (sum {spent:6.2f} µs per request)")
        before = spent


if __name__ == "__main__":
    main()
