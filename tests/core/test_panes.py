"""Panes add up: the order of replicas and of time does not matter."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, ColumnRole
from modelmonitor.core.pane.panes import (
    MOST_NOVEL,
    NOTHING,
    ColumnTotals,
    MixedPanesError,
    Traffic,
    columns_of,
    in_cells_of,
    sum_columns,
    sum_traffic,
    traffic_of,
    without_details,
)
from modelmonitor.core.pane.soundness import is_sound
from modelmonitor.core.wire.pane import (
    ColumnCounts,
    DistinctCounts,
    GenerationCounts,
    LatencyCounts,
    MarkCounts,
    NameCounts,
    Pane,
    RequestCounts,
)
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
            novel=counts(["#1", "#2", "#3"]),
        )

    buckets = {draw.randrange(-50, 50): count() for _ in range(4)}
    return pane(
        draw.randrange(1000),
        columns={name: column() for name in "abc" if draw.random() < 0.7},
        requests=RequestCounts(
            seen=count(),
            sampled=count(),
            codes=counts(["200", "404", "grpc-14", "none"]),
            undecodable=counts(["shape", "json"]),
            protocols=counts(["http/JSON", "http/OpenAI"]),
        ),
        latency={
            kind: LatencyCounts(buckets=buckets, count=count())
            for kind in ("Response", "FirstByte", "FirstToken")
            if draw.random() < 0.7
        },
        generation=draw.choice(
            [
                None,
                GenerationCounts(
                    requests=count(),
                    streamed=count(),
                    uncounted=count(),
                    promptTokens=count(),
                    completionTokens=count(),
                    finishReasons=counts(["stop", "length"]),
                ),
            ]
        ),
    )


PANES = st.integers(0, 10**6).map(some_pane)


def same(left: dict[str, ColumnTotals], right: dict[str, ColumnTotals]) -> bool:
    return left.keys() == right.keys() and all(
        np.array_equal(left[name].cells, right[name].cells)
        and left[name].rows == right[name].rows
        and left[name].missing == right[name].missing
        and left[name].unknown == right[name].unknown
        and left[name].novel == right[name].novel
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


def test_new_values_are_added_up_exactly_until_there_are_very_many() -> None:
    def column(names: range) -> ColumnTotals:
        novel = {f"#{name}": name + 1 for name in names}
        return ColumnTotals(cells=np.zeros(1, np.int64), novel=novel)

    few = column(range(100)) + column(range(50, 150))
    assert len(few.novel) == 150
    assert few.novel["#99"] == 200
    many = column(range(MOST_NOVEL)) + column(range(MOST_NOVEL, MOST_NOVEL + 10))
    assert len(many.novel) == MOST_NOVEL
    assert min(many.novel.values()) == 11


def test_what_windows_do_not_need_is_left_out() -> None:
    novel = {f"#{number}": number for number in range(20)}
    full = ColumnCounts(rows=9, cells=[9], sketch=b"KLL", distinct=b"HLL", novel=novel)
    kept = without_details(full)
    assert (kept.rows, kept.cells, kept.sketch, kept.distinct) == (9, [9], b"", b"")
    assert sorted(kept.novel.values()) == list(range(12, 20))
    assert without_details(kept) is kept


def test_totals_are_put_into_the_cells_of_the_profile() -> None:
    column = ColumnProfile(
        name="note", kind=ColumnKind.TEXT, role=ColumnRole.INPUT, cuts=[1.0], cells=[1, 1]
    )
    assert in_cells_of(column, None).cells.tolist() == [0, 0]
    silent = ColumnTotals(rows=3, cells=np.zeros(0, np.int64))
    assert in_cells_of(column, silent).cells.tolist() == [0, 0]
    assert in_cells_of(column, silent).rows == 3
    counted = ColumnTotals(rows=3, cells=np.array([1, 2]))
    assert in_cells_of(column, counted) is counted


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


@pytest.mark.parametrize(
    ("classes", "errors"),
    [(["5xx"], 31), (["4xx"], 12), (["503"], 17), (["429"], 9), (["404", "501"], 1)],
)
def test_grpc_codes_count_as_the_http_codes_that_they_are_mapped_to(
    classes: list[str], errors: int
) -> None:
    codes = {"grpc-0": 90, "grpc-14": 16, "grpc-5": 0, "grpc-8": 8, "grpc-1": 3, "grpc-13": 2}
    codes |= {"grpc-99": 4, "grpc-x": 8, "none": 1}
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
        {"columns": {"x": ColumnCounts(novel={"a" * 65: 1})}},
        {"columns": {"x": ColumnCounts(novel={"a\nb": 1})}},
        {"columns": {"x": ColumnCounts(novel={"a": -1})}},
        {"columns": {"x": ColumnCounts(novel={str(name): 1 for name in range(33)})}},
        {"columns": {"x": ColumnCounts(distinct=bytes(10**6))}},
        {"columns": {"x": ColumnCounts(total=1e308)}},
        {"columns": {"x": ColumnCounts(empty=-1)}},
        {"columns": {"x": ColumnCounts(cells=[5], marks=[MarkCounts(value=1.0, below=6)])}},
        {"columns": {"x": ColumnCounts(cells=[5], marks=[MarkCounts(value=float("nan"))])}},
        {"columns": {"x": ColumnCounts(marks=[MarkCounts(value=float(n)) for n in range(129)])}},
        {"distinct": {"x": DistinctCounts(values=-1)}},
        {"distinct": {"x": DistinctCounts(sketch=bytes(10**6))}},
        {"distinct": {"x" * 129: DistinctCounts()}},
        {"alike": {"x": "#" * 129}},
        {"alike": {str(name): "#" for name in range(513)}},
        {"names": NameCounts(requests=-1)},
        {"names": NameCounts(unexpected={"a\nb": 1})},
        {"requests": RequestCounts(protocols={"http/JSON": 2**60})},
        {"requests": RequestCounts(protocols={"x" * 65: 1})},
        {"generation": GenerationCounts(promptTokens=-1)},
        {"generation": GenerationCounts(finishReasons={str(name): 1 for name in range(5000)})},
        {"observerGapSeconds": float("nan")},
        {"end": 0.0},
    ],
)
def test_numbers_that_counting_cannot_give_are_not_sound(fields: dict[str, Any]) -> None:
    assert not is_sound(pane(0, **fields))
