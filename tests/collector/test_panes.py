"""From requests on the wire to the panes that the controller pulls."""

import json
import math
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from modelmonitor.core.counting.novel import hashed
from modelmonitor.core.wire.configuration import configuration_digest
from modelmonitor.core.wire.pane import ColumnCounts, Pane
from modelmonitor.core.wire.tokens import Scope
from tests.collector.harness import (
    Collector,
    RefusedError,
    categorical,
    configuration_for,
    eventually,
    label,
    numeric,
    running_collector,
    score,
    token_for,
)
from tests.collector.inference_model import (
    BRIEF,
    V2,
    by_column,
    flat,
    infer,
    instances,
    nested,
    records,
)
from tests.collector.load import post
from tests.collector.raw_model import RawModel, raw_model, read_until
from tests.support.model_server import score as score_of

CUTS = (-1.0, -0.5, 0.0, 0.5, 1.0)
COLUMNS = (
    numeric("a", *CUTS),
    numeric("b", *CUTS),
    label("predict", "predict", "0", "1"),
    score("predict_proba", "predict_proba", 1, 0.0, 0.25, 0.5, 0.75, 1.0),
)


@pytest.fixture
def model() -> Iterator[RawModel]:
    with raw_model(infer) as running:
        yield running


def total(panes: list[Pane], column: str) -> ColumnCounts:
    """Return the sum of a column's counts over panes."""
    counts = [pane.columns[column] for pane in panes if column in pane.columns]
    return ColumnCounts(
        rows=sum(count.rows for count in counts),
        missing=sum(count.missing for count in counts),
        below=sum(count.below for count in counts),
        above=sum(count.above for count in counts),
        unknown=sum(count.unknown for count in counts),
        cells=[
            sum(cells)
            for cells in zip(*(count.cells for count in counts if count.rows), strict=True)
        ],
        total=math.fsum(count.total for count in counts),
    )


@pytest.mark.parametrize("layout", [nested, flat, by_column, instances, records])
def test_the_cells_of_panes_are_the_cells_of_what_was_sent(
    collector: Collector, layout: Callable[[list[list[float]]], dict[str, Any]]
) -> None:
    generic = layout in {instances, records}
    columns = (*COLUMNS[:2], score("p", "", 0, 0.0, 0.5, 1.0)) if generic else COLUMNS
    collector.configure(configuration_for(*columns))
    draw = random.Random(7)
    sent: list[list[float]] = []
    for _ in range(30):
        rows = [
            [draw.choice([*CUTS, draw.gauss(0.0, 1.0)]) for _ in "ab"]
            for _ in range(draw.randint(1, 40))
        ]
        sent += rows
        body = json.dumps(layout(rows)).encode()
        status, _ = post(collector.port, body, "/predict" if generic else V2)
        assert status == 200
    panes = collector.pull_seen(30)
    assert sum(pane.requests.decoded for pane in panes) == 30
    values = np.array(sent)
    for index, name in enumerate("ab"):
        counted = total(panes, name)
        expected = np.bincount(
            np.searchsorted(CUTS, values[:, index], side="left"), minlength=len(CUTS) + 1
        )
        assert counted.cells == expected.tolist()
        assert counted.rows == len(sent)
        assert counted.below == (values[:, index] < CUTS[0]).sum()
        assert counted.above == (values[:, index] > CUTS[-1]).sum()
        assert counted.total == pytest.approx(values[:, index].sum())
    scores = np.array([score_of(row) for row in sent])
    if generic:
        assert total(panes, "p").cells[1] == ((scores > 0.0) & (scores <= 0.5)).sum()
    else:
        assert total(panes, "predict").cells == [
            int((scores < 0.5).sum()),
            int((scores >= 0.5).sum()),
            0,
        ]
        assert total(panes, "predict_proba").total == pytest.approx(scores.sum())
        assert {pane.modelVersion for pane in panes if pane.requests.decoded} == {"v1"}


