"""The splice's side of the hand-over: bounded, counted, resynchronised."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable

import hpack
import pytest

from modelmonitor.collector.handover import (
    HTTP2_PREFACE,
    BrokenStreamError,
    Kind,
    Record,
    Splitter,
    Statistics,
    decode_statistics,
    encode_record,
)
from modelmonitor.collector.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS
from modelmonitor.collector.splice.backlog import CAPACITY, SEND_BUFFER
from modelmonitor.collector.splice.copier import (
    COPY_OFF,
    COPY_ON,
    HEARTBEAT_SECONDS,
    Copier,
    Flow,
)
from tests.collector.harness import eventually_async
from tests.collector.http2 import as_text, frame, frames_of

MEGABYTE = bytes(1024 * 1024)
KERNEL = 2 * SEND_BUFFER + len(MEGABYTE)
"""Bytes that the socket takes at most, with the last send."""
REQUEST = b"POST / HTTP/1.1\r\n\r\n"


class Observed:
    """The observer's end: reads only when asked to."""

    def __init__(self, copier: Copier) -> None:
        mine, self._stream = socket.socketpair()
        self._stream.setblocking(False)
        self._splitter = Splitter()
        self.records: list[Record] = []
        copier.attach(mine)

    def read(self) -> list[Record]:
        while True:
            try:
                data = self._stream.recv(1 << 20)
            except BlockingIOError:
                return self.records
            if not data:
                return self.records
            self.records += self._splitter.feed(data)

    def say(self, word: bytes) -> None:
        self._stream.send(word)

    def close(self) -> None:
        self._stream.close()

    def kinds(self) -> list[int]:
        return [record.kind for record in self.read() if record.kind != Kind.STATISTICS]

    def payload(self) -> bytes:
        return b"".join(
            record.payload for record in self.read() if record.kind in {Kind.REQUEST, Kind.RESPONSE}
        )

    def statistics(self) -> Statistics:
        reports = [
            decode_statistics(record.payload)
            for record in self.read()
            if record.kind == Kind.STATISTICS
        ]
        return Statistics(
            *(sum(parts) for parts in zip(Statistics(0, 0, 0), *reports, strict=True))
        )


@pytest.fixture
async def copier() -> AsyncIterator[Copier]:
    running = Copier(asyncio.get_running_loop())
    yield running
    running.detach()


def reported(observed: Observed, forwarded: int) -> Callable[[], bool]:
    return lambda: observed.statistics().forwarded >= forwarded


async def test_copies_arrive_in_order_with_what_was_forwarded(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=7, port=1)
    copier.add(flow, Kind.REQUEST, b"odd start")
    copier.add(flow, Kind.RESPONSE, b"answer")
    copier.closed(flow)
    await eventually_async(reported(observed, 15), "reported")
    assert observed.kinds() == [Kind.REQUEST, Kind.RESPONSE, Kind.CLOSED]
    assert observed.payload() == b"odd startanswer"
    assert {(record.connection, record.port) for record in observed.records[:3]} == {(7, 1)}
    assert observed.statistics() == Statistics(15, 15, 0)
    times = [record.time for record in observed.records]
    assert times == sorted(times)
    observed.close()


async def test_what_does_not_fit_is_dropped_counted_and_followed_again(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, REQUEST)
    for _ in range(40):
        copier.add(flow, Kind.REQUEST, MEGABYTE)
    copier.add(flow, Kind.RESPONSE, b"late")
    copier.add(flow, Kind.REQUEST, REQUEST)  # no room yet
    total = 2 * len(REQUEST) + 40 * len(MEGABYTE) + 4
    await eventually_async(reported(observed, total), "reported")
    statistics = observed.statistics()
    assert statistics.copied == len(observed.payload())
    assert statistics.copied <= CAPACITY + KERNEL
    assert statistics.copied + statistics.dropped == statistics.forwarded == total
    copier.add(flow, Kind.RESPONSE, b"the middle of something")
    copier.add(flow, Kind.REQUEST, b"not a request line")
    copier.add(flow, Kind.REQUEST, REQUEST)
    copier.add(flow, Kind.RESPONSE, b"answer")
    await eventually_async(reported(observed, total + 23 + 18 + len(REQUEST) + 6), "reported")
    assert observed.kinds()[-3:] == [Kind.RESYNC, Kind.REQUEST, Kind.RESPONSE]
    assert observed.payload().endswith(b"\0" + REQUEST + b"answer")
    observed.close()


