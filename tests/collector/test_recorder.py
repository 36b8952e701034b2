"""The hand-over's bytes in, counts out: however they are cut, whatever is in them."""

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmonitor.collector.handover import BrokenStreamError, Kind, Record, Splitter, encode_record
from modelmonitor.collector.observer import recorder as limits
from modelmonitor.collector.observer.bodies import MAX_KEPT
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Pane
from tests.collector.harness import configuration_for, numeric
from tests.collector.test_book import HandClock
from tests.collector.test_framing import pieces
from tests.collector.wire2 import End, data, greeting, opening

SECOND = 1_000_000
BODY = b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP64","data":[0.5]}]}'
ANSWER = b'{"outputs":[]}'
ASKED = b"POST /v2/models/m/infer HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
ANSWERED = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER
CONFIGURATION = configuration_for(numeric("x", 0.0, 1.0), interval=10.0)


@dataclass
class Observed:
    """A recorder and what it counted."""

    configuration: CollectorConfiguration = CONFIGURATION
    panes: list[Pane] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)

    def __post_init__(self) -> None:
        self.book = PaneBook(
            identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
            clock=HandClock(),
            closed=self.panes.append,
            configuration=self.configuration,
            replaces=False,
        )
        self.recorder = Recorder(self.book, ("http",), self.totals)

    def take(self, kind: Kind, payload: bytes = b"", *, connection: int = 1, time: int = 1) -> None:
        self.recorder.take(Record(kind, connection, 0, 1001 * SECOND + time, payload))

    def ended(self) -> Pane:
        self.book.end(1005.0)
        return self.panes[-1]


def traffic(draw: random.Random) -> list[Record]:
    """Return records of several connections, their messages in pieces and in any order."""
    talks: list[list[tuple[Kind, bytes]]] = []
    for _ in range(draw.randint(1, 4)):
        if draw.random() < 0.5:
            client, model = End(), End()
            said = [(Kind.REQUEST, opening()), (Kind.RESPONSE, greeting())]
            for stream in (1, 3, 5):
                asked = client.request(stream, "/v2/models/m/infer")
                said.append((Kind.REQUEST, asked + data(stream, BODY, ended=True)))
                answer = model.response(stream) + data(stream, ANSWER, ended=True)
                said.append((Kind.RESPONSE, answer))
        else:
            said = [(Kind.REQUEST, ASKED), (Kind.RESPONSE, ANSWERED)] * 3
        talk = [(kind, piece) for kind, whole in said for piece in pieces(whole, draw)]
        talks.append([*talk, (Kind.CLOSED, b"")])
    records = []
    time = 1001 * SECOND
    while talks:
        index = draw.randrange(len(talks))
        kind, piece = talks[index].pop(0)
        time += 10
        records.append(Record(kind, id(talks[index]) % 2**32, 0, time, piece))
        if not talks[index]:
            talks.pop(index)
    return records


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_cuts_of_the_hand_over_give_the_same_pane(seed: int) -> None:
    draw = random.Random(seed)
    records = traffic(draw)
    whole = Observed()
    whole.recorder.take_all(records)
    cut, splitter = Observed(), Splitter()
    for piece in pieces(b"".join(map(encode_record, records)), draw):
        cut.recorder.take_all(splitter.feed(piece))
    assert cut.ended() == whole.ended()
    calls = 3 * sum(record.kind == Kind.CLOSED for record in records)
    assert whole.panes[-1].requests.codes == {"200": calls}
    assert whole.recorder.bodies.kept == cut.recorder.bodies.kept == 0


payloads = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([ASKED, ANSWERED, ASKED[:70], opening(), End().request(1), greeting()]),
)
anything = st.builds(
    Record,
    st.integers(0, 9).filter(lambda kind: kind != Kind.STATISTICS),
    st.integers(1, 4),
    st.just(0),
    st.just(1001 * SECOND),
    payloads,
)


@settings(deadline=None)
@given(st.lists(anything, max_size=40))
def test_whatever_is_handed_over_nothing_raises_and_nothing_is_kept_for_good(
    records: list[Record],
) -> None:
    observed = Observed()
    observed.recorder.take_all(records)
    observed.recorder.forget_connections()
    assert observed.recorder.bodies.kept == 0
    assert observed.recorder.open_requests == 0


@pytest.mark.parametrize(
    "record",
    [
        Record(Kind.STATISTICS, 0, 0, 1001 * SECOND, b"short"),
        Record(Kind.REQUEST, 1, 7, 1001 * SECOND, ASKED),
    ],
)
def test_records_that_make_no_sense_are_told_from_bytes_that_make_none(record: Record) -> None:
    with pytest.raises(BrokenStreamError):
        Observed().recorder.take(record)


def test_bodies_of_calls_under_way_are_read_as_the_configuration_says_that_is_in_force() -> None:
    observed = Observed()
    observed.take(Kind.REQUEST, ASKED)
    later = configuration_for(numeric("x", 0.0), numeric("y", 0.0), interval=20.0)
    observed.recorder.apply(later, 1001.5)
    observed.take(Kind.RESPONSE, ANSWERED, time=SECOND)
    assert observed.ended().columns["y"].missing == 1


def test_a_body_that_was_left_out_is_incomplete_and_the_call_is_counted() -> None:
    observed, client, model = Observed(), End(), End()
    observed.take(Kind.REQUEST, opening() + client.request(1, "/v2/models/m/infer"))
    observed.take(Kind.SKIPPED, (1).to_bytes(4, "little"))
    observed.take(Kind.REQUEST, data(1, b"", ended=True), time=10)
    observed.take(Kind.RESPONSE, model.response(1) + data(1, ANSWER, ended=True), time=30)
    requests = observed.ended().requests
    assert (requests.codes, requests.undecodable) == ({"200": 1}, {"Incomplete": 1})
    assert observed.panes[-1].latency["Response"].total == pytest.approx(20e-6)


def test_so_many_connections_are_followed_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 3)
    observed = Observed()
    for connection in range(1, 6):
        observed.take(Kind.REQUEST, ASKED, connection=connection)
    assert observed.recorder.open_requests == 3
    for connection in range(1, 6):
        observed.take(Kind.RESPONSE, ANSWERED, connection=connection)
    assert observed.ended().requests.seen == 3
    assert observed.totals.unreadable == 2 * (len(ASKED) + len(ANSWERED))


def test_so_many_requests_are_open_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_OPEN", 3)
    observed = Observed()
    for connection in range(1, 6):
        observed.take(Kind.REQUEST, ASKED, connection=connection)
    assert observed.recorder.open_requests == 3
    assert observed.totals.unreadable == 2 * len(ASKED)


@pytest.mark.parametrize("begun", [b"POST / HTTP/1.1\r\nX: " + b"y" * 30_000, b"PRI * HTTP/2"])
def test_messages_that_do_not_go_on_take_no_more_than_there_is_for_all(begun: bytes) -> None:
    observed = Observed()
    for connection in range(1, 2_000):
        observed.take(Kind.REQUEST, begun, connection=connection)
    assert 0 < observed.recorder.bodies.kept <= MAX_KEPT
    observed.recorder.forget_connections()
    assert observed.recorder.bodies.kept == 0
