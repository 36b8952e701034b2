"""Dependence that is learned from a stream: of chance nothing, of weather enough."""

import numpy as np
import pytest
from scipy import stats

from modelmonitor.core.statistics.pyramid import (
    FIRST,
    LAST,
    Pyramid,
    from_bytes,
    learned,
    nothing_learned,
    size_of,
)
from modelmonitor.core.statistics.shares import Floats

COLUMNS = 25
CUTS = np.array([-0.67, 0.0, 0.67])


def stream(panes: int, rows: int, time: float, spread: float, jump: float = 0.0) -> Pyramid:
    """Learn from columns whose means wander with a correlation time, and jump half-way."""
    draw = np.random.default_rng(5)
    found = nothing_learned(COLUMNS, CUTS.size)
    keep = np.exp(-1 / time) if time else 0.0
    mean = np.zeros(COLUMNS)
    for number in range(panes):
        mean = keep * mean + spread * np.sqrt(1 - keep**2) * draw.standard_normal(COLUMNS)
        moved = mean + jump * (number >= panes // 2 + 5)
        found = learned(found, _hits(draw, rows, moved), np.full(COLUMNS, float(rows)))
    return found


def _hits(draw: np.random.Generator, rows: int, mean: Floats) -> Floats:
    shares = stats.norm.cdf(CUTS - mean[:, None])
    cells = draw.multinomial(rows, np.diff(shares, axis=1, prepend=0.0, append=1.0))
    return np.cumsum(cells, axis=1)[:, :-1].astype(np.float64)


@pytest.mark.parametrize("rows", [10, 1000])
def test_independent_rows_look_independent(rows: int) -> None:
    assert stream(512, rows, 0.0, 0.0).phi.tolist() == [1.0] * COLUMNS


def test_a_wandering_column_is_known_after_a_while() -> None:
    """A mean with variance s^2 and correlation time t adds about 2 t n f^2 s^2 / (p q) to phi."""
    found = stream(2048, 200, 10.0, 0.15).phi
    expected = 1 + 2 * 10 * 200 * (stats.norm.pdf(0) * 0.15) ** 2 / 0.25
    assert expected / 2 < np.median(found) < 2 * expected
    assert (found > 5).all()


def test_a_shift_is_not_taken_for_what_the_column_always_does() -> None:
    assert stream(512, 1000, 0.0, 0.0, jump=0.5).phi.max() < 4


def test_nothing_is_said_too_early_nor_learned_for_ever() -> None:
    assert stream(FIRST - 1, 1000, 10.0, 0.5).phi.max() == 1
    assert stream(FIRST, 1000, 10.0, 0.5).phi.max() > 2
    full = stream(FIRST, 10, 0.0, 0.0)
    done = Pyramid(LAST, full.hits, full.rows, full.squares, full.largest, full.pairs, full.phi)
    assert learned(done, np.zeros((COLUMNS, 3)), np.zeros(COLUMNS)) is done


def test_columns_without_values_teach_nothing() -> None:
    found = nothing_learned(2, 3)
    for _ in range(FIRST):
        found = learned(found, np.array([[1.0, 5, 9], [0, 0, 0]]), np.array([10.0, 0.0]))
    assert found.pairs[0, 0] == FIRST / 2
    assert found.pairs[:, 1].sum() == 0
    assert found.phi.tolist() == [1.0, 1.0]


def test_what_was_learned_goes_through_bytes() -> None:
    found = stream(100, 100, 10.0, 0.5)
    payload = found.to_bytes()
    again = from_bytes(payload, COLUMNS, 3)
    assert len(payload) == size_of(COLUMNS, 3)
    assert again is not None
    assert again.to_bytes() == payload
    assert from_bytes(payload[:-1], COLUMNS, 3) is None
    assert from_bytes(payload[:-4] + b"\xff\xff\xff\xff", COLUMNS, 3) is None
