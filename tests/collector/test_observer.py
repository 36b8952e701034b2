"""The observer's own rules: who is copied for, what Prometheus sees, what it may import."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from modelmonitor.collector.handover import (
    BrokenStreamError,
    Kind,
    Record,
    Statistics,
    encode_record,
    encode_statistics,
)
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.metrics import registry_for
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.shelf import Cursor, MemoryStorage, Shelf
from modelmonitor.collector.observer.state import PULL_TIMEOUT, State
from modelmonitor.collector.observer.stream import HandoverStream
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.wire.pane import Pane
from tests.collector.harness import configuration_for, numeric
from tests.collector.test_book import HandClock

REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\n"
    b"Content-Length: 7\r\n\r\n[[0.5]]"
)
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
SECOND = 1_000_000


@dataclass
class Bench:
    """A recorder whose clock is set by hand."""

    clock: HandClock
    panes: list[Pane]
    totals: Totals
    state: State
    recorder: Recorder

    def take(self, kind: Kind, time: int, payload: bytes = b"", connection: int = 1) -> bool:
        return self.recorder.take(Record(kind, connection, 0, time, payload))


@pytest.fixture
def bench() -> Bench:
    clock, panes, totals = HandClock(), list[Pane](), Totals()
    book = PaneBook(
        identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
        clock=clock,
        closed=panes.append,
        configuration=configuration_for(numeric("a", 0.0, 1.0), interval=10.0),
        replaces=False,
    )
    state = State(book=book, shelf=Shelf(MemoryStorage()), last_pull=clock.now)
    return Bench(clock, panes, totals, state, Recorder(book, ("http",), totals))


def test_a_request_belongs_to_the_pane_of_its_responses_end(bench: Bench) -> None:
    bench.take(Kind.REQUEST, 1009 * SECOND, REQUEST)
    bench.take(Kind.RESPONSE, 1011 * SECOND, RESPONSE)
    bench.take(Kind.STATISTICS, 1020 * SECOND, encode_statistics(Statistics(1, 1, 0)))
    assert [pane.requests.seen for pane in bench.panes] == [0, 1]
    assert bench.panes[1].columns["a"].cells == [0, 1, 0]
    assert bench.panes[1].latency["Response"].total == pytest.approx(2.0)


def test_bytes_are_reported_in_the_pane_of_their_time(bench: Bench) -> None:
    bench.take(Kind.STATISTICS, 1009 * SECOND, encode_statistics(Statistics(10, 7, 3)))
    bench.take(Kind.STATISTICS, 1019 * SECOND, encode_statistics(Statistics(5, 5, 0)))
    bench.recorder.advance(1020.0)
    assert [(pane.forwardedBytes, pane.copiedBytes) for pane in bench.panes] == [(10, 7), (5, 5)]


def test_what_is_not_http_is_no_coverage(bench: Bench) -> None:
    tls = b"\x16\x03\x01" + bytes(97)
    bench.take(Kind.REQUEST, 1001 * SECOND, tls)
    bench.take(Kind.STATISTICS, 1002 * SECOND, encode_statistics(Statistics(100, 100, 0)))
    bench.recorder.advance(1010.0)
    assert (bench.panes[0].copiedBytes, bench.panes[0].droppedBytes) == (0, 100)


def test_records_of_a_later_version_are_skipped(bench: Bench) -> None:
    assert not bench.recorder.take(Record(99, 1, 0, 1001 * SECOND, b"new"))
    assert bench.take(Kind.END, 1002 * SECOND)


def test_a_new_stream_forgets_connections_without_inventing_unanswered_requests(
    bench: Bench,
) -> None:
    bench.take(Kind.REQUEST, 1001 * SECOND, REQUEST)
    bench.recorder.forget_connections()
    bench.take(Kind.CLOSED, 1002 * SECOND)
    bench.recorder.advance(1010.0)
    assert bench.panes[0].requests.seen == 0


def test_rows_that_wait_are_counted_when_the_pane_closes(bench: Bench) -> None:
    for number in range(1, 700):
        bench.take(Kind.REQUEST, 1001 * SECOND + number, REQUEST, connection=number)
        bench.take(Kind.RESPONSE, 1001 * SECOND + number, RESPONSE, connection=number)
    bench.recorder.advance(1010.0)
    assert bench.panes[0].columns["a"].rows == 699
    assert bench.panes[0].requests.decoded == 699


def test_nothing_is_copied_for_a_controller_that_does_not_pull(bench: Bench) -> None:
    state = bench.state
    now = bench.clock.now
    assert state.copying_wanted(now + PULL_TIMEOUT - 1.0)
    assert not state.copying_wanted(now + PULL_TIMEOUT + 1.0)
    state.pulled(now + PULL_TIMEOUT + 2.0, Cursor("b", 1))
    assert state.copying_wanted(now + PULL_TIMEOUT + 3.0)


def test_prometheus_reads_what_happened(bench: Bench) -> None:
    bench.take(Kind.REQUEST, 1001 * SECOND, REQUEST)
    bench.take(Kind.RESPONSE, 1001 * SECOND + 80_000, RESPONSE)
    bench.take(Kind.REQUEST, 1002 * SECOND, REQUEST.replace(b"0.5", b"0,5"))
    bench.take(Kind.RESPONSE, 1002 * SECOND + 300_000, RESPONSE)
    bench.take(Kind.REQUEST, 1003 * SECOND, REQUEST)
    bench.take(Kind.CLOSED, 1004 * SECOND)
    text = generate_latest(registry_for(bench.totals, bench.state)).decode()
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    own = "modelmonitor_collector_"
    assert samples["modelmonitor_requests_total", ("2xx",)] == 2
    assert samples["modelmonitor_requests_total", ("none",)] == 1
    assert samples[own + "seen_requests_total", ()] == 3
    assert samples[own + "sampled_requests_total", ()] == 2
    assert samples[own + "decoded_requests_total", ("http", "JSON")] == 1
    assert samples[own + "undecodable_requests_total", ("RequestShape",)] == 1
    duration = "modelmonitor_request_duration_seconds"
    assert samples[duration + "_count", ()] == 2
    assert samples[duration + "_sum", ()] == pytest.approx(0.38)
    assert samples[duration + "_bucket", ("0.05",)] == 0
    assert samples[duration + "_bucket", ("0.1",)] == 1
    assert samples[duration + "_bucket", ("0.5",)] == 2
    assert samples[duration + "_bucket", ("+Inf",)] == 2


def test_the_sidecar_loads_nothing_that_only_the_operator_needs() -> None:
    program = (
        "import sys, modelmonitor.collector.main, modelmonitor.collector.observer.process\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout
    for heavy in ("kopf", "kubernetes", "pandas", "pyarrow", "pydantic", "rich", "scipy", "typer"):
        assert f"'{heavy}'" not in loaded
    assert "'aiohttp'" in loaded


def test_the_supervisor_loads_neither_the_observer_nor_numpy() -> None:
    program = "import sys, modelmonitor.collector.main; print('numpy' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout
    assert loaded.strip() == "False"


@dataclass
class Listening:
    """Takes what a stream says; its counting may be at fault."""

    fault: Exception | None = None
    taken: list[Record] = field(default_factory=list)
    broken: int = 0

    def records(self, records: Sequence[Record]) -> None:
        self.taken += records
        if self.fault is not None:
            raise self.fault

    def heard(self) -> None:
        pass

    def stream_broken(self) -> None:
        self.broken += 1

    def stream_lost(self, stream: HandoverStream) -> None:
        pass


GOOD = encode_record(Record(Kind.REQUEST, 1, 0, 1, b"GET / HTTP/1.1\r\n\r\n"))


@pytest.mark.parametrize(
    ("fault", "data", "broken"),
    [
        (None, GOOD, 0),
        (None, b"\xff" * 40, 1),
        (BrokenStreamError("a port that is none"), GOOD, 1),
        (ZeroDivisionError(), GOOD, 1),
    ],
)
def test_a_stream_that_cannot_be_counted_is_given_up_instead_of_being_ignored(
    fault: Exception | None, data: bytes, broken: int
) -> None:
    listening = Listening(fault)
    HandoverStream(listening).data_received(data)
    assert listening.broken == broken
