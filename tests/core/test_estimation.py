"""Estimators: raw rows as the oracle, derivatives as they are, intervals that hold."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.metric_options import PerformanceMeasure
from modelmonitor.core.statistics.calibration import (
    cautious,
    dependence_of,
    edges_of,
    rates_of,
    sureness_of,
)
from modelmonitor.core.statistics.estimation import (
    LEAST_ROWS,
    ClassWindow,
    performance,
    prior_shift,
    realised,
    separation,
)
from tests.core.monitoring import steady

Counts = NDArray[np.int64]
MEASURES = [each for each in PerformanceMeasure if each is not PerformanceMeasure.PRIOR_SHIFT]
SEEDS = st.integers(0, 10**6)


def some(seed: int, cells: int = 12, most: int = 60) -> tuple[Counts, Counts]:
    """Return rows, and those of them that are of the class, in every cell some."""
    draw = np.random.default_rng(seed)
    rows = draw.integers(20, most, (2, cells))
    return rows, draw.binomial(rows, 0.1 + 0.8 * draw.random((2, cells)))


def window(counts: Counts, rows: Counts, hits: Counts) -> ClassWindow:
    return ClassWindow(counts, rates_of(rows, hits), cautious(rows, hits), rows)


def by_rows(measure: PerformanceMeasure, counts: Counts, hits: Counts) -> float:
    """Return a measure of labelled rows, one by one, by its definition."""
    predicted = np.repeat([0, 1], counts.sum(axis=1))
    cell = np.concatenate([np.repeat(np.arange(side.size), side) for side in counts])
    true = np.concatenate(
        [
            np.arange(rows) < own
            for side, of in zip(counts, hits, strict=True)
            for rows, own in zip(side, of, strict=True)
        ]
    ).astype(int)
    both = int((predicted & true).sum())
    match measure:
        case PerformanceMeasure.ACCURACY:
            return float((predicted == true).mean())
        case PerformanceMeasure.PRECISION:
            return both / int(predicted.sum())
        case PerformanceMeasure.RECALL:
            return both / int(true.sum())
        case PerformanceMeasure.F1:
            return 2 * both / int(predicted.sum() + true.sum())
        case _:
            own, others = cell[true == 1][:, None], cell[true == 0][None, :]
            return float(((own > others) + 0.5 * (own == others)).mean())


@steady
@given(SEEDS, st.sampled_from(MEASURES))
def test_of_labelled_rows_it_is_the_measure_by_its_definition(
    seed: int, measure: PerformanceMeasure
) -> None:
    rows, hits = some(seed)
    found = realised(measure, [(rows, hits)])
    assert found.value == pytest.approx(by_rows(measure, rows, hits), abs=1e-12)


@steady
@given(SEEDS, st.sampled_from(MEASURES))
def test_of_the_baselines_own_rows_the_estimate_is_what_came_true(
    seed: int, measure: PerformanceMeasure
) -> None:
    rows, hits = some(seed)
    found = performance(measure, [window(rows, rows, hits)], 1.0, 1.0)
    assert found.value == pytest.approx(by_rows(measure, rows, hits), abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_perfectly_calibrated_scores_are_estimated_without_bias(
    measure: PerformanceMeasure,
) -> None:
    rows, hits = some(1)
    counts = some(2)[0]
    rates = hits / rows
    draw = np.random.default_rng(3)
    drawn = [by_rows(measure, counts, draw.binomial(counts, rates)) for _ in range(300)]
    found = performance(measure, [window(counts, rows, hits)], 1.0, 1.0)
    assert found.value == pytest.approx(
        np.mean(drawn), abs=4 * float(np.std(drawn)) / math.sqrt(300)
    )
    # Where the baseline were endless, only the labels' chance would be left.
    alone = realised(measure, [(counts, (counts * rates).astype(np.int64))])
    assert alone.deviation == pytest.approx(np.std(drawn), rel=0.15)
    assert found.deviation > alone.deviation


@pytest.mark.parametrize("measure", MEASURES)
def test_the_deviation_covers_labels_and_baseline(measure: PerformanceMeasure) -> None:
    rows, hits = some(1, most=40)
    counts = some(2)[0]
    rates = hits / rows
    draw = np.random.default_rng(4)
    errors, deviations = [], []
    for _ in range(400):
        found = performance(measure, [window(counts, rows, draw.binomial(rows, rates))], 1.0, 1.0)
        errors.append(found.value - by_rows(measure, counts, draw.binomial(counts, rates)))
        deviations.append(found.deviation)
    assert np.mean(deviations) == pytest.approx(np.std(errors), rel=0.15)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_deviation_of_a_mean_over_classes_is_not_too_small(
    measure: PerformanceMeasure,
) -> None:
    # Every row is of one of two classes; either has a score, so that both say the same.
    counts, rates = np.array([[400, 300, 0, 0], [0, 0, 200, 500]]), np.array([0.1, 0.4, 0.6, 0.8])
    known = counts * 10**6
    draw = np.random.default_rng(9)
    values, deviations = [], []
    for _ in range(300):
        one = draw.binomial(counts, rates)
        other = (counts - one)[::-1, ::-1]
        both = [(counts, one), (counts[::-1, ::-1], other)]
        values.append(realised(measure, both).value)
        found = performance(
            measure,
            [
                window(counts, known, (known * rates).astype(np.int64)),
                window(
                    counts[::-1, ::-1],
                    known[::-1, ::-1],
                    (known * (1 - rates)).astype(np.int64)[::-1, ::-1],
                ),
            ],
            1.0,
            1.0,
        )
        deviations.append(found.deviation)
    assert np.std(values) <= 1.1 * np.mean(deviations)
    assert np.mean(deviations) <= 2 * np.std(values)


def test_rows_that_are_worth_less_make_it_less_certain() -> None:
    rows, hits = some(1)
    counts = some(2)[0]
    one = [window(counts, rows, hits)]
    found = [
        performance(PerformanceMeasure.F1, one, *worth).deviation
        for worth in ((1.0, 1.0), (4.0, 1.0), (4.0, 4.0))
    ]
    assert found[0] < found[1] < found[2] == pytest.approx(2 * found[0])


@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_is_estimated_of_nothing(measure: PerformanceMeasure) -> None:
    rows, hits = some(1)
    found = performance(measure, [window(np.zeros_like(rows), rows, hits)], 1.0, 1.0)
    assert math.isnan(found.value)
    assert found.classes == 0


def test_a_class_that_is_too_rare_is_left_out_of_the_mean() -> None:
    rows, hits = some(1)
    rare = np.zeros_like(rows)
    rare[1, 0] = LEAST_ROWS - 1
    usual = window(some(2)[0], rows, hits)
    both = performance(PerformanceMeasure.PRECISION, [usual, window(rare, rows, hits)], 1.0, 1.0)
    alone = performance(PerformanceMeasure.PRECISION, [usual], 1.0, 1.0)
    assert (both.value, both.classes) == (alone.value, 1)


def test_cells_that_the_baseline_never_saw_borrow_their_rate() -> None:
    rows = np.array([[10, 0, 0, 0], [0, 0, 0, 10]])
    hits = np.array([[2, 0, 0, 0], [0, 0, 0, 9]])
    expected = [[0.2, 0.2, 0.9, 0.9], [0.2, 0.2, 0.9, 0.9]]
    assert rates_of(rows, hits).tolist() == expected


@steady
@given(SEEDS, st.integers(20, 3000), st.integers(2, 48))
def test_no_cell_holds_much_of_either_class(seed: int, rows: int, parts: int) -> None:
    draw = np.random.default_rng(seed)
    scores, own = draw.random(rows), draw.random(rows) < 0.3
    edges = edges_of(scores, own, parts, [0.5])
    assert 0.5 in edges
    assert edges == sorted(set(edges))
    for side in (scores[own], scores[~own]):
        counts = np.bincount(np.searchsorted(edges, side), minlength=len(edges) + 1)
        assert counts.max() <= max(10, side.size / parts + 1)


def test_as_many_rows_are_sure_as_predictions_are_right() -> None:
    draw = np.random.default_rng(5)
    confidence = draw.random(1000)
    right = draw.random(1000) < confidence
    threshold = sureness_of(confidence, right)
    assert (confidence > threshold).mean() == pytest.approx(right.mean(), abs=0.002)


def test_equal_rows_of_a_caller_are_worth_one() -> None:
    draw = np.random.default_rng(6)
    times = np.repeat(np.sort(draw.random(4000)) * 86_400, 5)
    errors = np.repeat(draw.choice([-0.5, 0.5], 4000), 5)
    variance = np.full(errors.size, 0.25)
    found = dependence_of(times, errors, variance)
    assert max(each.phi for each in found) == pytest.approx(5, rel=0.2)
    alone = dependence_of(times, draw.choice([-0.5, 0.5], errors.size), variance)
    assert [each.phi for each in alone] == pytest.approx([1.0] * len(alone), abs=0.05)


def test_too_few_blocks_say_nothing_of_dependence() -> None:
    errors = np.ones(100)
    assert dependence_of(np.arange(100.0), errors, errors) == []


def confusion(rows: int, seed: int = 7) -> Counts:
    """Return predictions of three classes that are mostly right, `[predicted, true]`."""
    given = np.array([[0.8, 0.1, 0.2], [0.15, 0.7, 0.1], [0.05, 0.2, 0.7]])
    draw = np.random.default_rng(seed)
    return np.column_stack([draw.multinomial(rows, given[:, true]) for true in range(3)])


def test_true_shares_follow_exactly_from_predicted_ones() -> None:
    before = confusion(10_000)
    given = before / before.sum(axis=0)
    predicted = np.round(given @ [0.6, 0.3, 0.1] * 10**9).astype(np.int64)
    found = prior_shift(before, predicted, 1.0, 1.0)
    assert found.shares == pytest.approx([0.6, 0.3, 0.1], abs=1e-6)
    assert found.value == pytest.approx(0.6 - 1 / 3, abs=1e-6)


@pytest.mark.parametrize("moved", [0.0, 0.02, 0.2])
def test_the_interval_holds_the_true_shift(moved: float) -> None:
    given = confusion(10**7) / 10**7
    now = np.array([1 / 3 + moved, 1 / 3, 1 / 3 - moved])
    draw = np.random.default_rng(8)
    held = []
    for seed in range(200):
        found = prior_shift(confusion(2000, seed), draw.multinomial(1000, given @ now), 1.0, 1.0)
        held.append(abs(found.value - moved) <= found.margin)
    assert np.mean(held) >= 0.94


def test_a_class_that_is_never_true_has_no_share() -> None:
    before = np.array([[90, 10, 0], [10, 80, 0], [5, 5, 0]])
    found = prior_shift(before, np.array([90, 10, 10]), 1.0, 1.0)
    assert found.shares[2] == 0
    assert found.shares.sum() == pytest.approx(1)


def test_predictions_that_ignore_the_truth_do_not_separate() -> None:
    least, error = separation(np.array([[50, 52], [50, 48]]))
    assert least < 2 * error
    least, error = separation(np.array([[90, 10], [10, 90]]))
    assert least > 2 * error
