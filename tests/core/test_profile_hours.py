"""Counts by hour of the week: packed small, read back as they were, believed only where sound."""

import zlib
from math import erf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile_hours import (
    FORMAT,
    HOURS_OF_WEEK,
    MOST_CELLS,
    InvalidHoursError,
    pack_hours,
    unpack_hours,
)
from tests.core.monitoring import steady

Counts = NDArray[np.int64]
PLENTY = 10**6


def hours(rows: float, *, cycle: float = 0.0, seed: int = 0) -> Counts:
    """Return counts of a normal column whose mean follows the clock, in standard deviations."""
    draw = np.random.default_rng(seed)
    edges = np.linspace(-2, 2, 20)
    found = np.zeros((HOURS_OF_WEEK, 23), np.int64)
    for hour in range(HOURS_OF_WEEK):
        mean = cycle * np.sin(2 * np.pi * hour / 24)
        below = [(1 + erf((edge - mean) / 2**0.5)) / 2 for edge in edges]
        found[hour, 1:22] = draw.multinomial(draw.poisson(rows), np.diff([0.0, *below, 1.0]))
    return found


def packed_of(counts: Counts, budget: int = PLENTY) -> bytes:
    packed = pack_hours(counts, budget)
    assert packed is not None
    assert len(packed) <= budget
    return packed


@pytest.mark.parametrize("cycle", [0.0, 1.0])
@pytest.mark.parametrize("rows", [0, 3, 300, 5000])
def test_hours_are_read_back_as_they_were(rows: int, cycle: float) -> None:
    counts = hours(rows, cycle=cycle)
    found = unpack_hours(packed_of(counts), counts.sum(axis=0).tolist())
    assert np.array_equal(found.cells, counts)
    assert np.array_equal(found.rows, counts.sum(axis=1))
    assert np.allclose(found.counts, counts)


@steady
@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=6), st.integers(0, HOURS_OF_WEEK - 1))
def test_any_counts_are_read_back_with_their_rows(cells: list[int], hour: int) -> None:
    counts = np.zeros((HOURS_OF_WEEK, len(cells)), np.int64)
    counts[hour] = cells
    counts[(hour + 30) % HOURS_OF_WEEK] = cells[::-1]
    found = unpack_hours(packed_of(counts), counts.sum(axis=0).tolist())
    assert np.array_equal(found.rows, counts.sum(axis=1))
    bounds = [np.cumsum(each, axis=1) for each in (found.counts, counts)]
    assert np.abs(bounds[0] - bounds[1]).max() <= counts.sum(axis=1).max() / 2**14


@pytest.mark.parametrize("budget", [1200, 2000, 4000])
def test_less_room_costs_precision_of_shares_and_no_rows(budget: int) -> None:
    counts = hours(60_000, cycle=0.15)
    found = unpack_hours(packed_of(counts, budget), counts.sum(axis=0).tolist())
    assert np.array_equal(found.rows, counts.sum(axis=1))
    scale = found.cells.sum(axis=1).max()
    wrong = np.cumsum(found.shares, axis=1) - np.cumsum(counts / counts.sum(axis=1)[:, None], 1)
    assert np.abs(wrong).max() <= 0.5 / scale + 1e-12
    assert scale >= {1200: 64, 2000: 512, 4000: 4096}[budget]


def test_what_does_not_fit_is_not_packed() -> None:
    assert pack_hours(hours(300), 200) is None
    assert pack_hours(np.ones((HOURS_OF_WEEK, MOST_CELLS + 1), np.int64), PLENTY) is None


def test_bytes_that_are_no_counts_are_refused() -> None:
    counts = hours(300)
    packed, pooled = packed_of(counts), counts.sum(axis=0).tolist()
    plain = zlib.decompress(packed[1:])
    odd_scale = bytes([FORMAT]) + zlib.compress((1000).to_bytes(4, "little") + plain[4:])
    negative = bytearray(plain)
    negative[-2 * 23 * HOURS_OF_WEEK :] = b"\x03" * (2 * 23 * HOURS_OF_WEEK)
    other = [*pooled[:-1], pooled[-1] + 1]
    for payload, cells, words in [
        (b"", pooled, "format"),
        (b"\x07" + packed[1:], pooled, "format"),
        (packed[:1] + b"nonsense", pooled, "not readable"),
        (packed, pooled[:-1], "must be 168 x 22"),
        (packed, other, "rows of the hours must add up"),
        (packed, [0] * (MOST_CELLS + 1), "at most 257 cells"),
        (odd_scale, pooled, "odd number"),
        (bytes([FORMAT]) + zlib.compress(bytes(negative)), pooled, "at least 0"),
    ]:
        with pytest.raises(InvalidHoursError, match=words):
            unpack_hours(payload, cells)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = bytes([FORMAT]) + zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(InvalidHoursError, match="must be 168 x 3"):
        unpack_hours(bomb, [1, 2, 3])
