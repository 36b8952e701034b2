"""The same rows decode equal, however they were sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.protocols.base import Schema
from tests.collector.layouts import (
    LAYOUTS,
    MATRICES,
    OUTPUTS,
    Layout,
    columns,
    decoded,
    grpc_stream,
    labels,
    lists,
    probabilities,
)

NAMES = ("temp", "wind", "carrier")
SCHEMA = Schema(inputs=NAMES, outputs=OUTPUTS)

numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12)
texts = st.text(alphabet="abcdefghijÄé-", min_size=1, max_size=6)
tables = st.lists(st.tuples(numbers, numbers, texts), min_size=1, max_size=8)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@given(rows=tables)
def test_the_same_rows_decode_equal_in_every_layout(
    layout: Layout, rows: list[tuple[float, float, str]]
) -> None:
    found = decoded(layout(NAMES, rows), SCHEMA)
    assert found.inputs.rows == len(rows)
    assert columns(found, SCHEMA) == [list(column) for column in zip(*rows, strict=True)]
    late = [both[1] for both in probabilities(len(rows))]
    assert lists(found.outputs) == [labels(len(rows)), late]


@pytest.mark.parametrize("layout", MATRICES, ids=lambda layout: layout.__name__)
@given(rows=st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=30))
def test_numbers_may_come_as_one_raw_tensor(
    layout: Layout, rows: list[tuple[float, float, float]]
) -> None:
    found = decoded(layout(NAMES, rows), SCHEMA)
    assert found.inputs.matrix is not None
    assert columns(found, SCHEMA) == [list(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("wrapped", [True, False])
@given(rows=tables)
def test_the_messages_of_a_stream_are_one_after_the_other(
    wrapped: bool, rows: list[tuple[float, float, str]]
) -> None:
    found = decoded(grpc_stream(NAMES, rows, wrapped=wrapped), SCHEMA)
    assert found.inputs.rows == len(rows)
    assert columns(found, SCHEMA) == [list(column) for column in zip(*rows, strict=True)]
    assert lists(found.outputs) == [[0] * len(rows), [0.5] * len(rows)]
