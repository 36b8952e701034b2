"""Counts by hour of a baseline of panes: where the day or the week tells values apart."""

import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.production import Period
from modelmonitor.core.baseline.profile import Profile, canonical, digest, load_profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.baseline.relearn import relearned
from modelmonitor.core.baseline.seasons import Basis, comparator_of, hours_of_week
from modelmonitor.core.pane.history import HOUR, ColumnHour, Hour, Origin

T0 = 1_700_438_400.0 // HOUR * HOUR
SKELETON = build_profile({"x": np.random.default_rng(1).normal(size=4000)})
DIGEST = digest(SKELETON)
ROWS = 600


def recorded(weeks: int, by_hour: NDArray[np.float64]) -> tuple[list[Hour], Period]:
    """Return hours whose values have a mean by the hour of the week, UTC."""
    rng = np.random.default_rng(8)
    period = Period(T0, T0 + weeks * 168 * HOUR)
    starts = np.arange(period.since, period.until, HOUR)
    means = by_hour[hours_of_week(starts, "UTC")]
    cuts = SKELETON.columns[0].cuts
    hours = []
    for start, mean in zip(starts, means, strict=True):
        cells = np.bincount(
            np.searchsorted(cuts, rng.normal(mean, 1, ROWS)), minlength=len(cuts) + 1
        )
        column = ColumnHour(rows=ROWS, cells=cells.tolist())
        origin = Origin(revision="r", digest=DIGEST, interval=60.0, columns={"x": column})
        hours.append(Hour(start=float(start), origins=[origin]))
    return hours, period


DAILY = np.tile(np.sin(np.arange(24) / 24 * 2 * np.pi), 7)
WEEKLY = np.repeat([0.0, 0.0, 0.0, 0.0, 0.0, 1.5, 1.5], 24)


def made(weeks: int, by_hour: NDArray[np.float64], wanted: Seasonality) -> Profile:
    hours, period = recorded(weeks, by_hour)
    return relearned(SKELETON, DIGEST, hours, period, wanted)


@pytest.mark.parametrize(
    ("weeks", "by_hour", "basis"),
    [(1, DAILY, Basis.HOUR_OF_DAY), (4, WEEKLY, Basis.HOUR_OF_WEEK)],
)
def test_values_that_follow_the_clock_are_compared_with_their_hour(
    weeks: int, by_hour: NDArray[np.float64], basis: Basis
) -> None:
    profile = made(weeks, by_hour, Seasonality.HOUR_OF_WEEK)
    assert load_profile(canonical(profile)) == profile
    assert profile.seasonality == basis.value
    (column,) = profile.columns
    assert column.phi > 10  # without the clock, hours wander
    assert comparator_of(column, Seasonality.HOUR_OF_WEEK, 130).basis is basis


def test_values_that_do_not_follow_the_clock_are_pooled() -> None:
    profile = made(4, np.zeros(168), Seasonality.HOUR_OF_WEEK)
    assert profile.seasonality == "None"
    assert profile.columns[0].hours is None
    assert profile.columns[0].phi == 1


def test_hours_are_counted_where_they_are_asked_for_only() -> None:
    assert made(1, DAILY, Seasonality.NONE).columns[0].hours is None


def test_the_week_is_not_told_from_one_week() -> None:
    profile = made(1, WEEKLY, Seasonality.HOUR_OF_WEEK)
    assert profile.seasonality != "HourOfWeek"
