"""The splice's side of the hand-over: bounded, counted, resynchronised."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from modelmonitor.collector.handover import (
    BrokenStreamError,
    Kind,
    Record,
    Splitter,
    Statistics,
    decode_statistics,
    encode_record,
)
from modelmonitor.collector.splice.copier import (
    CAPACITY,
    COPY_OFF,
    COPY_ON,
    SEND_BUFFER,
    Copier,
    Flow,
)
from tests.collector.harness import eventually_async

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
