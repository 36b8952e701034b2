"""Values to cells, the same for the wire and for training data."""

import itertools
import math
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from datasketches import kll_floats_sketch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.counting.columns import (
    MOST_VALUES,
    ColumnCells,
    ColumnCounter,
    RowCounter,
    category_text,
    count_cells,
)
from modelmonitor.core.counting.novel import hashed
from modelmonitor.core.counting.numeric import SKETCH_K
from modelmonitor.core.statistics.distinct import estimate, merged
from modelmonitor.core.wire.pane import ColumnCounts

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


def test_of_text_only_lengths_and_a_sketch_of_different_ones_are_counted() -> None:
    counter = ColumnCounter(ColumnKind.TEXT, cuts=[1.0, 3.0])
    counter.add(["a", None, "abcd", "\u00e4\u00f6\u00fc", "a", 12, ["no text"]])
    counter.add_missing(2)
    counts = counter.counts()
    assert (counts.rows, counts.missing, counts.mismatched) == (9, 3, 1)
    assert counts.cells == [2, 2, 1]
    assert (counts.below, counts.above, counts.total, counts.squares) == (0, 1, 11.0, 31.0)
    assert estimate(merged([counts.distinct])) == pytest.approx(4, rel=0.01)
    assert kll_floats_sketch.deserialize(counts.sketch).get_max_value() == 4.0
    assert counts.novel == {}


def test_text_without_cuts_has_no_cells() -> None:
    counter = ColumnCounter(ColumnKind.TEXT)
    counter.add(["a", "bc"])
    assert (counter.counts().cells, counter.counts().total) == ([], 3.0)


@given(
    kind=st.sampled_from([ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.TEXT]),
    values=st.lists(json_values, max_size=20),
)
def test_whatever_json_brings_is_counted_once(kind: ColumnKind, values: list[Any]) -> None:
    counter = ColumnCounter(kind, cuts=[0.0, 1.0], categories=CATEGORIES)
    counter.add(values)
    counts = counter.counts()
    assert counts.rows == len(values)
    assert counts.missing + counts.mismatched + sum(counts.cells) == len(values)


CUTS = (-1.0, 0.0, 2.0)
NAMING = hashed(b"key", "column")


def one_by_one(kind: ColumnKind, values: list[Any]) -> ColumnCounts:
    """Return the counts as their definitions say, value by value."""
    numbers: list[float] = []
    cells = [0] * (len(CATEGORIES) + 1)
    novel: Counter[str] = Counter()
    missing = mismatched = empty = 0
    for value in values:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            missing += 1
        elif isinstance(value, list | dict):
            mismatched += 1
        elif kind is ColumnKind.TEXT:
            numbers.append(len(category_text(value) or ""))
            empty += not (category_text(value) or "").strip()
        elif kind is ColumnKind.CATEGORICAL:
            text = category_text(value) or ""
            empty += not text.strip()
            known = text in CATEGORIES
            cells[CATEGORIES.index(text) if known else -1] += 1
            novel.update([] if known else [NAMING(text.encode(errors="replace").decode())])
        elif isinstance(value, str):
            mismatched += 1
        else:
            numbers.append(float(value))
    if kind is not ColumnKind.CATEGORICAL:
        edges = [-math.inf, *CUTS, math.inf]
        cells = [
            sum(low < max(value, -1e308) <= high for value in numbers)
            for low, high in itertools.pairwise(edges)
        ]
    small = [value for value in numbers if abs(value) <= 1e100]
    return ColumnCounts(
        rows=len(values),
        missing=missing,
        mismatched=mismatched,
        infinite=sum(map(math.isinf, numbers)),
        below=sum(value < CUTS[0] for value in numbers),
        above=sum(value > CUTS[-1] for value in numbers),
        unknown=cells[-1] if kind is ColumnKind.CATEGORICAL else 0,
        cells=cells,
        total=math.fsum(small),
        squares=math.fsum(value * value for value in small),
        novel=dict(novel),
        empty=None if kind is ColumnKind.NUMERIC else empty,
    )