async def test_a_connection_that_lost_bytes_is_not_closed_without_saying_so(
    copier: Copier,
) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, REQUEST)
    for _ in range(40):
        copier.add(flow, Kind.RESPONSE, MEGABYTE)
    copier.closed(flow)
    await eventually_async(lambda: Kind.CLOSED in observed.kinds(), "closed")
    assert observed.kinds()[-2:] == [Kind.RESYNC, Kind.CLOSED]
    observed.close()


async def test_without_an_observer_everything_is_dropped_and_later_reported(
    copier: Copier,
) -> None:
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, REQUEST)
    copier.closed(flow)
    observed = Observed(copier)
    await eventually_async(reported(observed, len(REQUEST)), "reported")
    assert observed.statistics() == Statistics(len(REQUEST), 0, len(REQUEST))
    assert observed.kinds() == []
    observed.close()


async def test_what_a_dead_observer_did_not_read_is_reported_to_the_next(copier: Copier) -> None:
    first = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, REQUEST)
    for _ in range(6):
        copier.add(flow, Kind.REQUEST, MEGABYTE)
    first.close()
    await asyncio.sleep(0)
    second = Observed(copier)
    await eventually_async(reported(second, 1), "reported")
    statistics = second.statistics()
    # What the kernel had taken over already is lost unseen; everything else is known.
    assert statistics.forwarded >= len(REQUEST) + 6 * len(MEGABYTE) - KERNEL
    assert statistics.dropped == statistics.forwarded
    second.close()


async def test_copying_stops_and_starts_when_the_observer_says_so(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, REQUEST)
    observed.say(COPY_OFF)
    sent = len(REQUEST)

    def dropped() -> bool:
        nonlocal sent
        copier.add(flow, Kind.REQUEST, REQUEST)
        sent += len(REQUEST)
        return observed.statistics().dropped > 0

    await eventually_async(dropped, "bytes are dropped")
    observed.say(COPY_ON)

    def followed() -> bool:
        nonlocal sent
        copier.add(flow, Kind.REQUEST, REQUEST)
        sent += len(REQUEST)
        return Kind.RESYNC in observed.kinds()

    await eventually_async(followed, "the connection is followed again")
    await eventually_async(reported(observed, sent), "reported")
    statistics = observed.statistics()
    assert statistics.copied + statistics.dropped == statistics.forwarded == sent
    observed.close()


async def test_the_end_comes_after_everything(copier: Copier) -> None:
    observed = Observed(copier)
    copier.add(Flow(connection=1, port=0), Kind.REQUEST, REQUEST)
    copier.end()
    await eventually_async(lambda: Kind.END in observed.kinds(), "the end")
    before_end = observed.records[: [record.kind for record in observed.records].index(Kind.END)]
    assert sum(record.kind == Kind.STATISTICS for record in before_end) >= 1
    assert observed.kinds() == [Kind.REQUEST, Kind.END]
    observed.close()


@pytest.mark.parametrize("size", [1, 2, 17, 18, 19, 64, 1000])
def test_records_are_found_in_any_pieces(size: int) -> None:
    records = [Record(Kind.REQUEST, n, 0, n, bytes(n)) for n in range(0, 200, 7)]
    stream = b"".join(encode_record(record) for record in records)
    splitter = Splitter()
    found = [
        record
        for start in range(0, len(stream), size)
        for record in splitter.feed(stream[start : start + size])
    ]
    assert found == records


