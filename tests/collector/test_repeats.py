"""What is noticed of values that come again: nothing but keyed hashes leaves, whatever comes."""

import json
import string
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.observer.names import NameTally
from modelmonitor.collector.observer.repeats import (
    AlikeWatcher,
    DistinctWatcher,
    DuplicateWatcher,
    repeat_watchers,
)
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.collector.observer.watching import input_watchers
from modelmonitor.collector.protocols.base import (
    MOST_UNEXPECTED,
    Call,
    Decoder,
    Inputs,
    Rows,
    Schema,
)
from modelmonitor.collector.protocols.generic import GenericDecoder
from modelmonitor.collector.protocols.kserve_v1 import KServeV1Decoder
from modelmonitor.collector.protocols.mlflow import MLflowDecoder
from modelmonitor.collector.protocols.openinference import OpenInferenceDecoder
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole, OutputLocator
from modelmonitor.core.statistics.distinct import FINE, estimate, merged, relative_error
from modelmonitor.core.wire.configuration import (
    CollectorConfiguration,
    ColumnConfiguration,
    RowChecks,
)
from modelmonitor.core.wire.pane import ROWS
from tests.core.monitoring import steady

KEY = b"k" * 32


def distinct(watcher: DistinctWatcher | DuplicateWatcher, name: str = "x") -> tuple[int, float]:
    counts = watcher.parts()["distinct"][name]
    return counts.values, estimate(merged([counts.sketch], FINE))


@pytest.mark.parametrize(
    ("batches", "values", "different"),
    [
        ([["a", "b", "a"], ["b", None]], 4, 2),
        ([[1, 1.0, True, "1", None, float("nan")]], 4, 2),  # 1 is 1.0 and "1", but not true
        ([[[1], {"a": 2}, "x"]], 1, 1),
        ([[]], 0, 0),
    ],
)
def test_different_values_are_counted(batches: list[Any], values: int, different: int) -> None:
    watcher = DistinctWatcher("x", 0, ColumnKind.CATEGORICAL, KEY)
    for batch in batches:
        watcher.add([batch], len(batch))
    counted, found = distinct(watcher)
    assert counted == values
    assert found == pytest.approx(different, abs=0.01)


@pytest.mark.parametrize(
    ("batches", "values", "different"),
    [
        ([np.array([1.0, 2.0, 2.0, np.nan]), [2, None, "2"]], 4, 2),
        ([[0.0, -0.0, True, 1]], 4, 2),
        ([[float("inf"), 10**400]], 2, 1),
        ([[]], 0, 0),
    ],
)
def test_different_numbers_are_counted(batches: list[Any], values: int, different: int) -> None:
    watcher = DistinctWatcher("x", 0, ColumnKind.NUMERIC, KEY)
    for batch in batches:
        watcher.add([batch], len(batch))
    counted, found = distinct(watcher)
    assert counted == values
    assert found == pytest.approx(different, abs=0.01)


@pytest.mark.parametrize("size", [10, 1000, 30_000])
@pytest.mark.parametrize("numbers", ["close together", "whole", "far apart"])
def test_any_numbers_are_told_apart(size: int, numbers: str) -> None:
    values = {
        "close together": 1 + np.arange(size) * 2.0**-40,
        "whole": np.arange(size, dtype=np.float64),
        "far apart": np.random.default_rng(0).normal(size=size),
    }[numbers]
    watcher = DistinctWatcher("x", 0, ColumnKind.NUMERIC, KEY)
    watcher.add([values], size)
    assert distinct(watcher)[1] == pytest.approx(size, rel=4 * relative_error(size, FINE))


def test_with_another_key_numbers_are_others() -> None:
    sketches = set()
    for key in (KEY, b"another", b""):
        watcher = DistinctWatcher("x", 0, ColumnKind.NUMERIC, key)
        watcher.add([[1.0, 2.0, 3.0]], 3)
        sketches.add(watcher.parts()["distinct"]["x"].sketch)
    assert len(sketches) == 3


