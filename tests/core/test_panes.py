"""Panes add up: the order of replicas and of time does not matter."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.panes import (
    NOTHING,
    ColumnTotals,
    MixedPanesError,
    Traffic,
    columns_of,
    is_sound,
    sum_columns,
    sum_traffic,
    traffic_of,
)
from modelmonitor.core.wire.pane import ColumnCounts, LatencyCounts, Pane, RequestCounts
from tests.core.monitoring import pane, requests, steady

LARGE = 10**12


def some_pane(seed: int) -> Pane:
    """Return a pane with everything that adds up, made from a number."""
    draw = random.Random(seed)

    def count() -> int:
        return draw.randrange(LARGE)

    def counts(keys: list[str]) -> dict[str, int]:
        return {key: count() for key in keys if draw.random() < 0.7}

    def column() -> ColumnCounts:
        return ColumnCounts(
            rows=count(),
            missing=count(),
            below=count(),
            above=count(),
            unknown=count(),
            cells=[count() for _ in range(3)],
        )

    buckets = {draw.randrange(-50, 50): count() for _ in range(4)}
    return pane(
        draw.randrange(1000),
        columns={name: column() for name in "abc" if draw.random() < 0.7},
        requests=RequestCounts(
            seen=count(),
            sampled=count(),
            codes=counts(["200", "404", "none"]),
            undecodable=counts(["shape", "json"]),
        ),
        latency={"Response": LatencyCounts(buckets=buckets, count=count())},
    )


PANES = st.integers(0, 10**6).map(some_pane)


def same(left: dict[str, ColumnTotals], right: dict[str, ColumnTotals]) -> bool:
    return left.keys() == right.keys() and all(
        np.array_equal(left[name].cells, right[name].cells)
        and left[name].rows == right[name].rows
        and left[name].missing == right[name].missing
        and left[name].unknown == right[name].unknown
        and (left[name].below, left[name].above) == (right[name].below, right[name].above)
        for name in left
    )


@steady
@given(st.lists(PANES, max_size=5), st.integers(0, 1000))
def test_order_does_not_matter(panes: list[Pane], seed: int) -> None:
    shuffled = random.Random(seed).sample(panes, len(panes))
    assert traffic_of(panes) == traffic_of(shuffled)
    assert same(columns_of(panes), columns_of(shuffled))


@steady
@given(PANES, PANES, PANES)
def test_grouping_does_not_matter(one: Pane, two: Pane, three: Pane) -> None:
    a, b, c = (traffic_of([each]) for each in (one, two, three))
    assert (a + b) + c == a + (b + c) == traffic_of([one, two, three])
    x, y, z = (columns_of([each]) for each in (one, two, three))
    grouped = sum_columns([sum_columns([x, y]), z])
    assert same(grouped, columns_of([one, two, three]))


@steady
@given(PANES)
def test_nothing_changes_nothing(one: Pane) -> None:
    assert traffic_of([one]) + NOTHING == traffic_of([one])
    assert sum_traffic([]) == NOTHING
    assert traffic_of([]) == Traffic()


def test_counts_are_exact_far_beyond_what_floats_hold() -> None:
    large = ColumnCounts(rows=1, cells=[2**53 + 1, 0])
    total = columns_of([pane(0, columns={"x": large}), pane(1, columns={"x": large})])["x"]
    assert total.cells.tolist() == [2**54 + 2, 0]
    assert total.cells.dtype == np.int64


def test_columns_of_two_baselines_are_refused() -> None:
    with pytest.raises(MixedPanesError, match="2 revisions or baselines"):
        columns_of([pane(0, baselineDigest="a"), pane(1, baselineDigest="b")])


def test_columns_of_two_revisions_are_refused() -> None:
    with pytest.raises(MixedPanesError, match="2 revisions or baselines"):
        columns_of([pane(0, revision="a"), pane(1, revision="b")])


def test_columns_with_other_cells_are_refused() -> None:
    three = ColumnTotals(cells=np.zeros(3, np.int64))
    with pytest.raises(MixedPanesError, match=r"\[2, 3\] cells"):
        three + ColumnTotals(cells=np.zeros(2, np.int64))


def test_a_column_without_values_adds_to_any_cells() -> None:
    nothing = ColumnTotals(rows=4, missing=4, cells=np.zeros(0, np.int64))
    total = nothing + ColumnTotals(rows=3, cells=np.array([1, 2]))
    assert (total.rows, total.missing, total.cells.tolist()) == (7, 4, [1, 2])


def test_traffic_of_all_revisions_adds_up() -> None:
    assert traffic_of([pane(0), pane(1, revision="two")]).seen == 20


@pytest.mark.parametrize(
    ("classes", "errors"),
    [(["5xx"], 5), (["5xx", "429"], 9), (["500"], 4), (["4xx"], 7), ([], 2)],
)
def test_errors_are_the_declared_codes_and_requests_without_response(
    classes: list[str], errors: int
) -> None:
    codes = {"200": 90, "404": 1, "429": 4, "500": 2, "503": 1, "none": 2}
    assert traffic_of([pane(0, requests=requests(100, codes=codes))]).errors(classes) == errors


@steady
@given(PANES)
def test_what_collectors_count_is_sound(one: Pane) -> None:
    assert is_sound(one)


@pytest.mark.parametrize(
    "fields",
    [
        {"forwardedBytes": -1},
        {"requests": RequestCounts(seen=2**60)},
        {"requests": RequestCounts(codes={"200": -5})},
        {"latency": {"Response": LatencyCounts(buckets={10**9: 1}, count=1)}},
        {"latency": {"Response": LatencyCounts(buckets={1: 1}, count=1, total=float("nan"))}},
        {"columns": {"x": ColumnCounts(cells=[1, 2**63])}},
        {"columns": {"x": ColumnCounts(missing=-1)}},
        {"columns": {"x": ColumnCounts(total=float("inf"))}},
        {"observerGapSeconds": float("nan")},
        {"end": 0.0},
    ],
)
def test_numbers_that_counting_cannot_give_are_not_sound(fields: dict[str, Any]) -> None:
    assert not is_sound(pane(0, **fields))