def test_a_stream_that_is_none_is_refused() -> None:
    with pytest.raises(BrokenStreamError, match="a record of 4294967295 bytes"):
        Splitter().feed(b"\xff" * 40)
    with pytest.raises(BrokenStreamError, match="statistics of 3 bytes"):
        decode_statistics(b"abc")


async def test_an_observer_that_was_late_goes_on_hearing_of_an_idle_splice(
    copier: Copier,
) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, REQUEST)
    for _ in range(4):
        copier.add(flow, Kind.REQUEST, MEGABYTE)
    clock = asyncio.get_running_loop().time
    until = clock() + 3 * HEARTBEAT_SECONDS
    await eventually_async(lambda: clock() > until, "heartbeats pass while nothing can be sent")
    await eventually_async(reported(observed, len(REQUEST) + 4 * len(MEGABYTE)), "reported")
    heard = len(observed.read())
    await eventually_async(lambda: len(observed.read()) > heard + 2, "heard of again and again")
    observed.close()


# ---------------------------------------------------------------------------------------- HTTP/2
def call(stream: int, body: bytes = b"x" * 1000, block: bytes = b"\x82") -> bytes:
    return frame(HEADERS, END_HEADERS, stream, block) + frame(DATA, END_STREAM, stream, body)


def answer(stream: int, body: bytes = b"y" * 1000) -> bytes:
    return (
        frame(HEADERS, END_HEADERS, stream, b"\x88")
        + frame(DATA, 0, stream, body)
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x81")
    )


def http2_payloads(observed: Observed, kind: Kind) -> list[bytes]:
    return [record.payload for record in observed.read() if record.kind == kind]


def skipped_streams(observed: Observed) -> set[int]:
    return {
        stream
        for payload in http2_payloads(observed, Kind.SKIPPED)
        for (stream,) in struct.iter_unpack("<I", payload)
    }


async def test_http2_is_copied_as_it_comes_while_there_is_room(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    said = HTTP2_PREFACE + frame(SETTINGS) + call(1)
    for piece in (said[:10], said[10:40], said[40:]):
        copier.add(flow, Kind.REQUEST, piece)
    copier.add(flow, Kind.RESPONSE, frame(SETTINGS) + answer(1))
    total = len(said) + len(frame(SETTINGS) + answer(1))
    await eventually_async(reported(observed, total), "reported")
    assert observed.statistics() == Statistics(total, total, 0)
    assert b"".join(http2_payloads(observed, Kind.REQUEST)) == said
    assert observed.kinds() == [Kind.REQUEST] * 3 + [Kind.RESPONSE]
    observed.close()


async def test_every_call_is_told_of_when_only_bodies_do_not_fit(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, HTTP2_PREFACE)
    body = bytes(100_000)
    total = len(HTTP2_PREFACE)
    streams = range(1, 801, 2)
    for stream in streams:  # 80 MB, while nobody reads
        for kind, data in (
            (Kind.REQUEST, call(stream, body)),
            (Kind.RESPONSE, answer(stream, body)),
        ):
            total += len(data)
            for start in range(0, len(data), 65_536):
                copier.add(flow, kind, data[start : start + 65_536])
    await eventually_async(reported(observed, total), "reported")
    assert Kind.RESYNC not in observed.kinds()
    requests = frames_of(b"".join(http2_payloads(observed, Kind.REQUEST))[len(HTTP2_PREFACE) :])
    responses = frames_of(b"".join(http2_payloads(observed, Kind.RESPONSE)))
    assert [each.stream for each in requests if each.kind == HEADERS] == list(streams)
    assert [each.stream for each in requests if each.flags & END_STREAM] == list(streams)
    assert [each.stream for each in responses if each.flags & END_STREAM] == list(streams)
    whole = {each.stream for each in requests if len(each.payload) == len(body)} & {
        each.stream for each in responses if len(each.payload) == len(body)
    }
    assert whole | skipped_streams(observed) == set(streams)
    assert not whole & skipped_streams(observed)
    assert len(whole) > 20
    statistics = observed.statistics()
    assert statistics.forwarded == total == statistics.copied + statistics.dropped
    assert statistics.copied == sum(
        len(record.payload)
        for record in observed.records
        if record.kind in {Kind.REQUEST, Kind.RESPONSE}
    )
    observed.close()


async def test_left_out_bodies_are_told_of_within_their_stream(copier: Copier) -> None:
    """After the request began, before the response ends: else nobody knows the stream."""
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, HTTP2_PREFACE)
    filler = Flow(connection=2, port=0)
    copier.add(filler, Kind.REQUEST, REQUEST)
    for _ in range(6):
        copier.add(filler, Kind.REQUEST, MEGABYTE)
    copier.add(flow, Kind.REQUEST, call(1))
    copier.add(flow, Kind.RESPONSE, answer(1))
    await eventually_async(lambda: Kind.RESPONSE in observed.kinds(), "handed over")
    last = [(record.kind, record.payload) for record in observed.read() if record.connection == 1]
    stream = struct.pack("<I", 1)
    assert last[1:] == [
        (Kind.REQUEST, call(1, b"")),
        (Kind.SKIPPED, stream),
        (Kind.SKIPPED, stream),
        (
            Kind.RESPONSE,
            frame(HEADERS, END_HEADERS, 1, b"\x88")
            + frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x81"),
        ),
    ]
    observed.close()


