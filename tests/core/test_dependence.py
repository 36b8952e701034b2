"""Phi: how many rows are worth one independent row, told from rows in time order."""

import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.statistics.dependence import (
    WEEK,
    Blocks,
    BlockShares,
    BlockSums,
    blocks_of,
    curve_of,
    curve_of_counts,
    inflation,
    shares_of_sums,
)

Floats = NDArray[np.float64]
CUTS = np.arange(1, 20) / 20


def curve(times: NDArray[np.floating], values: Floats, seconds: float = 60.0) -> list[BlockShares]:
    """Return the curve of uniform values."""
    cells = np.searchsorted(CUTS, values).astype(np.int64)
    return curve_of(
        ColumnKind.NUMERIC, cells, CUTS.size + 1, blocks_of(times.astype(np.float64), seconds)
    )


def test_independent_rows_are_worth_themselves() -> None:
    draw = np.random.default_rng(1)
    times = np.arange(20_000) * 30.0
    found = np.array([inflation(curve(times, draw.random(times.size))) for _ in range(100)])
    assert (found <= 1.2).mean() >= 0.95
    assert found.min() == 1.0


@pytest.mark.parametrize(("rows", "days", "tries"), [(10_000, 7, 60), (50_000, 60, 25)])
def test_independent_rows_at_any_time_are_worth_themselves(
    rows: int, days: int, tries: int
) -> None:
    draw = np.random.default_rng(7)
    found = np.array(
        [
            inflation(curve(draw.random(rows) * days * 86_400, draw.random(rows)))
            for _ in range(tries)
        ]
    )
    assert (found <= 1.2).mean() >= 0.95


def wandering(draw: np.random.Generator, panes: int, correlation: float, spread: float) -> Floats:
    """Return an AR(1) series: its correlation time in panes, its standard deviation."""
    step = np.exp(-1 / correlation)
    noise = draw.standard_normal(panes) * spread * np.sqrt(1 - step**2)
    noise[0] = draw.standard_normal() * spread
    found = np.empty(panes)
    now = 0.0
    for place, each in enumerate(noise):
        now = found[place] = step * now + each
    return found


@pytest.mark.parametrize(("correlation", "spread"), [(3.0, 0.3), (10.0, 0.15), (30.0, 0.15)])
def test_the_truth_of_shares_that_wander_lies_below_in_most_baselines(
    correlation: float, spread: float
) -> None:
    draw, rows, panes = np.random.default_rng(8), 50, 4000
    # Of a uniform column that moves by x, the share below the middle moves by x.
    shares = np.clip(0.5 + wandering(draw, 400_000, correlation, spread), 0, 1)
    parts = shares.reshape(-1, 4000).mean(axis=1)
    truth = 1 + rows * 4000 * parts.var() / 0.25
    found = []
    for _ in range(15):
        middle = np.repeat(wandering(draw, panes, correlation, spread), rows)
        values = np.clip(draw.random(middle.size) + middle, 0, 1)
        found.append(inflation(curve(np.repeat(np.arange(panes) * 60.0, rows), values)))
    assert np.mean(np.array(found) > truth) >= 0.7
    assert np.median(found) < 2.5 * truth


def test_identical_rows_of_one_caller_count_as_one() -> None:
    draw = np.random.default_rng(2)
    times = np.repeat(np.arange(8000) * 30.0, 5)
    found = inflation(curve(times, np.repeat(draw.random(8000), 5)))
    assert 4.7 <= found <= 5.3


def test_a_share_that_wanders_is_found_at_the_length_at_which_it_wanders() -> None:
    draw = np.random.default_rng(3)
    days = np.repeat(draw.random(60), 500)
    times = np.sort(draw.random(days.size)) * 60 * 86_400
    points = curve(times, np.clip(days + 0.05 * draw.standard_normal(days.size), 0, 1))
    assert 250 <= inflation(points) <= 1000
    worst = max(points, key=lambda point: point.inflation)
    assert worst.seconds > 8 * 3600
    assert points[0].inflation < 2


def test_blocks_are_a_week_at_most() -> None:
    draw = np.random.default_rng(4)
    times = np.arange(10_000) * 3600.0
    points = curve(times, draw.random(times.size), 3600.0)
    assert points[-1].seconds <= WEEK < 2 * points[-1].seconds


def test_order_of_the_rows_does_not_matter_only_their_times() -> None:
    draw = np.random.default_rng(5)
    times = np.repeat(np.arange(4000) * 60.0, 3)
    values = np.repeat(draw.random(4000), 3)
    order = draw.permutation(times.size)
    assert inflation(curve(times, values)) == inflation(curve(times[order], values[order]))


def test_coarse_times_are_said_to_be_as_long_as_they_are() -> None:
    assert blocks_of(np.array([0.0, 3600.0, 3600.0, 10_800.0]), 60.0).seconds == 3600.0