def test_text_columns_arrive_as_categories(collector: Collector) -> None:
    collector.configure(
        configuration_for(
            categorical("carrier", "UA", "B6"), numeric("temp", 0.0, 50.0), hashKey="a2V5"
        )
    )
    tensors = [
        {"name": "carrier", "shape": [3], "datatype": "BYTES", "data": ["UA", "XX", "UA"]},
        {"name": "temp", "shape": [3], "datatype": "FP64", "data": [1.5, 60.0, None]},
    ]
    post(collector.port, json.dumps({"inputs": tensors}).encode(), V2)
    panes = collector.pull_until(
        lambda panes: any(pane.requests.decoded for pane in panes), "decoded"
    )
    assert total(panes, "carrier").cells == [2, 0, 1]
    assert total(panes, "carrier").unknown == 1
    named = [pane.columns["carrier"].novel for pane in panes if pane.requests.decoded]
    assert named == [{hashed(b"key", "carrier")("XX"): 1}]
    assert total(panes, "temp").missing == 1
    assert total(panes, "temp").cells == [0, 1, 1]


def test_what_cannot_be_decoded_is_counted_by_its_reason(collector: Collector) -> None:
    collector.configure(configuration_for(*COLUMNS))
    collector.pull_until(bool, "a pane")
    good = json.dumps(nested([[0.1, 0.2]])).encode()
    three = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}
    assert post(collector.port, json.dumps({"inputs": [three]}).encode(), V2)[0] == 200
    assert post(collector.port, good, V2, {"Content-Encoding": "br"})[0] == 200
    assert post(collector.port, good, V2, {"Inference-Header-Content-Length": "9"})[0] == 200
    wide = json.dumps(nested([[0.1, 0.2]] * 400_000)).encode()
    assert len(wide) > 4 * 1024 * 1024
    assert post(collector.port, wide, BRIEF) == (200, b"{}")
    assert post(collector.port, b"no JSON", V2)[0] == 500, "an error is no prediction"
    assert post(collector.port, good, V2)[0] == 200
    panes = collector.pull_until(
        lambda panes: sum(pane.requests.seen for pane in panes) >= 6, "6 requests"
    )
    reasons: dict[str, int] = {}
    for pane in panes:
        for reason, times in pane.requests.undecodable.items():
            reasons[reason] = reasons.get(reason, 0) + times
    assert reasons == {
        "RequestShape": 1,
        "ContentEncoding": 1,
        "RequestNotJSON": 1,
        "TooLarge": 1,
    }
    assert sum(pane.requests.decoded for pane in panes) == 1
    assert sum(pane.requests.sampled for pane in panes) == 5


def test_other_requests_are_counted_but_not_decoded(collector: Collector) -> None:
    collector.configure(configuration_for(*COLUMNS))
    assert post(collector.port, b"{}", "/v2/repository/index")[0] == 500
    assert post(collector.port, b"a,b\n1,2\n", "/x", {"Content-Type": "text/csv"})[0] == 500
    panes = collector.pull_seen(2)
    assert sum(pane.requests.sampled for pane in panes) == 0


def test_a_model_filter_counts_this_model_and_requests_that_name_none(
    collector: Collector,
) -> None:
    collector.configure(configuration_for(*COLUMNS, model="flight-delay"))
    body = json.dumps(nested([[0.1, 0.2]])).encode()
    for path in (V2, V2.replace("delay", "price"), "/v2/models/flight-delay/versions/2/infer"):
        assert post(collector.port, body, path)[0] == 200
    panes = collector.pull_seen(2)
    assert sum(pane.requests.seen for pane in panes) == 2
    assert sum(pane.requests.decoded for pane in panes) == 2
    assert b"modelmonitor_collector_other_model_requests_total 1.0" in collector.ask("/metrics")