async def test_a_new_observer_learns_what_it_needs_of_http2(copier: Copier) -> None:
    first = Observed(copier)
    flow = Flow(connection=1, port=0)
    client, model = hpack.Encoder(), hpack.Encoder()
    path = [(":method", "POST"), (":path", "/inference.Service/Infer"), ("user-agent", "x")]
    status = [(":status", "200"), ("content-type", "application/grpc")]
    copier.add(flow, Kind.REQUEST, HTTP2_PREFACE + call(1, block=client.encode(path)))
    copier.add(flow, Kind.RESPONSE, frame(HEADERS, END_HEADERS, 1, model.encode(status)))
    first.close()
    second = Observed(copier)
    inside = frame(DATA, 0, 1, bytes(100))
    copier.add(flow, Kind.RESPONSE, inside[:50])
    copier.add(flow, Kind.REQUEST, call(3, block=client.encode(path))[:5])
    copier.add(flow, Kind.REQUEST, call(3, block=client.encode(path))[5:])
    copier.add(flow, Kind.REQUEST, call(5, block=client.encode(path)))
    third = frame(HEADERS, END_HEADERS, 3, model.encode(status))
    copier.add(flow, Kind.RESPONSE, inside[50:] + third)
    copier.closed(flow)
    await eventually_async(lambda: Kind.CLOSED in second.kinds(), "handed over")
    assert second.kinds() == [
        Kind.RESYNC,
        Kind.PAST_RESPONSE,
        Kind.RESPONSE,
        Kind.PAST_REQUEST,
        Kind.REQUEST,
        Kind.REQUEST,
        Kind.REQUEST,
        Kind.RESPONSE,
        Kind.CLOSED,
    ]
    for past, kind, expected in (
        (Kind.PAST_REQUEST, Kind.REQUEST, path),
        (Kind.PAST_RESPONSE, Kind.RESPONSE, status),
    ):
        decoder = hpack.Decoder()
        for each in frames_of(b"".join(http2_payloads(second, past))):
            decoder.decode(each.payload)
        blocks = [
            each.payload
            for each in frames_of(b"".join(http2_payloads(second, kind)))
            if each.kind == HEADERS
        ]
        assert blocks
        for block in blocks:
            assert as_text(decoder.decode(block)) == expected
    second.close()