@pytest.mark.parametrize(
    ("batches", "alike"),
    [
        ([[7, 7.0, None]], True),
        ([np.array([7.0, np.nan, 7.0]), [7]], True),
        ([[7], [8]], False),
        ([["a", "b"]], False),
        ([[None, float("nan")]], False),
        ([[]], False),
    ],
)
def test_one_value_only_is_noticed(batches: list[Any], alike: bool) -> None:
    watcher = AlikeWatcher("x", 0, KEY)
    for batch in batches:
        watcher.add([batch], len(batch))
    assert ("x" in watcher.parts()["alike"]) == alike


def test_equal_values_have_equal_names_in_every_replica_and_are_not_told() -> None:
    one, two, other = (
        AlikeWatcher("x", 0, KEY),
        AlikeWatcher("x", 0, KEY),
        AlikeWatcher("x", 0, b""),
    )
    for each in (one, two, other):
        each.add([["secret"]], 1)
    assert one.parts() == two.parts() != other.parts()
    assert "secret" not in str(one.parts())


@pytest.mark.parametrize(
    ("columns", "rows", "different"),
    [
        ([[1, 2, 1], ["a", "b", "a"]], 3, 2),
        ([[1, 2, 1], ["a", "b", "c"]], 3, 3),
        ([[1, 1], []], 2, 1),
        ([np.array([1.0, 1.0]), [2.0, 2.0]], 2, 1),
        ([[2**80, 2**80 + 1]], 2, 2),
        ([[np.zeros((200, 200)), np.ones((200, 200)), np.zeros((200, 200))]], 3, 2),
        ([[{"a": [1]}, {"a": [2]}]], 2, 2),
    ],
)
def test_different_rows_are_counted(columns: list[Any], rows: int, different: int) -> None:
    watcher = DuplicateWatcher(KEY)
    watcher.add(columns, rows)
    counted, found = distinct(watcher, ROWS)
    assert counted == rows
    assert found == pytest.approx(different, abs=0.01)


def test_an_array_and_a_list_hold_the_same_rows() -> None:
    watcher = DuplicateWatcher(KEY)
    matrix = np.random.default_rng(0).normal(size=(200, 3))
    watcher.add(list(matrix.T), 200)
    watcher.add([column.tolist() for column in matrix.T], 200)
    assert distinct(watcher, ROWS)[1] == pytest.approx(200, rel=0.05)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(values=st.lists(json_values, max_size=20))
@steady
def test_whatever_json_brings_is_watched(values: list[Any]) -> None:
    for watcher in (
        DistinctWatcher("x", 0, ColumnKind.CATEGORICAL, KEY),
        AlikeWatcher("x", 0, KEY),
        DuplicateWatcher(KEY),
    ):
        watcher.add([values], len(values))
        assert watcher.parts()


def test_nobody_watches_what_nobody_asked_for() -> None:
    configuration = CollectorConfiguration(monitorUID="uid", interval=60)
    assert input_watchers(configuration) == []
    asked = RowChecks(distinct=["a"], alike=["b", "gone"], duplicates=True)
    configuration = CollectorConfiguration(
        monitorUID="uid",
        interval=60,
        columns=[
            ColumnConfiguration(name=name, kind=ColumnKind.NUMERIC, role=ColumnRole.INPUT)
            for name in "ab"
        ],
        checks=asked,
    )
    assert len(input_watchers(configuration)) == 3
    assert repeat_watchers(configuration, ["c"]) == []