def test_latency_is_the_clients_even_when_the_observer_lags(tmp_path: Path) -> None:
    slow = threading.Event()

    def answer(connection: Any) -> None:
        read_until(connection, b"{}")
        assert not slow.wait(0.2)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        assert not slow.wait(0.1)
        connection.sendall(b"done")

    with raw_model(answer) as model, running_collector(tmp_path, model.port) as collector:
        collector.configure(configuration_for(interval=3600.0))
        stopped = collector.kill("mm-observer", signal.SIGSTOP)
        begun = time.monotonic()
        for _ in range(5):
            assert post(collector.port, b"{}") == (200, b"done")
        clients = (time.monotonic() - begun) / 5
        collector.kill("mm-observer", signal.SIGCONT)
        assert stopped == collector.children()["mm-observer"]
        collector.process.send_signal(signal.SIGTERM)
        final = collector.pull_until(lambda panes: panes[-1:] != [] and panes[-1].final, "final")
        latency = final[-1].latency
    assert latency["Response"].count == 5
    # The model's own times, and what the client saw, with its connection; never what the
    # observer slept.
    assert 0.3 * 0.99 <= latency["Response"].total / 5 <= clients
    assert 0.2 * 0.99 <= latency["FirstByte"].total / 5 <= clients - 0.1 * 0.99


def test_requests_without_an_answer_have_the_code_none(tmp_path: Path) -> None:
    def vanish(connection: Any) -> None:
        read_until(connection, b"{}")

    with raw_model(vanish) as model, running_collector(tmp_path, model.port) as collector:
        collector.configure(configuration_for())
        with pytest.raises(ConnectionError):
            post(collector.port, b"{}")
        panes = collector.pull_seen(1)
    seen = next(pane for pane in panes if pane.requests.seen)
    assert seen.requests.codes == {"none": 1}
    assert seen.latency == {}


def test_panes_never_mix_two_configurations(collector: Collector) -> None:
    first = configuration_for(numeric("a", *CUTS), numeric("b", *CUTS))
    second = configuration_for(numeric("a", 0.0), numeric("b", 0.0))
    collector.configure(first)
    stop = threading.Event()
    sent = 0

    def keep_sending() -> None:
        nonlocal sent
        while not stop.is_set():
            post(collector.port, json.dumps(nested([[0.5, 0.5]])).encode(), V2)
            sent += 1

    sending = threading.Thread(target=keep_sending)
    sending.start()
    try:
        cells = {configuration_digest(first): 6, configuration_digest(second): 2}
        for configuration in (second, first, second):
            before = sent
            reply = collector.configure(configuration)
            wanted = configuration_digest(configuration)
            assert wanted in {reply.configDigest, reply.pendingDigest}
            while not (sent > before and _counted_under(collector.panes, wanted)):
                collector.pull(wait=1.0)
    finally:
        stop.set()
        sending.join()
    while sum(pane.requests.seen for pane in collector.panes) < sent:
        collector.pull(wait=1.0)
    for pane in collector.panes:
        if pane.configDigest:
            assert {len(counts.cells) for counts in pane.columns.values()} == {
                cells[pane.configDigest]
            }
            assert pane.columns["a"].rows == pane.requests.decoded
    # The switch waits for the end of the pane, so every tick has one pane, and it is whole.
    configured = [pane for pane in collector.panes if pane.configDigest][1:]
    assert all(pane.end - pane.start == pytest.approx(1.0) for pane in configured)
    assert all(pane.observerGapSeconds == 0.0 for pane in configured)
    assert sum(pane.requests.seen for pane in collector.panes) == sent


def _counted_under(panes: list[Pane], digest: str) -> bool:
    return bool(panes) and panes[-1].configDigest == digest and panes[-1].requests.seen > 0


def test_the_first_configuration_takes_effect_at_once(collector: Collector) -> None:
    reply = collector.configure(configuration_for(numeric("a"), interval=3600.0))
    assert reply.configDigest
    assert not reply.pendingDigest
    assert collector.poll().configDigest == reply.configDigest