async def test_a_connection_that_lost_frames_is_followed_again(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    client = hpack.Encoder()
    path = [(":method", "POST"), (":path", "/p"), ("traceparent", "")]

    def head(stream: int) -> bytes:
        block = client.encode([*path[:2], ("traceparent", f"{stream:032x}")])
        return frame(HEADERS, END_HEADERS | END_STREAM, stream, block)

    total = len(HTTP2_PREFACE)
    copier.add(flow, Kind.REQUEST, HTTP2_PREFACE)
    stream = 1
    while total < 2 * CAPACITY + KERNEL:  # heads alone are too much
        data = head(stream) * 1000
        copier.add(flow, Kind.REQUEST, data)
        total += len(data)
        stream += 2
    await eventually_async(reported(observed, total), "reported")
    statistics = observed.statistics()
    assert statistics.copied + statistics.dropped == total
    assert statistics.dropped > 0
    assert Kind.RESYNC not in observed.kinds()
    begun = len(observed.kinds())
    split = head(stream)
    copier.add(flow, Kind.REQUEST, split[:4])
    copier.add(flow, Kind.REQUEST, split[4:])
    total += len(split)
    await eventually_async(reported(observed, total), "reported")
    assert observed.kinds()[begun:] == [
        Kind.RESYNC,
        Kind.PAST_REQUEST,
        Kind.REQUEST,
        Kind.REQUEST,
    ]
    decoder = hpack.Decoder()
    for each in frames_of(b"".join(http2_payloads(observed, Kind.PAST_REQUEST))):
        decoder.decode(each.payload)
    last = frames_of(b"".join(http2_payloads(observed, Kind.REQUEST)[-2:]))[-1]
    assert as_text(decoder.decode(last.payload))[-1] == ("traceparent", f"{stream:032x}")
    observed.close()


async def test_what_only_looked_like_http2_is_copied_no_more(copier: Copier) -> None:
    observed = Observed(copier)
    flow = Flow(connection=1, port=0)
    copier.add(flow, Kind.REQUEST, HTTP2_PREFACE + frame(SETTINGS))
    nonsense = frame(DATA, 0, 0, b"no stream")
    copier.add(flow, Kind.REQUEST, nonsense)
    copier.add(flow, Kind.REQUEST, REQUEST)
    copier.closed(flow)
    await eventually_async(lambda: Kind.CLOSED in observed.kinds(), "closed")
    assert observed.kinds() == [Kind.REQUEST, Kind.RESYNC, Kind.CLOSED]
    statistics = observed.statistics()
    assert statistics.dropped == len(nonsense) + len(REQUEST)
    assert statistics.copied + statistics.dropped == statistics.forwarded
    observed.close()


async def test_a_model_that_speaks_first_may_speak_http2(copier: Copier) -> None:
    observed = Observed(copier)
    right, wrong = Flow(connection=1, port=0), Flow(connection=2, port=0)
    for flow in (right, wrong):
        copier.add(flow, Kind.RESPONSE, frame(SETTINGS))
    copier.add(right, Kind.REQUEST, HTTP2_PREFACE)
    copier.add(wrong, Kind.REQUEST, REQUEST)
    assert right.frames is not None
    assert wrong.frames is None
    observed.close()


async def test_a_connection_that_nobody_could_read_any_more_is_given_up(copier: Copier) -> None:
    flow = Flow(connection=1, port=0)
    client = hpack.Encoder()
    client.header_table_size = 1 << 20
    copier.add(flow, Kind.REQUEST, HTTP2_PREFACE)
    for stream in range(1, 2001, 2):
        block = client.encode([(f"name-{stream}", "v" * 100)])
        copier.add(flow, Kind.REQUEST, frame(HEADERS, END_HEADERS, stream, block))
    assert flow.frames is None
    observed = Observed(copier)
    copier.add(flow, Kind.REQUEST, frame(SETTINGS))
    await eventually_async(reported(observed, 1), "reported")
    assert observed.kinds() == []
    assert observed.statistics().copied == 0
    observed.close()
