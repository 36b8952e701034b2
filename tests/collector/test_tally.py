"""What one pane counts of exchanges, rows and text generation."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.observer.decoding import Decoded
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.observer.rows import FLUSH_ROWS
from modelmonitor.collector.observer.tally import MOST_CODES, MOST_TOKENS, Tally
from modelmonitor.collector.protocols.base import Generation, Inputs, Rows
from modelmonitor.collector.protocols.recognition import Confidence, Recognition
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole
from modelmonitor.core.wire.configuration import ColumnConfiguration
from modelmonitor.core.wire.pane import ColumnCounts, GenerationCounts
from tests.collector.harness import categorical, configuration_for, numeric, score

TEXT = ColumnConfiguration(
    name="note", kind=ColumnKind.TEXT, role=ColumnRole.INPUT, cuts=[1.0, 4.0]
)
IGNORED = ColumnConfiguration(name="id", kind=ColumnKind.IGNORED, role=ColumnRole.INPUT)
COLUMNS = (
    numeric("x", -1.0, 0.0, 1.0),
    categorical("city", "Rome", "1"),
    TEXT,
    IGNORED,
    score("p", "p", 0, 0.0, 1.0),
)
DECLARED = Recognition("JSON", next(iter(Confidence)))
CONFIGURATION = configuration_for(*COLUMNS, reveal=["city"])

cells = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["Rome", "x", "1"])
)
tables = st.lists(st.lists(cells, min_size=4, max_size=4), max_size=30)


def exchange() -> Exchange:
    return Exchange(
        port=0,
        connection=1,
        number=0,
        method=b"POST",
        path=b"/",
        headers={},
        started=0,
        request_end=1_000_000,
        first_byte=1_100_000,
        response_end=1_500_000,
        status=200,
    )


def add(tally: Tally, rows: Rows) -> None:
    tally.add_rows(Decoded(rows, DECLARED), exchange(), "http")


def by_matrix(table: list[list[Any]]) -> Inputs:
    return Inputs(rows=len(table), matrix=[value for row in table for value in row])


def by_columns(table: list[list[Any]]) -> Inputs:
    columns = [[row[index] for row in table] for index in range(4)]
    return Inputs(rows=len(table), columns=columns)


def of(*parts: Inputs) -> dict[str, ColumnCounts]:
    """Return all counts of some requests; sums and sketches depend on the order of rows."""
    tally = Tally(CONFIGURATION)
    for inputs in parts:
        add(tally, Rows(inputs=inputs, outputs=[[0.5] * inputs.rows]))
    return {
        name: msgspec.structs.replace(counts, total=0.0, squares=0.0, sketch=b"")
        for name, counts in tally.columns().items()
    }


@given(tables, tables)
def test_rows_count_the_same_in_whatever_form_they_come(
    one: list[list[Any]], two: list[list[Any]]
) -> None:
    expected = of(by_matrix(one + two))
    assert of(by_matrix(one), by_columns(two)) == expected
    assert of(by_columns(one), by_columns(two)) == expected
    assert list(expected) == ["x", "city", "note", "p"]
    assert {counts.rows for counts in expected.values()} == {len(one) + len(two)}


@given(st.lists(st.lists(st.integers(-3, 3), min_size=4, max_size=4), max_size=30))
def test_arrays_count_like_lists(table: list[list[int]]) -> None:
    array = np.array(table, np.int64).ravel()
    halves = [Inputs(rows=len(table), matrix=array)] * 2
    assert of(*halves) == of(by_matrix(table), by_columns(table))
    floats = Inputs(rows=len(table), matrix=array.astype(np.float32))
    assert of(halves[0], floats)["x"] == of(*halves)["x"]


def test_a_column_that_some_requests_lack_is_missing_there() -> None:
    tally = Tally(CONFIGURATION)
    add(tally, Rows(inputs=Inputs(rows=2, columns=[[0.5, 0.5], None, ["a", "b"], None])))
    add(tally, Rows(inputs=Inputs(rows=1, columns=[None, ["Rome"], None, None])))
    found = tally.columns()
    assert [found[name].missing for name in ("x", "city", "note")] == [1, 2, 1]
    assert found["p"].rows == 0, "nobody asked for outputs"


@pytest.mark.parametrize(
    "rows",
    [
        Rows(inputs=Inputs(rows=2, matrix=[1.0] * 7)),
        Rows(inputs=Inputs(rows=1, columns=[[1.0]])),
        Rows(inputs=Inputs(rows=1, columns=[[1.0, 2.0], None, None, None])),
        Rows(inputs=Inputs(rows=1, matrix=[1.0] * 4), outputs=[[1.0], [1.0]]),
    ],
)
def test_a_decoder_at_fault_costs_its_request_and_nothing_else(rows: Rows) -> None:
    tally = Tally(CONFIGURATION)
    add(tally, rows)
    add(tally, Rows(inputs=by_matrix([[0.5, "Rome", "a", 1]]), outputs=[[0.5]]))
    assert tally.columns()["x"].rows == 1
    requests = tally.requests()
    assert requests.undecodable == {"Internal": 1}
    assert (requests.sampled, requests.decoded) == (2, 1)
    assert requests.protocols == {"http/JSON": 1}


def test_rows_are_counted_when_enough_of_them_wait() -> None:
    tally = Tally(CONFIGURATION)
    for _ in range(3 * FLUSH_ROWS):
        add(tally, Rows(inputs=by_matrix([[0.5, "Oslo", "abc", None]]), outputs=[[0.5]]))
    found = tally.columns()
    assert found["x"].cells == [0, 0, 3 * FLUSH_ROWS, 0]
    assert found["city"].novel == {"Oslo": 3 * FLUSH_ROWS}
    assert found["note"].cells == [0, 3 * FLUSH_ROWS, 0]


@given(st.lists(st.text(st.characters(codec="ascii"), min_size=6), min_size=1, max_size=20))
def test_no_text_of_a_caller_is_in_a_pane(texts: list[str]) -> None:
    tally = Tally(configuration_for(*COLUMNS, hashKey="c2VjcmV0IHNlY3JldA=="))
    add(tally, Rows(inputs=by_matrix([[text, text, text, text] for text in texts])))
    encoded = msgspec.msgpack.encode(tally.columns())
    assert not any(text.encode() in encoded for text in texts)
    novel = tally.columns()["city"].novel
    assert sum(novel.values()) == len(texts)
    assert all(name.startswith("#") for name in novel)


def test_a_pane_is_small_whatever_values_come() -> None:
    tally = Tally(configuration_for(*COLUMNS, hashKey="c2VjcmV0IHNlY3JldA=="))
    draw = random.Random(7)
    for _ in range(40):
        names = [f"{draw.getrandbits(64)}" for _ in range(500)]
        table = [[draw.gauss(0.0, 1e9), name, name * 9, name] for name in names]
        add(tally, Rows(inputs=by_matrix(table), outputs=[[draw.random()] * 500]))
    sizes = {name: len(msgspec.msgpack.encode(counts)) for name, counts in tally.columns().items()}
    assert all(size < 2500 for size in sizes.values()), sizes


def test_codes_that_a_server_makes_up_are_counted_together() -> None:
    tally = Tally(configuration_for())
    made_up = exchange()
    for status in range(10**9, 10**9 + 10):
        made_up.status = status
        tally.add_exchange(made_up)
    for status in range(2 * MOST_CODES):
        made_up.status = 200
        made_up.grpc_status = status
        tally.add_exchange(made_up)
    codes = tally.requests().codes
    assert len(codes) <= MOST_CODES + 1
    assert codes["grpc-0"] == 1
    assert codes["other"] > 10
    assert sum(codes.values()) == tally.requests().seen == 10 + 2 * MOST_CODES


def test_text_generation_is_counted_by_what_it_used() -> None:
    tally = Tally(configuration_for())
    assert tally.generation() is None
    nothing = Inputs(rows=1)
    for generation in (
        Generation(
            streamed=True,
            prompt_tokens=10,
            completion_tokens=20,
            finish_reasons=["stop", "a made up word"],
            first_token=1_250_000,
        ),
        Generation(streamed=False, prompt_tokens=5, completion_tokens=None),
        Generation(streamed=False, prompt_tokens=-5, completion_tokens=MOST_TOKENS + 1),
    ):
        add(tally, Rows(inputs=nothing, generation=generation))
    assert tally.generation() == GenerationCounts(
        requests=3,
        streamed=1,
        uncounted=2,
        promptTokens=10,
        completionTokens=20,
        finishReasons={"stop": 1, "other": 1},
    )
    assert list(tally.latency()) == ["FirstToken"]
    assert tally.latency()["FirstToken"].total == pytest.approx(0.25)
