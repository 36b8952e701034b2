"""Values to cells, the same for the wire and for training data."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelmonitor.core.columns import ColumnCounter, category_text, count_cells
from modelmonitor.core.profile import ColumnKind

CATEGORIES = ["UA", "3", "true", "2.5"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("UA", "UA"),
        ("3.0", "3.0"),
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (1e300, "1e+300"),
        (math.inf, "inf"),
        (True, "true"),
        (False, "false"),
        (b"UA", "UA"),
        (b"\xff", "�"),
        (np.int64(7), "7"),
        (np.float32(0.5), "0.5"),
        (np.bool_(True), "true"),
        (np.str_("x"), "x"),
        (None, None),
        (math.nan, None),
    ],
)
def test_every_scalar_has_one_category_text(value: object, text: str | None) -> None:
    assert category_text(value) == text


@pytest.mark.parametrize("value", [[1], {"a": 1}])
def test_structures_are_no_categories(value: object) -> None:
    with pytest.raises(TypeError, match="text, a number or a truth value"):
        category_text(value)


@given(
    values=hnp.arrays(np.float64, st.integers(0, 50), elements=st.floats(allow_nan=False)),
    cuts=st.lists(st.floats(allow_nan=False, allow_infinity=False), unique=True, max_size=6).map(
        sorted
    ),
)
def test_cells_are_open_below_and_closed_above(values: Any, cuts: list[float]) -> None:
    edges = [-math.inf, *cuts, math.inf]
    expected = [
        sum(
            1
            for value in values
            if low < value <= high or (low == -math.inf and value == -math.inf)
        )
        for low, high in itertools.pairwise(edges)
    ]
    assert count_cells(values, cuts).tolist() == expected


@given(values=st.lists(st.none() | st.floats() | st.integers(-5, 5) | st.booleans(), max_size=60))
def test_numbers_are_counted_as_numpy_counts_them(values: list[Any]) -> None:
    counter = ColumnCounter(ColumnKind.NUMERIC, cuts=[-1.0, 0.0, 2.0])
    counter.add(values[:20])
    counter.add(values[20:])
    counts = counter.counts()
    numbers = np.array([math.nan if value is None else float(value) for value in values])
    present = numbers[~np.isnan(numbers)]
    assert counts.rows == len(values)
    assert counts.missing == len(values) - len(present)
    assert counts.infinite == np.isinf(present).sum()
    assert counts.below == (present < -1.0).sum()
    assert counts.above == (present > 2.0).sum()
    assert counts.cells == count_cells(present, [-1.0, 0.0, 2.0]).tolist()
    assert counts.rows == counts.missing + counts.mismatched + sum(counts.cells)
    finite = present[np.isfinite(present)]
    if np.abs(finite).max(initial=0.0) < 1e100:
        assert counts.total == pytest.approx(finite.sum())
        assert counts.squares == pytest.approx(np.square(finite).sum())


def test_one_absurd_number_does_not_spoil_the_sums() -> None:
    counter = ColumnCounter(ColumnKind.NUMERIC, cuts=[0.0])
    counter.add([1.0, 2.0, 1e300, -1e308])
    counts = counter.counts()
    assert counts.cells == [1, 3]
    assert (counts.total, counts.squares, counts.infinite) == (3.0, 5.0, 0)


def test_text_where_a_number_belongs_is_a_mismatch_even_if_it_could_be_read() -> None:
    counter = ColumnCounter(ColumnKind.NUMERIC, cuts=[0.0])
    counter.add([1.0, "1", None, [2.0], 10**400, -(10**400)])
    counts = counter.counts()
    assert (counts.mismatched, counts.missing, counts.infinite) == (2, 1, 2)
    assert counts.cells == [1, 2]


def test_equal_numbers_of_other_types_are_other_categories() -> None:
    counter = ColumnCounter(ColumnKind.CATEGORICAL, categories=["1", "true"])
    counter.add([1, True, 1.0, "1", "true", None, math.nan, [1]])
    counts = counter.counts()
    assert counts.cells == [3, 2, 0]
    assert (counts.missing, counts.mismatched, counts.unknown) == (2, 1, 0)


def test_new_categories_are_the_rest() -> None:
    counter = ColumnCounter(ColumnKind.CATEGORICAL, categories=["UA"])
    counter.add(["UA", "new", "newer"])
    assert counter.counts().cells == [1, 2]
    assert counter.counts().unknown == 2


def test_arrays_and_lists_are_counted_alike() -> None:
    for kind, options in (
        (ColumnKind.NUMERIC, {"cuts": [1.0, 2.0]}),
        (ColumnKind.CATEGORICAL, {"categories": ["1", "2"]}),
    ):
        of_array, of_list = ColumnCounter(kind, **options), ColumnCounter(kind, **options)
        array = np.array([1, 2, 2, 3])
        of_array.add(array)
        of_list.add(array.tolist())
        assert of_array.counts().cells == of_list.counts().cells


def test_text_columns_have_no_cells() -> None:
    counter = ColumnCounter(ColumnKind.TEXT)
    counter.add(["a", None, "b"])
    counter.add_missing(2)
    counts = counter.counts()
    assert (counts.rows, counts.missing, counts.cells, counts.sketch) == (5, 3, [], b"")


@given(
    kind=st.sampled_from([ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.TEXT]),
    values=st.lists(json_values, max_size=20),
)
def test_whatever_json_brings_is_counted_once(kind: ColumnKind, values: list[Any]) -> None:
    counter = ColumnCounter(kind, cuts=[0.0, 1.0], categories=CATEGORIES)
    counter.add(values)
    counts = counter.counts()
    assert counts.rows == len(values)
    if kind is not ColumnKind.TEXT:
        assert counts.missing + counts.mismatched + sum(counts.cells) == len(values)
