"""Counting scores: as a loop over rows would, whatever comes, in whatever batches."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.baseline.performance_builder import ScoreColumn, build_performance
from modelmonitor.core.counting.scores import ScoreCounter
from modelmonitor.core.judging.performance_scores import (
    confidence_of,
    score_configuration,
    sum_scores,
    sure_rows,
    totals_of,
)
from modelmonitor.core.pane.soundness import is_sound
from modelmonitor.core.wire.configuration import ScoreConfiguration, ScoredClass
from modelmonitor.core.wire.pane import ClassScores, Pane, ScoreCounts, decode_pane, encode
from tests.core.monitoring import pane, steady

EDGES = [0.25, 0.5, 0.9]
CONFIGURATION = ScoreConfiguration(
    prediction="kind",
    classes=["a", "b"],
    scored=[
        ScoredClass(name="a", column="p_a", edges=EDGES),
        ScoredClass(name="b", column="p_b", edges=EDGES[:1]),
    ],
)
ROW = st.tuples(
    st.sampled_from(["a", "b", "c", None, math.nan, 1, True, [1]]),
    st.sampled_from([0, 0.25, 0.3, 0.5, 0.90001, 1, 1.0000001, 1.1, -0.1, None, "x", math.nan]),
    st.sampled_from([0.0, 0.25, 0.5, math.inf, None]),
)
ROWS = st.lists(ROW, max_size=40)


def counted(rows: list[Any], cut: int = 0) -> ScoreCounts:
    """Return what a counter says of rows that come in two batches."""
    counter = ScoreCounter(CONFIGURATION)
    for part in (rows[:cut], rows[cut:]):
        columns = [list(column) for column in zip(*part, strict=True)] or [[], [], []]
        counter.add(columns[0], columns[1:], len(part))
    return counter.counts()


def plainly(rows: list[Any]) -> ScoreCounts:
    """Return the same, counted row by row."""
    cells = {"a": [[0] * 4, [0] * 4], "b": [[0] * 2, [0] * 2]}
    sums = {name: [[0.0, 0.0], [0.0, 0.0]] for name in "ab"}
    unusable = unknown = 0
    for kind, *scores in rows:
        known = isinstance(kind, str | int) or (isinstance(kind, float) and not math.isnan(kind))
        numbers = [float("nan") if not isinstance(s, int | float) else s for s in scores]
        if not known or not all(-1e-6 <= s <= 1 + 1e-6 for s in numbers):
            unusable += 1
        elif kind not in ("a", "b"):
            unknown += 1
        else:
            for name, number in zip("ab", numbers, strict=True):
                score = min(max(number, 0.0), 1.0)
                edges = EDGES if name == "a" else EDGES[:1]
                side = int(kind == name)
                cells[name][side][sum(score > edge for edge in edges)] += 1
                sums[name][side][0] += score
                sums[name][side][1] += score * score
    return ScoreCounts(
        rows=len(rows),
        unusable=unusable,
        unknown=unknown,
        classes=[
            ClassScores(
                other=cells[name][0],
                this=cells[name][1],
                otherTotal=sums[name][0][0],
                otherSquares=sums[name][0][1],
                thisTotal=sums[name][1][0],
                thisSquares=sums[name][1][1],
            )
            for name in "ab"
        ],
    )


def rounded(counts: ScoreCounts) -> Any:
    """Return counts with sums as far as the order of adding does not matter."""
    found = msgspec.to_builtins(counts)
    for each in found.get("classes", []):
        for name, value in each.items():
            if isinstance(value, float):
                each[name] = pytest.approx(value, abs=1e-9)
    return found


@steady
@given(ROWS, st.integers(0, 40))
def test_scores_are_counted_like_row_by_row(rows: list[Any], cut: int) -> None:
    assert msgspec.to_builtins(counted(rows, cut)) == rounded(plainly(rows))


@steady
@given(ROWS)
def test_what_is_counted_is_believed(rows: list[Any]) -> None:
    assert is_sound(pane(scores=counted(rows)))


def test_rows_that_lack_a_value_at_their_end_are_unusable() -> None:
    counter = ScoreCounter(CONFIGURATION)
    counter.add(["a", "b"], [[0.5, 0.5, 0.5], [0.5, 0.5]], 3)
    counter.add([], [[], []], 0)
    assert (counter.counts().rows, counter.counts().unusable) == (3, 1)


def test_arrays_count_like_lists() -> None:
    rows = [(1, 0.5, 0.1), (0, 0.2, 0.9), (2, 0.2, 0.9)]
    numbers = msgspec.structs.replace(CONFIGURATION, classes=["0", "1"])
    lists, arrays = ScoreCounter(numbers), ScoreCounter(numbers)
    columns = [list(column) for column in zip(*rows, strict=True)]
    lists.add(columns[0], columns[1:], 3)
    arrays.add(np.array(columns[0], float), [np.array(each) for each in columns[1:]], 3)
    assert lists.counts() == arrays.counts()
    assert lists.counts().unknown == 1


GOOD = counted([("a", 0.3, 0.5), ("b", 0.3, 0.5)])


def altered(**fields: Any) -> ScoreCounts:
    """Return good counts of which one class says something else."""
    first, second = GOOD.classes
    return msgspec.structs.replace(GOOD, classes=[msgspec.structs.replace(first, **fields), second])


@pytest.mark.parametrize(
    "scores",
    [
        msgspec.structs.replace(GOOD, rows=-1),
        msgspec.structs.replace(GOOD, rows=2**60),
        msgspec.structs.replace(GOOD, unusable=3),
        msgspec.structs.replace(GOOD, rows=3),
        msgspec.structs.replace(GOOD, classes=[*GOOD.classes] * 100),
        altered(this=[0, 2, -1, 0]),
        altered(this=[0, 5, 0, 0]),
        altered(this=[0] * 1000 + [1]),
        altered(thisTotal=math.nan),
        altered(thisTotal=1e300),
        altered(thisTotal=-0.1),
        altered(otherSquares=math.inf),
    ],
)
def test_scores_that_cannot_be_counted_are_not_believed(scores: ScoreCounts) -> None:
    assert is_sound(pane(scores=GOOD))
    assert not is_sound(pane(scores=scores))


def labelled(rows: int = 2000) -> Any:
    """Return the part on performance of a model of two classes, and its rows."""
    draw = np.random.default_rng(1)
    score = draw.random(rows)
    label = (draw.random(rows) < score).astype(int)
    predicted = (score > 0.5).astype(int)
    part, _ = build_performance("p", predicted, label, [ScoreColumn(column="s", values=score)])
    return part, predicted, score


@steady
@given(st.integers(0, 10**6), st.integers(1, 9))
def test_panes_add_up_in_any_order(seed: int, replicas: int) -> None:
    part, predicted, score = labelled()
    draw = np.random.default_rng(seed)
    panes = []
    for mine in np.array_split(draw.permutation(score.size), replicas):
        counter = ScoreCounter(score_configuration(part))
        counter.add(predicted[mine], [score[mine]], mine.size)
        panes.append(decode_pane(encode(pane(scores=counter.counts()))))
    whole = totals_of(part, panes)
    single = [totals_of(part, [each]) for each in draw.permutation(np.array(panes, object))]
    merged = sum_scores(part, single)
    assert merged.counted == whole.counted == score.size
    assert (merged.cells[0] == whole.cells[0]).all()
    assert (merged.totals == whole.totals).all()
    confidence = np.where(predicted == 1, score, 1 - score)
    assert confidence_of(part, merged)[0] == pytest.approx(confidence.mean())
    assert confidence_of(part, merged)[1] == pytest.approx(confidence.var())
    assert sure_rows(part, merged.cells) == (confidence > part.sureness).sum()


def test_panes_that_count_in_other_cells_say_nothing() -> None:
    part, _, _ = labelled()
    strangers: list[Pane] = [pane(), pane(scores=GOOD), pane(scores=ScoreCounts(rows=7))]
    assert totals_of(part, strangers).rows == 0
    assert sum_scores(part, []).counted == 0