def test_a_pull_is_idempotent_and_a_cursor_moves_on(collector: Collector) -> None:
    collector.configure(configuration_for())
    collector.pull_until(lambda panes: len(panes) >= 3, "three panes")
    everything = collector.poll(after="").panes
    assert collector.poll(after="").panes[: len(everything)] == everything
    middle = everything[1]
    after = collector.poll(after=f"{middle.bootID}:{middle.seq}").panes
    assert after[: len(everything) - 2] == everything[2:]
    assert collector.poll(after="unknown:9").panes[: len(everything)] == everything
    assert [pane.seq for pane in everything] == list(range(1, len(everything) + 1))
    assert all(pane.start % 1.0 == 0.0 for pane in everything if pane.interval == 1.0)


def test_a_poll_waits_for_the_next_pane(collector: Collector) -> None:
    collector.configure(configuration_for())
    collector.pull_until(bool, "a pane")
    collector.pull()
    waited = collector.poll(wait=20.0)
    assert waited.panes
    assert waited.now >= waited.panes[0].end


def test_the_configuration_outlives_the_observer(collector: Collector) -> None:
    digest = collector.configure(configuration_for(numeric("a", 0.0))).configDigest
    collector.kill("mm-observer")

    def in_force() -> bool:
        try:
            return collector.poll().configDigest == digest
        except OSError:
            return False

    eventually(in_force, "the successor has the configuration")


# Made when the test runs: tokens live for a minute, collecting tests may come long before.
WRONG_TOKENS: Final[dict[str, tuple[Callable[[], str], int, str]]] = {
    "none": (str, 401, "a token is needed: Authorization: Bearer <token>"),
    "nonsense": (
        lambda: "nonsense",
        401,
        "the token is not a JSON Web Token (Not enough segments)",
    ),
    "another pod": (
        lambda: token_for(Scope.PANES, audience="pod-2"),
        401,
        "the token is for pod 'pod-2', not for this pod, 'pod-1'",
    ),
    "expired": (lambda: token_for(Scope.PANES, now=1000.0), 401, "the leaf certificate expired"),
    "another root": (lambda: token_for(Scope.PANES, root=bytes(32)), 401, "recreate the pod"),
    "another scope": (lambda: token_for(Scope.CONFIG), 403, "this needs the scope 'panes'"),
}


@pytest.mark.parametrize("wrong", WRONG_TOKENS)
def test_a_wrong_token_is_refused_with_a_sentence(shared_collector: Collector, wrong: str) -> None:
    token, status, sentence = WRONG_TOKENS[wrong]
    with pytest.raises(RefusedError) as refused:
        shared_collector.ask("/v1/panes", token=token())
    assert refused.value.status == status
    assert sentence in refused.value.sentence


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "the configuration is not readable"),
        (b'{"monitorUID": "other", "interval": 60}', "belongs to the monitor monitor-1"),
        (b'{"monitorUID": "monitor-1", "interval": 0}', "interval: 0.0 s is not between"),
        (b'{"monitorUID": "monitor-1", "interval": 60, "schema": 9}', "schema: 9"),
    ],
)
def test_a_wrong_configuration_is_refused_with_a_sentence(
    shared_collector: Collector, body: bytes, sentence: str
) -> None:
    with pytest.raises(RefusedError) as refused:
        shared_collector.ask("/v1/config", method="PUT", scope=Scope.CONFIG, body=body)
    assert refused.value.status == 400
    assert sentence in refused.value.sentence


@pytest.mark.parametrize("query", ["after=x", "wait=99", "wait=no"])
def test_a_wrong_query_is_refused(shared_collector: Collector, query: str) -> None:
    with pytest.raises(RefusedError) as refused:
        shared_collector.ask(f"/v1/panes?{query}", scope=Scope.PANES)
    assert refused.value.status == 400