@given(
    kinds=st.lists(
        st.sampled_from([ColumnKind.NUMERIC, ColumnKind.CATEGORICAL, ColumnKind.TEXT]),
        min_size=1,
        max_size=4,
    ),
    data=st.data(),
)
def test_many_rows_at_once_give_the_counts_of_each_value_by_itself(
    kinds: list[ColumnKind], data: st.DataObject
) -> None:
    width = len(kinds)
    values = st.lists(json_values, min_size=width, max_size=width)
    batches = data.draw(st.lists(st.lists(values, max_size=12), max_size=3))
    counter = RowCounter(
        [ColumnCells(kind=kind, cuts=CUTS, categories=CATEGORIES, naming=NAMING) for kind in kinds]
    )
    for rows in batches:
        counter.add_matrix([value for row in rows for value in row])
    for index, kind in enumerate(kinds):
        counts = counter.counts(index)
        expected = one_by_one(kind, [row[index] for rows in batches for row in rows])
        # Sums of large numbers that cancel out are as exact as their parts.
        scale = 1e-9 * math.sqrt(len(batches) * 12 * expected.squares)
        assert counts.total == pytest.approx(expected.total, abs=scale)
        assert counts.squares == pytest.approx(expected.squares)
        exact = msgspec.structs.replace(
            counts,
            total=expected.total,
            squares=expected.squares,
            sketch=b"",
            distinct=b"",
        )
        assert exact == expected


@given(
    rows=st.lists(st.lists(st.floats(), min_size=3, max_size=3), min_size=1, max_size=40),
)
def test_columns_counted_together_are_counted_as_each_alone(rows: list[list[float]]) -> None:
    together = RowCounter([ColumnCells(kind=ColumnKind.NUMERIC, cuts=CUTS)] * 3)
    together.add_matrix(np.array(rows).ravel())
    for index in range(3):
        alone = ColumnCounter(ColumnKind.NUMERIC, cuts=CUTS)
        alone.add([row[index] for row in rows])
        assert together.counts(index) == alone.counts()


def test_integers_beyond_floats_stay_different_categories() -> None:
    large = 2**53
    for values in ([large, large + 1], np.array([large, large + 1])):
        counter = RowCounter(
            [ColumnCells(kind=ColumnKind.CATEGORICAL, categories=[str(large), str(large + 1)])]
        )
        counter.add_matrix(values)
        assert counter.counts(0).cells == [1, 1, 0]


def test_rows_without_a_column_miss_it() -> None:
    counter = RowCounter([ColumnCells(kind=kind, cuts=CUTS) for kind in ColumnKind])
    counter.add([[1.0], ["a"], ["abc"], []], 3)
    kinds = list(ColumnKind)
    assert [counter.counts(index).missing for index in range(4)] == [2, 2, 2, 0]
    assert counter.counts(kinds.index(ColumnKind.IGNORED)) == ColumnCounts()


def test_no_rows_and_no_columns_are_nothing() -> None:
    for columns in ([], [ColumnCells(kind=ColumnKind.NUMERIC)]):
        counter = RowCounter(columns)
        counter.add_matrix([])
        counter.add_matrix(np.zeros(0))
        counter.add([[] for _ in columns], 0)
        assert counter.counts(5) == ColumnCounts()


def test_very_many_rows_are_counted_part_by_part() -> None:
    rows = MOST_VALUES // 2 + 3
    cells = [ColumnCells(kind=ColumnKind.NUMERIC, cuts=[0.5]), ColumnCells(kind=ColumnKind.TEXT)]
    matrix, columns = RowCounter(cells), RowCounter(cells)
    matrix.add_matrix([0, "a"] * (2 * rows))
    columns.add([np.zeros(2 * rows), ["a"] * rows], 2 * rows)
    assert matrix.counts(0) == columns.counts(0)
    assert matrix.counts(0).cells == [2 * rows, 0]
    assert (matrix.counts(1).rows, matrix.counts(1).missing) == (2 * rows, 0)
    assert (columns.counts(1).rows, columns.counts(1).missing) == (2 * rows, rows)


def test_a_sketch_of_sorted_batches_is_as_good_as_any() -> None:
    draw = np.random.default_rng(7)
    numbers = draw.normal(size=(60, 512))
    counter = RowCounter([ColumnCells(kind=ColumnKind.NUMERIC)])
    for batch in numbers:
        counter.add([batch], batch.size)
    sketch = kll_floats_sketch.deserialize(counter.counts(0).sketch)
    assert (sketch.k, sketch.n) == (SKETCH_K, numbers.size)
    error = kll_floats_sketch.get_normalized_rank_error(SKETCH_K, as_pmf=False)
    for share in (0.01, 0.25, 0.5, 0.75, 0.99):
        at = float(np.quantile(numbers, share))
        assert sketch.get_rank(at) == pytest.approx(share, abs=1.5 * error)
