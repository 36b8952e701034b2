"""A model server's own logger as the source: events are answered at once, and paired later."""

import base64
import http.client
import json
import signal
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.handover import (
    Kind,
    Record,
    Statistics,
    encode_statistics,
)
from modelmonitor.collector.observer.bodies import MAX_MESSAGE, BodyKeeper
from modelmonitor.collector.observer.events import (
    MAX_WAITING,
    MAX_WAITING_BYTES,
    WAIT_SECONDS,
    EventRecorder,
)
from modelmonitor.collector.observer.exchange import Exchange
from tests.collector.harness import (
    LOOPBACK,
    Collector,
    configuration_for,
    eventually,
    free_port,
    numeric,
    running_collector,
)
from tests.collector.raw_model import read_until

KSERVE = "org.kubeflow.serving.inference"
SELDON = "io.seldon.serving.inference"
ASKED = b'{"instances": [[1.0, 2.0]]}'
ANSWERED = b'{"predictions": [0.5]}'


class Recording:
    """Keeps what is counted."""

    def __init__(self) -> None:
        self.bodies = BodyKeeper()
        self.counted: list[tuple[Exchange, bytes, bytes]] = []
        self.lost = 0

    def begins(self, exchange: Exchange) -> bool:
        exchange.request.wanted = exchange.response.wanted = True
        return True

    def finished(self, exchange: Exchange) -> None:
        self.counted.append((exchange, exchange.request.content(), exchange.response.content()))
        self.abandoned(exchange)

    def abandoned(self, exchange: Exchange) -> None:
        self.bodies.release(exchange.request)
        self.bodies.release(exchange.response)

    def unread(self, length: int) -> None:
        self.lost += length

    def take_all(self, records: Iterable[Record]) -> bool:
        return any(record.kind == Kind.END for record in records)

    def advance(self, monotonic: float) -> None:
        """Do nothing: no pane here."""

    def forget_connections(self) -> None:
        """Do nothing: no connections here."""