def test_no_more_counts_than_fit_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelmonitor.core.statistics.dependence.MOST_COUNTS", 20_000)
    draw = np.random.default_rng(6)
    times = np.arange(20_000) * 60.0
    points = curve(times, draw.random(times.size))
    assert points[0].seconds == 60.0 * 32
    assert inflation(points) == 1.0


def test_the_envelope_is_what_blocks_showed() -> None:
    cells = np.array([0, 0, 1, 1, 0, 1, 1, 1] * 8)
    blocks = Blocks(np.repeat(np.arange(16), 4), np.arange(16), 60.0)
    shortest = curve_of(ColumnKind.CATEGORICAL, cells, 2, blocks)[0]
    assert shortest.low.tolist() == [0.25, 0.5]
    assert shortest.high.tolist() == [0.5, 0.75]


def test_rows_without_a_value_are_no_part_of_a_share() -> None:
    cells = np.array([0, -1, -1, -1] * 32)
    blocks = Blocks(np.repeat(np.arange(32), 4), np.arange(32), 60.0)
    assert curve_of(ColumnKind.CATEGORICAL, cells, 2, blocks)[0].low.tolist() == [1.0, 0.0]


def test_too_few_blocks_say_nothing() -> None:
    assert curve(np.arange(7) * 60.0, np.full(7, 0.5)) == []
    assert inflation([]) == 1.0


def test_sums_over_blocks_say_what_their_counts_say() -> None:
    rng = np.random.default_rng(7)
    size = rng.integers(200, 400, 60)
    part = np.clip(rng.normal(0.3, 0.05, 60), 0, 1)
    counts = np.stack([rng.binomial(size, part), rng.binomial(size, 0.6)])
    blocks = Blocks(np.zeros(0, np.int64), np.arange(60), 60.0)
    expected = curve_of_counts(counts, size, blocks)[0]
    sums = BlockSums(
        seconds=60.0,
        rows=float(size.sum()),
        rows_squared=float((size**2).sum()),
        hits=counts.sum(axis=1).astype(float),
        crossed=(counts * size).sum(axis=1).astype(float),
        hits_squared=(counts**2).sum(axis=1).astype(float),
        low=expected.low,
        high=expected.high,
    )
    found = shares_of_sums(sums)
    assert found is not None
    assert found.inflation == pytest.approx(expected.inflation, rel=1e-9)
    assert found.inflation > 2
    assert found.least > 1
    assert found.blocks == pytest.approx(expected.blocks)


def daily(draw: np.random.Generator, days: int, rows: int, cycle: float) -> tuple[Floats, Floats]:
    """Return times and values of a uniform column that moves with the hour."""
    times = np.sort(draw.random(days * rows)) * days * 86_400
    hour = np.floor(times / 3600) % 24
    return times, np.clip(draw.random(times.size) + cycle * np.sin(hour * np.pi / 12), 0, 1)


def strata_of(times: Floats) -> NDArray[np.int64]:
    return (np.floor(times / 3600) % 24).astype(np.int64)


def stratified(times: Floats, values: Floats, seconds: float = 60.0) -> list[BlockShares]:
    cells = np.searchsorted(CUTS, values).astype(np.int64)
    blocks = blocks_of(times, seconds)
    return curve_of(ColumnKind.NUMERIC, cells, CUTS.size + 1, blocks, strata_of(times))


def test_a_daily_cycle_is_dependence_only_where_hours_are_not_compared_with() -> None:
    draw = np.random.default_rng(9)
    found = []
    for _ in range(10):
        times, values = daily(draw, 28, 2000, 0.15)
        assert inflation(curve(times, values)) > 5
        found.append(inflation(stratified(times, values)))
    assert np.mean(np.array(found) <= 1.2) >= 0.9


def test_what_the_clock_does_not_explain_stays_dependence() -> None:
    draw = np.random.default_rng(10)
    times, values = daily(draw, 28, 2000, 0.15)
    weather = 0.3 * draw.random(28)[(times / 86_400).astype(int)]
    assert inflation(stratified(times, np.clip(values + weather, 0, 1))) > 50


def test_hours_seen_once_say_nothing() -> None:
    draw = np.random.default_rng(11)
    times, values = daily(draw, 1, 20_000, 0.15)
    assert all(point.least <= 1 for point in stratified(times, values, 3600.0))


def test_within_blocks_what_wanders_slowly_does_not_count() -> None:
    draw = np.random.default_rng(12)
    middle = np.repeat(wandering(draw, 4000, 100.0, 0.15), 200)
    values = np.clip(draw.random(middle.size) + middle, 0, 1)
    points = curve(np.repeat(np.arange(4000) * 60.0, 200), values)
    assert points[0].inflation > 10
    assert points[0].within < 1.5
    batches = np.repeat(draw.random(20_000), 5)
    callers = curve(np.repeat(np.arange(4000) * 60.0, 25), batches)
    assert callers[0].within == pytest.approx(5, rel=0.1)
