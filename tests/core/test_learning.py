"""Learning cut points from counts in cells: three rounds find the quantiles of anything."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.learned import LearnedBaseline
from modelmonitor.core.baseline.learning import (
    EDGES,
    MOST_CATEGORIES,
    ROUNDS,
    first_skeleton,
    last_cuts,
    next_skeleton,
    refined_cuts,
    rows_of_round,
    schema_of,
    settled,
)
from modelmonitor.core.baseline.profile import MAX_CUTS, ColumnProfile, ColumnRole, Profile, digest
from modelmonitor.core.counting.columns import count_cells
from modelmonitor.core.pane.history import MOST_CELLS, ColumnHour, Hour, Origin
from tests.core.monitoring import steady

Floats = NDArray[np.float64]
RNG = np.random.default_rng(12)
STREAMS = {
    "around zero": RNG.normal(0, 1, 20_000),
    "narrow and far from zero": RNG.normal(290, 0.5, 20_000),
    "times of two weeks": 1.75e9 + RNG.uniform(0, 14 * 86_400, 20_000),
    "heavy tails": RNG.standard_cauchy(20_000),
    "tiny": RNG.exponential(1e-6, 20_000),
    "negative": -RNG.lognormal(3, 2, 20_000),
}


def declared(*columns: str, kind: str = "Numeric", **more: object) -> LearnedBaseline:
    inputs = [{"name": name, "kind": kind} for name in columns]
    return LearnedBaseline.model_validate({"inputs": inputs, **more})


def hour(profile: Profile, **columns: ColumnHour) -> Hour:
    origin = Origin(revision="r", digest=digest(profile), interval=60.0, columns=columns)
    return Hour(start=0.0, origins=[origin])


def rounds(learned: LearnedBaseline, values: Floats) -> ColumnProfile:
    """Return the column after all rounds, each of which sees other rows of the stream."""
    profile = first_skeleton(learned)
    for stage, rows in enumerate(np.array_split(values, ROUNDS), 1):
        cells = count_cells(rows, profile.columns[0].cuts).tolist()
        seen = hour(profile, x=ColumnHour(rows=rows.size, cells=cells))
        profile = next_skeleton(learned, profile, digest(profile), [seen], stage)
    return profile.columns[0]


@pytest.mark.parametrize("stream", STREAMS)
def test_rows_are_spread_evenly_over_the_cells_that_are_found(stream: str) -> None:
    values = RNG.permutation(STREAMS[stream])
    cuts = rounds(declared("x"), values).cuts
    assert len(cuts) == EDGES + 2
    shares = count_cells(values, cuts)[1:-1] / values.size
    assert shares.sum() > 0.99
    assert np.all(np.abs(shares - 1 / (EDGES + 1)) < 0.02)


def test_a_value_that_half_of_the_rows_have_gets_a_cell_of_its_own() -> None:
    values = RNG.permutation(np.concatenate([np.zeros(10_000), RNG.uniform(1, 2, 10_000)]))
    cuts = rounds(declared("x"), values).cuts
    cells = count_cells(values, cuts)
    assert cells.max() == 10_000
    assert np.all(cells[1:-1] > 0)


def test_whole_numbers_are_told_apart() -> None:
    values = RNG.integers(0, 5, 20_000).astype(np.float64)
    cells = count_cells(values, rounds(declared("x"), values).cuts)
    assert sorted(cells[cells > 0]) == sorted(np.bincount(values.astype(int)))


counts = st.lists(st.integers(0, 1000), min_size=6, max_size=6).filter(any)


@steady
@given(counts, st.integers(2, 30))
def test_cut_points_increase_are_few_and_leave_nothing_outside(cells: list[int], size: int) -> None:
    cuts = np.array([-3.0, -1.0, 0.0, 2.0, 50.0])
    ends = np.array([-3.0, *cuts, 50.0])
    held = np.flatnonzero(cells)
    for choose in (refined_cuts, last_cuts):
        found = np.array(choose(cuts, np.array(cells, np.float64), size))
        assert len(found) <= size
        assert np.all(np.diff(found) > 0)
        assert found[0] == ends[held[0]]
        assert found[-1] == ends[held[-1] + 1]


def test_a_column_without_values_keeps_its_cells() -> None:
    learned = declared("x")
    profile = first_skeleton(learned)
    assert next_skeleton(learned, profile, digest(profile), [], 1) == profile


def test_many_columns_have_fewer_cells_so_that_the_history_stays_small() -> None:
    for number in (1, 20, 256):
        profile = first_skeleton(declared(*(f"c{index}" for index in range(number))))
        assert sum(len(column.cells) for column in profile.columns) <= MOST_CELLS
        assert all(len(column.cuts) <= MAX_CUTS for column in profile.columns)


def test_categories_are_those_that_were_named_most_frequent_first() -> None:
    learned = declared("colour", kind="Categorical")
    profile = first_skeleton(learned)
    first = ColumnHour(rows=60, cells=[60], novel={"red": 40, "green": 20})
    profile = next_skeleton(learned, profile, digest(profile), [hour(profile, colour=first)], 1)
    assert profile.columns[0].categories == ["red", "green"]
    second = ColumnHour(rows=99, cells=[10, 50, 39], novel={"blue": 30, "x" * 64: 9})
    profile = next_skeleton(learned, profile, digest(profile), [hour(profile, colour=second)], 2)
    assert profile.columns[0].categories == ["green", "blue", "red"]
    assert profile.columns[0].cells == [0, 0, 0, 0]


def test_categories_are_bounded() -> None:
    learned = declared("id", kind="Categorical")
    profile = first_skeleton(learned)
    many = ColumnHour(rows=1, cells=[1], novel={f"v{number}": 1 for number in range(300)})
    found = next_skeleton(learned, profile, digest(profile), [hour(profile, id=many)], 1)
    assert len(found.columns[0].categories) == MOST_CATEGORIES


@pytest.mark.parametrize(("rest", "complete"), [(0, True), (1, False)])
def test_a_new_value_is_one_only_where_every_value_was_listed(rest: int, complete: bool) -> None:
    profile = first_skeleton(declared("colour", kind="Categorical"))
    (column,) = profile.columns
    counted = ColumnProfile(
        name=column.name, kind=column.kind, role=column.role, categories=["a"], cells=[5, rest]
    )
    found = settled(Profile(rows=5, columns=[counted]))
    assert found.columns[0].complete is complete


def test_inputs_come_in_serving_order_and_the_label_before_the_score() -> None:
    outputs = [
        {"name": "p", "kind": "Numeric", "role": "Score", "output": "proba", "index": 1},
        {"name": "y", "kind": "Categorical", "role": "Label"},
    ]
    profile = first_skeleton(declared("b", "a", outputs=outputs))
    assert [column.name for column in profile.columns] == ["b", "a", "y", "p"]
    assert [column.role for column in profile.outputs] == [ColumnRole.LABEL, ColumnRole.SCORE]
    locator = profile.columns[3].locator
    assert locator is not None
    assert (locator.output, locator.index) == ("proba", 1)


def test_only_what_the_cells_depend_on_makes_another_schema() -> None:
    assert schema_of(declared("x")) == schema_of(declared("x", minRows=9000, period="48h"))
    assert schema_of(declared("x")) != schema_of(declared("y"))
    assert rows_of_round(declared("x", minRows=8000)) == 1000