def binary(kind: str, identity: str, body: bytes, **attributes: str) -> bytes:
    """Return the HTTP request of an event in binary mode."""
    headers = {
        "ce-id": identity,
        "ce-type": kind,
        "ce-specversion": "1.0",
        "ce-source": "http://localhost:9081/",
        "Content-Type": "application/json",
        **attributes,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST / HTTP/1.1\r\nHost: sink\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return head.encode() + body


def structured(document: dict[str, object]) -> bytes:
    body = json.dumps({"specversion": "1.0", "source": "s", **document}).encode()
    return (
        b"POST / HTTP/1.1\r\nHost: sink\r\nContent-Type: application/cloudevents+json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def recorder(recording: Recording) -> EventRecorder:
    return EventRecorder(recording)


def sent(recorder: EventRecorder, data: bytes, at: int = 1, connection: int = 1) -> None:
    recorder.take_all([Record(Kind.REQUEST, connection, 0, at, data)])


@pytest.mark.parametrize("family", [KSERVE, SELDON])
@pytest.mark.parametrize("response_first", [False, True])
def test_request_and_response_are_paired_in_either_order(
    recorder: EventRecorder, recording: Recording, family: str, response_first: bool
) -> None:
    events = [
        binary(f"{family}.request", "7", ASKED),
        binary(f"{family}.response", "7", ANSWERED),
    ]
    for number, event in enumerate(reversed(events) if response_first else events):
        sent(recorder, event, connection=number)
    ((exchange, request, response),) = recording.counted
    assert (request, response) == (ASKED, ANSWERED)
    assert exchange.code == "200"
    assert exchange.headers[b"ce-id"] == b"7"
    assert exchange.headers[b"content-type"] == b"application/json"
    assert exchange.response_end == 0, "no time was said, so no latency is"


@given(cuts=st.lists(st.integers(1, 60), max_size=30))
def test_events_are_found_in_any_pieces(cuts: list[int]) -> None:
    recording = Recording()
    recorder = EventRecorder(recording)
    stream = binary(f"{KSERVE}.request", "1", ASKED) + binary(f"{KSERVE}.response", "1", ANSWERED)
    for cut in cuts:
        piece, stream = stream[:cut], stream[cut:]
        if piece:
            sent(recorder, piece)
    sent(recorder, stream)
    assert [pair[1:] for pair in recording.counted] == [(ASKED, ANSWERED)]


@pytest.mark.parametrize(
    ("asked", "answered", "microseconds"),
    [
        ("2026-08-01T12:00:00Z", "2026-08-01T12:00:00.250Z", 250_000),
        ("2026-08-01T12:00:00.1Z", "2026-08-01T14:00:00.123456789+02:00", 23_456),
        ("2026-08-01T12:00:01Z", "2026-08-01T12:00:00Z", None),
        ("2026-08-01T12:00:00", "2026-08-01T12:00:00Z", None),
        ("", "2026-08-01T12:00:00Z", None),
        ("yesterday", "2026-08-01T12:00:00Z", None),
    ],
)
def test_a_latency_is_said_only_where_both_events_carry_a_time(
    recorder: EventRecorder,
    recording: Recording,
    asked: str,
    answered: str,
    microseconds: int | None,
) -> None:
    sent(recorder, binary(f"{KSERVE}.request", "1", ASKED, **{"ce-time": asked}), at=10)
    sent(recorder, binary(f"{KSERVE}.response", "1", ANSWERED, **{"ce-time": answered}), at=5_000)
    exchange = recording.counted[0][0]
    if microseconds is None:
        assert exchange.response_end == 0
    else:
        assert exchange.response_end == 5_000
        assert exchange.response_end - exchange.request_end == pytest.approx(microseconds, abs=1)


@pytest.mark.parametrize(
    ("document", "body"),
    [
        ({"data": {"a": [1, 2]}}, b'{"a": [1, 2]}'),
        ({"data_base64": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
        ({"datacontenttype": "text/csv", "data": "a,b\n1,2"}, b"a,b\n1,2"),
        ({"data": "text"}, b'"text"'),
        ({}, b""),
    ],
)
def test_structured_events_are_read_too(
    recorder: EventRecorder, recording: Recording, document: dict[str, object], body: bytes
) -> None:
    sent(recorder, structured({"id": "1", "type": f"{KSERVE}.request", **document}))
    sent(recorder, structured({"id": "1", "type": f"{KSERVE}.response", **document}))
    assert [pair[1:] for pair in recording.counted] == [(body, body)]


def test_other_events_and_senders_are_told_apart(
    recorder: EventRecorder, recording: Recording
) -> None:
    sent(recorder, binary(f"{KSERVE}.request", "1", ASKED, **{"ce-source": "a"}))
    sent(recorder, binary(f"{KSERVE}.response", "1", ANSWERED, **{"ce-source": "b"}))
    sent(recorder, binary("io.seldon.serving.feedback", "1", ASKED, **{"ce-source": "a"}))
    sent(recorder, binary(f"{KSERVE}.request", "", ASKED))
    sent(recorder, b"GET / HTTP/1.1\r\nHost: sink\r\n\r\n")
    assert recording.counted == []
    sent(recorder, binary(f"{KSERVE}.response", "1", ANSWERED, **{"ce-source": "a"}))
    assert len(recording.counted) == 1


def test_events_that_stay_alone_are_given_up_and_counted(
    recorder: EventRecorder, recording: Recording
) -> None:
    sent(recorder, binary(f"{KSERVE}.request", "1", ASKED), at=1)
    later = int((WAIT_SECONDS + 1) * 1e6)
    recorder.take_all(
        [Record(Kind.STATISTICS, 0, 0, later, encode_statistics(Statistics(0, 0, 0)))]
    )
    assert recording.lost == len(ASKED)
    sent(recorder, binary(f"{KSERVE}.response", "1", ANSWERED), at=later)
    assert recording.counted == []


def test_what_waits_is_bounded_in_number_and_bytes(
    recorder: EventRecorder, recording: Recording
) -> None:
    for number in range(MAX_WAITING + 10):
        sent(recorder, binary(f"{KSERVE}.request", str(number), b"x"))
    assert recording.lost == 10
    sent(recorder, binary(f"{KSERVE}.response", "9", b"y"))
    assert recording.counted == []
    sent(recorder, binary(f"{KSERVE}.response", "11", b"y"))
    assert len(recording.counted) == 1
    large = bytes(MAX_MESSAGE)
    for number in range(6):
        sent(recorder, binary(f"{SELDON}.request", f"large {number}", large))
    assert recording.lost > 6 * len(large) - MAX_WAITING_BYTES


def test_an_event_that_is_sent_twice_is_one(recorder: EventRecorder, recording: Recording) -> None:
    for _ in range(2):
        sent(recorder, binary(f"{KSERVE}.request", "1", ASKED))
    sent(recorder, binary(f"{KSERVE}.response", "1", ANSWERED))
    assert len(recording.counted) == 1
    assert recording.lost == len(ASKED)


def test_a_body_above_the_limit_is_counted_without_its_rows(
    recorder: EventRecorder, recording: Recording
) -> None:
    sent(recorder, binary(f"{KSERVE}.request", "1", bytes(MAX_MESSAGE + 1)))
    sent(recorder, binary(f"{KSERVE}.response", "1", ANSWERED))
    exchange, request, _ = recording.counted[0]
    assert exchange.request.too_large
    assert request == b""


def test_a_sender_that_lost_bytes_is_read_again(
    recorder: EventRecorder, recording: Recording
) -> None:
    sent(recorder, binary(f"{KSERVE}.request", "1", ASKED)[:-5])
    recorder.take_all([Record(Kind.RESYNC, 1, 0, 1)])
    sent(recorder, binary(f"{KSERVE}.request", "2", ASKED))
    sent(recorder, binary(f"{KSERVE}.response", "2", ANSWERED))
    assert len(recording.counted) == 1
    sent(recorder, b"\x16\x03\x01 not HTTP")
    assert recording.lost == len(b"\x16\x03\x01 not HTTP")


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_any_bytes_are_taken(pieces: list[bytes]) -> None:
    recorder = EventRecorder(Recording())
    for piece in pieces:
        sent(recorder, piece)
        sent(recorder, structured({"id": "1", "data": piece.hex()}))


# -------------------------------------------------------------------------------------- processes
@pytest.fixture
def sink(tmp_path: Path) -> Iterator[tuple[Collector, int]]:
    """Run a collector that is sent events."""
    port = free_port()
    with running_collector(tmp_path, more={"MM_EVENTS": str(port), "MM_PORTS": ""}) as collector:
        yield collector, port


def logged(port: int, number: int, *, response: bool = True) -> list[int]:
    """Send an exchange as a logger does; return the statuses."""
    events = [binary(f"{KSERVE}.request", str(number), ASKED)]
    if response:
        events.append(binary(f"{KSERVE}.response", str(number), ANSWERED))
    statuses = []
    for event in events:
        with socket.create_connection((LOOPBACK, port), timeout=5.0) as sender:
            sender.sendall(event)
            statuses.append(int(read_until(sender, b"\r\n\r\n").split(b" ")[1]))
    return statuses


def test_logged_predictions_reach_the_panes(sink: tuple[Collector, int]) -> None:
    collector, port = sink
    collector.configure(configuration_for(numeric("a", 0.0, 2.0), numeric("b", 0.0, 4.0)))
    eventually(lambda: collector.poll().configDigest != "", "configured")
    for number in range(20):
        assert logged(port, number) == [200, 200]
    panes = collector.pull_seen(20)
    assert sum(pane.requests.decoded for pane in panes) == 20
    assert {code for pane in panes for code in pane.requests.codes} == {"200"}
    assert not any(pane.latency for pane in panes)
    assert sum(pane.columns["a"].rows for pane in panes if pane.columns) == 20


def test_the_logger_is_answered_while_the_observer_hangs(sink: tuple[Collector, int]) -> None:
    collector, port = sink
    collector.configure(configuration_for())
    observer = collector.kill("mm-observer", signal.SIGSTOP)
    begun = time.monotonic()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5.0)
    for _ in range(200):  # 20 MB; 8 MiB fit
        connection.request("POST", "/", bytes(100_000), {"ce-id": "1"})
        response = connection.getresponse()
        assert response.status == 200
        response.read()
    connection.close()
    assert time.monotonic() - begun < 20.0
    assert collector.children()["mm-observer"] == observer
    collector.kill("mm-observer", signal.SIGCONT)
    eventually(lambda: logged(port, 1) == [200, 200], "answered")
    collector.pull_until(
        lambda panes: sum(pane.droppedBytes for pane in panes) > 0, "bytes were dropped"
    )


def test_what_is_not_http_is_refused(sink: tuple[Collector, int]) -> None:
    with socket.create_connection((LOOPBACK, sink[1]), timeout=5.0) as sender:
        sender.sendall(b"\x16\x03\x01\x00\x05hello")
        assert read_until(sender, b"\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert sender.recv(1) == b""


def test_a_sender_that_asks_first_is_told_to_go_on(sink: tuple[Collector, int]) -> None:
    with socket.create_connection((LOOPBACK, sink[1]), timeout=5.0) as sender:
        sender.sendall(
            b"POST / HTTP/1.1\r\nHost: s\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        )
        assert read_until(sender, b"\r\n\r\n").startswith(b"HTTP/1.1 100")
        sender.sendall(b"hi")
        assert read_until(sender, b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_collector_of_events_ends_in_order(sink: tuple[Collector, int]) -> None:
    collector, port = sink
    collector.configure(configuration_for(interval=3600.0))
    assert logged(port, 1) == [200, 200]
    collector.process.send_signal(signal.SIGTERM)
    final = collector.pull_until(lambda panes: bool(panes) and panes[-1].final, "final pane")[-1]
    assert final.requests.seen == 1
    collector.pull()
    assert collector.process.wait(20.0) == 0