def test_inputs_and_outputs_are_told_of_in_the_same_field() -> None:
    columns = [
        ColumnConfiguration(name="x", kind=ColumnKind.NUMERIC, role=ColumnRole.INPUT),
        ColumnConfiguration(
            name="y", kind=ColumnKind.CATEGORICAL, role=ColumnRole.LABEL, locator=OutputLocator()
        ),
    ]
    checks = RowChecks(distinct=["x", "y"], alike=["x", "y"], duplicates=True, names=True)
    buffer = RowBuffer(
        CollectorConfiguration(monitorUID="uid", interval=60, columns=columns, checks=checks)
    )
    buffer.add(Rows(inputs=Inputs(rows=2, columns=[[1.0, 2.0]]), outputs=[["a", "a"]]), 10)
    parts = buffer.parts()
    assert set(parts["distinct"]) == {"x", "y", ROWS}
    assert set(parts["alike"]) == {"y"}
    assert parts["names"].requests == 0


@pytest.mark.parametrize(
    ("requests", "told"),
    [
        ([["a"]], {}),
        ([["a"], ["a"]], {"a": 2}),
        ([["a"], ["a"], [], []], {"a": 2}),
        ([["a"], ["a"], [], [], []], {}),
        ([["a", "b"], ["a"], ["a"]], {"a": 3}),
        ([["\x00" + "n" * 200]] * 2, {"�" + "n" * 63: 2}),
    ],
)
def test_names_are_told_if_half_of_the_requests_have_them(
    requests: list[list[str]], told: dict[str, int]
) -> None:
    tally = NameTally()
    for names in requests:
        tally.add(names)
    names = tally.parts()["names"]
    assert names.requests == len(requests)
    assert names.unexpected == told


def test_names_that_are_users_ids_are_not_told() -> None:
    tally = NameTally()
    for number in range(5000):
        tally.add(["height", *(f"user-{number}-{place}" for place in range(MOST_UNEXPECTED - 1))])
    assert set(tally.parts()["names"].unexpected) == {"height"}


SCHEMA = Schema(inputs=("a", "b"), outputs=(), names=frozenset({"a", "b"}))
SILENT = Schema(inputs=("a", "b"), outputs=())
CSV = {b"content-type": b"text/csv"}


def call(body: Any, headers: dict[bytes, bytes] | None = None) -> Call:
    request = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call(
        path=b"/", request_headers=headers or {}, request=request, response_headers={}, response=b""
    )


def tensor(name: str, *shape: int) -> dict[str, Any]:
    size = int(np.prod(shape))
    return {"name": name, "shape": list(shape), "datatype": "FP64", "data": [1.0] * size}


@pytest.mark.parametrize(
    ("decoder", "sent", "found"),
    [
        (GenericDecoder(), call([{"a": 1, "b": 2, "c": 3}]), ["c"]),
        (GenericDecoder(), call({"a": 1, "b": 2, "c": 3}), ["c"]),
        (GenericDecoder(), call([[1, 2]]), None),
        (KServeV1Decoder(), call({"instances": [{"a": 1, "b": 2}]}), []),
        (KServeV1Decoder(), call({"inputs": {"a": [1], "c": [2]}}), ["c"]),
        (
            MLflowDecoder(),
            call({"dataframe_split": {"columns": ["a", "c"], "data": [[1, 2]]}}),
            ["c"],
        ),
        (MLflowDecoder(), call(b"a,b,c\n1,2,3\n", CSV), ["c"]),
        (OpenInferenceDecoder(), call({"inputs": [tensor("a", 1), tensor("c", 1)]}), ["c"]),
        (OpenInferenceDecoder(), call({"inputs": [tensor("input-0", 1, 2)]}), None),
    ],
)
def test_decoders_name_what_the_schema_does_not_have(
    decoder: Decoder, sent: Call, found: list[str] | None
) -> None:
    assert decoder.decode(sent, SCHEMA).inputs.unexpected == found
    assert decoder.decode(sent, SILENT).inputs.unexpected is None


def test_an_object_of_thousands_of_keys_is_not_read_whole() -> None:
    record = {"a": 1, "b": 2} | {
        f"{letter}{number}": 0 for letter in string.ascii_letters for number in range(99)
    }
    found = GenericDecoder().decode(call([record]), SCHEMA).inputs.unexpected
    assert found is not None
    assert len(found) == MOST_UNEXPECTED
