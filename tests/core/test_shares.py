"""Shares and how exactly they are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.statistics.shares import dkw_radius, shares, wilson
from tests.core.monitoring import steady


def test_numeric_shares_are_cumulative_and_categorical_ones_are_not() -> None:
    cells = np.array([1, 2, 3, 4])
    assert shares(ColumnKind.NUMERIC, cells).tolist() == [0.1, 0.3, 0.6]
    assert shares(ColumnKind.CATEGORICAL, cells).tolist() == [0.1, 0.2, 0.3, 0.4]


def test_shares_of_nothing_are_zero() -> None:
    assert shares(ColumnKind.NUMERIC, np.zeros(3, np.int64)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [50, 1000])
def test_the_radius_holds_as_often_as_it_says(size: int) -> None:
    draw = np.random.default_rng(7)
    radius = dkw_radius(size, 0.05)
    samples = np.sort(draw.random((2000, size)), axis=1)
    steps = np.arange(1, size + 1) / size
    gaps = np.maximum(np.abs(samples - steps), np.abs(samples - steps + 1 / size)).max(axis=1)
    assert (gaps > radius).mean() <= 0.06
    assert (gaps > radius).mean() >= 0.02


def test_nothing_is_known_of_no_rows() -> None:
    assert dkw_radius(0, 0.05) == 1.0


@steady
@given(st.integers(1, 5000), st.floats(0, 1))
def test_both_ends_are_those_of_scipy(rows: int, part: float) -> None:
    hits = round(part * rows)
    expected = stats.binomtest(hits, rows).proportion_ci(0.95, method="wilson")
    low, high = wilson(hits, rows, stats.norm.ppf(0.975))
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert low <= hits / rows <= high


def test_more_hits_than_rows_are_all_rows() -> None:
    assert wilson(9, 5, 2.0) == wilson(5, 5, 2.0)
