"""The e-detector: evidence that hardly ever lies, and grows as soon as it may."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelmonitor.core.statistics.edetector import (
    FORGOTTEN,
    GAINS,
    HEADROOM,
    advance,
    by_column,
    by_side,
    nothing_seen,
    sides_of,
)
from tests.core.monitoring import steady

ALARM = 100.0


def one_share(low: float, high: float) -> tuple[list[np.ndarray], list[np.ndarray], list[float]]:
    return [np.array([low])], [np.array([high])], [1e-6]


@steady
@given(st.floats(0.01, 0.97), st.sampled_from([0.0, 0.3, 0.9, 1.0]), st.integers(1, 60))
def test_the_mean_of_a_likelihood_ratio_is_at_most_one_under_the_null(
    null: float, part: float, rows: int
) -> None:
    sides = sides_of(*one_share(0.0, null))
    hits = np.arange(rows + 1)
    chance = stats.binom.pmf(hits, rows, part * null)
    for rise, fall in zip(sides.rise[0], sides.fall[0], strict=True):
        assert chance @ np.exp(hits * rise + (rows - hits) * fall) <= 1 + 1e-9


def test_at_the_edge_of_the_null_evidence_grows_by_at_most_one_a_pane() -> None:
    draw = np.random.default_rng(11)
    streams, panes = 4000, 40
    low, high, least = one_share(0.0, 0.3)
    sides = sides_of(low * streams, high * streams, least * streams)
    state = nothing_seen(sides)
    for _ in range(panes):
        hits = draw.binomial(20, 0.3, streams).astype(np.float64)
        state = advance(state, sides, hits, np.full(streams, 20.0), 1e9)
    mean = by_column(state, sides).mean()
    error = by_column(state, sides).std() / np.sqrt(streams)
    assert mean <= panes + 3 * error
    assert mean > panes / 4


def test_alarms_come_as_rarely_as_the_level_says() -> None:
    draw = np.random.default_rng(12)
    streams, panes = 2000, 50
    low, high, least = one_share(0.2, 0.3)
    sides = sides_of(low * streams, high * streams, least * streams)
    state, alarmed = nothing_seen(sides), np.zeros(streams, bool)
    for _ in range(panes):
        hits = draw.binomial(30, 0.3, streams).astype(np.float64)
        state = advance(state, sides, hits, np.full(streams, 30.0), ALARM)
        alarmed |= by_column(state, sides) >= ALARM
    assert alarmed.mean() <= panes / ALARM


@pytest.mark.parametrize(("truth", "most"), [(0.9, 1), (0.5, 3), (0.38, 15)])
def test_a_shift_is_found_the_sooner_the_larger_it_is(truth: float, most: int) -> None:
    sides = sides_of(*one_share(0.2, 0.3))
    state = nothing_seen(sides)
    for _ in range(most):
        state = advance(state, sides, np.array([200 * truth]), np.array([200.0]), 1e6)
    assert by_column(state, sides)[0] >= 1e6


def test_a_shift_below_is_found_as_well_as_one_above() -> None:
    sides = sides_of(*one_share(0.6, 0.8))
    fallen = advance(nothing_seen(sides), sides, np.array([60.0]), np.array([200.0]), 1e6)
    assert by_column(fallen, sides)[0] >= 1e6
    assert (by_side(fallen) > 1).tolist() == [False, True]


def test_within_the_null_evidence_is_forgotten() -> None:
    sides = sides_of(*one_share(0.2, 0.3))
    state = advance(nothing_seen(sides), sides, np.array([50.0]), np.array([200.0]), ALARM)
    assert by_column(state, sides)[0] < 1
    assert ((state == 0) | (state >= FORGOTTEN)).all()


def test_however_long_a_shift_lasts_evidence_stays_near_the_alarm() -> None:
    sides = sides_of(*one_share(0.2, 0.3))
    state = nothing_seen(sides)
    for _ in range(1000):
        state = advance(state, sides, np.array([200.0]), np.array([200.0]), ALARM)
    assert ALARM <= by_column(state, sides)[0] <= ALARM * HEADROOM * state.size


def test_sides_that_cannot_be_left_are_not_watched() -> None:
    sides = sides_of([np.array([0.0, 0.5])], [np.array([0.99, 1.0])], [1e-6])
    assert sides.share.tolist() == [1]
    assert sides.upward.tolist() == [False]


def test_columns_without_sides_have_no_evidence() -> None:
    free, tight = (np.array([0.0]), np.array([1.0])), (np.array([0.2]), np.array([0.3]))
    sides = sides_of([free[0], tight[0]], [free[1], tight[1]], [1e-6, 1e-6])
    hits, rows = np.array([9.0, 9.0]), np.array([10.0, 10.0])
    state = advance(nothing_seen(sides), sides, hits, rows, ALARM)
    assert by_column(state, sides)[0] == 0
    assert by_column(state, sides)[1] > 1
    assert state.shape == (2, GAINS.size)


def test_nothing_to_watch_is_no_error() -> None:
    sides = sides_of([], [], [])
    state = advance(nothing_seen(sides), sides, np.zeros(0), np.zeros(0), ALARM)
    assert by_column(state, sides).size == 0
