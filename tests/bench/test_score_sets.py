"""The rulers of the performance benchmark: raw rows, drawn labels, and what is usual elsewhere."""

import numpy as np
import pytest

from bench.statistics.performance import (
    IsotonicRows,
    by_rates,
    estimates,
    expected,
    panes_of,
    profile_of,
    realised,
)
from bench.statistics.score_sets import Rows, ScoreSet
from modelmonitor.api.v1alpha1.metric_options import PerformanceMeasure


def scores_of(classes: int, rows: int = 4000) -> ScoreSet:
    """Return a set of a model whose scores are the truth."""
    draw = np.random.default_rng(1)
    truth = draw.dirichlet([0.5] * classes, rows)
    label = (draw.random((rows, 1)) > np.cumsum(truth, axis=1)).sum(axis=1)
    usual = Rows(
        scores=truth if classes > 2 else truth[:, 1:],
        predicted=truth.argmax(axis=1),
        label=np.minimum(label, classes - 1),
    )
    return ScoreSet(name="made", rows=usual, months={}, truth=truth)


def test_labels_say_what_measures_are_by_definition() -> None:
    rows = Rows(
        scores=np.array([[0.1], [0.4], [0.4], [0.9]]),
        predicted=np.array([0, 0, 1, 1]),
        label=np.array([0, 1, 0, 1]),
    )
    assert realised(rows) == {
        PerformanceMeasure.ACCURACY: 0.5,
        PerformanceMeasure.PRECISION: 0.5,
        PerformanceMeasure.RECALL: 0.5,
        PerformanceMeasure.F1: 0.5,
        PerformanceMeasure.ROC_AUC: 0.875,
    }


@pytest.mark.parametrize("classes", [2, 3])
def test_drawn_labels_follow_the_truth_whatever_rows_are_drawn(classes: int) -> None:
    draw = np.random.default_rng(2)
    for shifted in (False, True):
        rows = scores_of(classes).drawn(draw, 40_000, shifted=shifted)
        known, mean = realised(rows), expected(rows)
        assert all(known[each] == pytest.approx(mean[each], abs=0.012) for each in known)


def test_shifted_rows_have_higher_scores() -> None:
    rows = scores_of(2).drawn(np.random.default_rng(2), 40_000, shifted=True)
    assert rows.scores.mean() > scores_of(2).rows.scores.mean() + 0.1


@pytest.mark.parametrize("classes", [2, 3])
def test_merged_panes_raw_rows_and_isotonic_rows_agree(classes: int) -> None:
    draw = np.random.default_rng(3)
    made = scores_of(classes)
    baseline, window = made.drawn(draw, 40_000), made.drawn(draw, 20_000)
    part = profile_of(baseline)
    merged = estimates(part, panes_of(part, window, 9))
    raw, usual = by_rates(part, window), IsotonicRows(baseline).estimates(window)
    for each, found in merged.items():
        assert found.value == pytest.approx(raw[each], abs=0.0015)
        assert found.value == pytest.approx(usual[each], abs=0.03)
