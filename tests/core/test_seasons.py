"""What a tick is compared with: the hours that are like it, as far as those are known."""

from zoneinfo import ZoneInfoNotFoundError

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.profile import (
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    HourCells,
    Profile,
)
from modelmonitor.core.baseline.profile_hours import HOURS_OF_WEEK, pack_hours
from modelmonitor.core.baseline.seasons import Basis, Comparator, comparator_of, holds, hour_of_week
from modelmonitor.core.statistics.shares import dkw_radius

Floats = NDArray[np.float64]
CATEGORIES = 12


def truth(cycle: float, weekend: float = 0.0, odd: float = 0.0) -> Floats:
    """Return the shares of every hour: a bump that moves with the clock, shape `(168, 12)`."""
    hour = np.arange(HOURS_OF_WEEK)
    middle = 5.5 + cycle * np.sin(2 * np.pi * hour / 24) + weekend * (hour >= 120)
    middle += odd * (hour % 24 == 3)
    weights = np.exp(-0.5 * ((np.arange(CATEGORIES) - middle[:, None]) / 2.5) ** 2)
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares


def column(
    shares: Floats, rows: float, *, seed: int = 0, phi: tuple[float, float, float] = (1.0, 1.0, 1.0)
) -> ColumnProfile:
    """Return a column with about so many rows each hour."""
    draw = np.random.default_rng(seed)
    counts = np.array([draw.multinomial(draw.poisson(rows), each) for each in shares])
    packed = pack_hours(counts, 10**6)
    assert packed is not None
    return ColumnProfile(
        name="x",
        kind=ColumnKind.NUMERIC,
        role=ColumnRole.INPUT,
        rows=int(counts.sum()),
        cuts=[float(cut) for cut in range(CATEGORIES - 1)],
        cells=counts.sum(axis=0).tolist(),
        phi=phi[0],
        hours=HourCells(packed=packed, phi_of_day=phi[1], phi_of_week=phi[2]),
    )


def farthest(found: Comparator, shares: Floats) -> float:
    """Return the largest gap between cumulative shares."""
    own = found.cells / found.cells.sum()
    return float(np.abs(np.cumsum(own) - np.cumsum(shares)).max())


WEEK = Seasonality.HOUR_OF_WEEK


def test_without_seasonality_everything_is_compared_with_the_whole_baseline() -> None:
    made = column(truth(2), 300, phi=(2.0, 1.0, 1.0))
    found = comparator_of(made, Seasonality.NONE, 5)
    assert found.cells.tolist() == made.cells
    assert (found.rows, found.basis, found.phi) == (sum(made.cells) / 2, Basis.POOLED, 2.0)


def test_a_column_without_hours_is_compared_with_the_whole_baseline() -> None:
    made = msgspec.structs.replace(column(truth(2), 300), hours=None)
    assert comparator_of(made, WEEK, 5).basis is Basis.POOLED


def test_a_daily_cycle_is_compared_with_its_hours() -> None:
    shares = truth(2)
    made = column(shares, 300)
    pooled = comparator_of(made, Seasonality.NONE, 6)
    for seasonality in (Seasonality.HOUR_OF_DAY, WEEK):
        found = comparator_of(made, seasonality, 6)
        assert farthest(found, shares[6]) < farthest(pooled, shares[6]) / 8
        assert found.basis is Basis.HOUR_OF_DAY
        assert 1500 < found.rows < 168 * 300 / 8


def test_a_weekend_is_compared_with_its_own_hours() -> None:
    shares = truth(2, weekend=2)
    made = column(shares, 3000)
    found = comparator_of(made, WEEK, 130)
    assert found.basis is Basis.HOUR_OF_WEEK
    assert farthest(found, shares[130]) < 0.02
    daily = comparator_of(made, Seasonality.HOUR_OF_DAY, 130)
    assert daily.basis is Basis.HOUR_OF_DAY
    assert farthest(daily, shares[130]) > 0.1


def test_hours_that_are_alike_are_compared_with_the_whole_baseline() -> None:
    made = column(truth(0), 300)
    found = [comparator_of(made, WEEK, hour) for hour in range(HOURS_OF_WEEK)]
    assert np.mean([each.basis is Basis.POOLED for each in found]) > 0.8
    assert np.median([each.rows for each in found]) > 0.2 * sum(made.cells)


def test_hours_seen_once_are_not_compared_with() -> None:
    made = column(truth(2, weekend=2), 3000, phi=(3.0, 2.0, 0.0))
    found = comparator_of(made, WEEK, 130)
    assert (found.basis, found.phi) == (Basis.HOUR_OF_DAY, 2.0)
    made = column(truth(2), 3000, phi=(3.0, 0.0, 0.0))
    assert comparator_of(made, WEEK, 130).basis is Basis.POOLED


def test_dependent_rows_make_hours_lean_on_others_sooner() -> None:
    shares = truth(0.5, weekend=0.3)
    alone = comparator_of(column(shares, 3000), WEEK, 130)
    found = comparator_of(column(shares, 3000, phi=(20.0, 20.0, 20.0)), WEEK, 130)
    assert found.rows < 0.7 * alone.rows
    assert (alone.basis, found.basis) == (Basis.HOUR_OF_WEEK, Basis.HOUR_OF_DAY)
    assert found.cells.sum() == pytest.approx(found.rows * 20)


@pytest.mark.parametrize("rows", [100, 300, 3000])
@pytest.mark.parametrize(
    "shares",
    [truth(0), truth(0.3), truth(2), truth(1, weekend=0.5), truth(0, odd=1), truth(1, odd=3)],
    ids=["steady", "faint cycle", "cycle", "weekend", "odd hour", "cycle with odd hour"],
)
def test_rows_say_how_well_the_shares_are_known(rows: int, shares: Floats) -> None:
    outside = [
        farthest(found, shares[hour]) > dkw_radius(found.rows, 0.05)
        for seed in range(10)
        for made in [column(shares, rows, seed=seed)]
        for hour in range(HOURS_OF_WEEK)
        for found in [comparator_of(made, WEEK, hour)]
    ]
    assert np.mean(outside) <= 0.05


def test_hours_of_the_week_are_those_of_the_zone() -> None:
    sunday = 1_700_434_800.0  # 2023-11-19T23:00:00Z
    assert hour_of_week(sunday, "UTC") == 167
    assert hour_of_week(sunday, "Europe/Berlin") == 0
    assert hour_of_week(sunday, "America/New_York") == 6 * 24 + 18
    summer = 1_689_548_400.0  # 2023-07-16T23:00:00Z, a Sunday
    assert hour_of_week(summer, "Europe/Berlin") == 1
    with pytest.raises(ZoneInfoNotFoundError):
        hour_of_week(sunday, "Middle/Earth")


@pytest.mark.parametrize(
    ("held", "served"),
    [
        ("None", [True, False, False]),
        ("HourOfDay", [True, True, False]),
        ("HourOfWeek", [True, True, True]),
        ("PhaseOfMoon", [True, False, False]),
    ],
)
def test_a_profile_serves_what_is_no_finer_than_its_counts(held: str, served: list[bool]) -> None:
    profile = Profile(rows=1, columns=[], seasonality=held)
    assert [holds(profile, each) for each in Seasonality] == served
