"""What the observer spends on one request, by stage, without sockets and other processes.

Recorded hand-over bytes go through the observer's own parts in one process: 497-byte OpenInference
requests with 20 features, 201-byte responses, on 16 connections in turn. Each stage is measured
with everything before it, in CPU time; the difference is what the stage adds.

    uv run --extra operator python bench/observer_profile.py [requests] [--unique] [--profile]

`--unique` gives every request and response an id of its own in its head; `--profile` prints where
the time of the whole goes, function by function.
"""

import cProfile
import json
import pstats
import sys
import time
from collections.abc import Callable, Iterator

from modelmonitor.collector.handover import (
    Kind,
    Record,
    Splitter,
    Statistics,
    encode_record,
    encode_statistics,
)
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.clock import SystemClock
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.profile import ColumnKind, ColumnRole, OutputLocator
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


def recorded(requests: int, *, unique: bool) -> list[bytes]:
    """Return the hand-over's bytes as they are read from the stream."""
    question, answer = bodies()
    begin = time.monotonic_ns() // 1000
    stream: list[bytes] = []
    waiting = bytearray()
    for number in range(requests):
        connection = number % CONNECTIONS + 1
        now = begin + number * 50
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
    stream = recorded(requests, unique="--unique" in sys.argv)
    if "--profile" in sys.argv:
        profiler = cProfile.Profile()
        profiler.runcall(through, stream, recorder(columns=True))
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
        return
    before = 0.0
    for name, work in stages(stream):
        spent = microseconds(work, requests)
        print(f"{name:20} {spent - before:6.2f} µs  (sum {spent:6.2f} µs per request)")
        before = spent


if __name__ == "__main__":
    main()
