"""Which columns follow the clock, told from rows, and what a profile keeps of it."""

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.profile import (
    MAX_PROFILE_BYTES,
    HourCells,
    InvalidProfileError,
    Profile,
    canonical,
    load_profile,
)
from modelmonitor.core.baseline.profile_builder import Clocked, build_profile
from modelmonitor.core.baseline.profile_hours import HOURS_OF_WEEK, unpack_hours
from modelmonitor.core.baseline.profile_seasons import TimedColumn, with_hours
from modelmonitor.core.baseline.seasons import Basis, comparator_of, hours_of_week

Floats = NDArray[np.float64]

MONDAY = 1_356_998_400.0 + 6 * 86_400  # 2013-01-07T00:00:00Z
DAY = 86_400.0


def rows(
    days: float, a_day: int, *, cycle: float = 0.0, weekend: float = 0.0, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return times and values of a normal column that follows the clock, in deviations."""
    draw = np.random.default_rng(seed)
    times = MONDAY + np.sort(draw.random(round(days * a_day))) * days * DAY
    hour = hours_of_week(times, "UTC")
    values = draw.standard_normal(times.size) + cycle * np.sin(2 * np.pi * hour / 24)
    return times, values + weekend * (hour >= 120)


def built(
    times: Floats, values: Floats, *, seasonality: Seasonality | None = None, zone: str = "UTC"
) -> Profile:
    clock = Clocked(seasonality=seasonality, zone=zone)
    return build_profile({"x": values}, times=times, clock=clock)


@pytest.mark.parametrize(
    ("cycle", "weekend", "found"),
    [
        (0.0, 0.0, "None"),
        (0.5, 0.0, "HourOfDay"),
        (0.0, 0.5, "HourOfWeek"),
        (0.5, 0.5, "HourOfWeek"),
    ],
)
def test_the_seasonality_is_the_one_that_knows_most_of_weeks_it_has_not_seen(
    cycle: float, weekend: float, found: str
) -> None:
    profile = built(*rows(28, 1500, cycle=cycle, weekend=weekend))
    assert profile.seasonality == found
    assert (profile.columns[0].hours is None) == (found == "None")


def test_a_faint_season_is_worth_only_many_rows() -> None:
    few, many = (built(*rows(28, a_day, cycle=0.1)) for a_day in (700, 20_000))
    assert (few.seasonality, many.seasonality) == ("None", "HourOfDay")
    asked = built(*rows(28, 700, cycle=0.2), seasonality=Seasonality.HOUR_OF_DAY)
    assert asked.columns[0].hours is not None


def test_weather_is_hardly_ever_a_season() -> None:
    taken = []
    for seed in range(20):
        times, values = rows(28, 300, seed=seed)
        weather = np.random.default_rng(100 + seed).standard_normal(28)
        weathered = values + weather[((times - MONDAY) // DAY).astype(int)]
        taken.append(built(times, weathered).seasonality != "None")
    assert np.mean(taken) <= 0.1


def test_chance_is_hardly_ever_a_season() -> None:
    found = [built(*rows(days, 500, seed=days)).seasonality for days in (2, 3, 4, 8, 15, 29, 60)]
    assert set(found) == {"None"}


def test_hours_are_those_of_the_rows() -> None:
    times, values = rows(21, 3000, cycle=1)
    profile = built(times, values, zone="America/New_York")
    column = profile.columns[0]
    assert (profile.timeZone, column.hours is not None) == ("America/New_York", True)
    assert column.hours is not None
    counts = unpack_hours(column.hours.packed, column.cells)
    hour = hours_of_week(times, "America/New_York")
    assert counts.rows.tolist() == np.bincount(hour, minlength=HOURS_OF_WEEK).tolist()
    assert counts.cells.sum(axis=0).tolist() == column.cells
    assert load_profile(canonical(profile)) == profile


def test_the_cycle_is_dependence_only_of_those_who_do_not_compare_with_hours() -> None:
    column = built(*rows(28, 3000, cycle=0.5)).columns[0]
    assert column.phi > 10
    assert column.hours is not None
    assert column.hours.phi_of_day < 1.5
    assert comparator_of(column, Seasonality.NONE, 6).phi == column.phi
    found = comparator_of(column, Seasonality.HOUR_OF_DAY, 6)
    assert (found.basis, found.phi) == (Basis.HOUR_OF_DAY, column.hours.phi_of_day)
    assert found.rows > comparator_of(column, Seasonality.NONE, 6).rows / 2


def test_three_days_fall_back_to_the_hours_of_the_day() -> None:
    times, values = rows(3, 5000, cycle=0.5, weekend=0.5)
    profile = built(times, values, seasonality=Seasonality.HOUR_OF_WEEK)
    assert profile.seasonality == "HourOfDay"
    assert any("each hour of the week at least twice" in text for text in profile.warnings)
    hour = 30
    found = comparator_of(profile.columns[0], Seasonality.HOUR_OF_WEEK, hour)
    assert found.basis is Basis.HOUR_OF_DAY


def test_a_day_falls_back_to_all_of_it() -> None:
    times, values = rows(0.9, 5000, cycle=0.5)
    assert built(times, values).seasonality == "None"


def test_less_may_be_asked_for() -> None:
    times, values = rows(28, 1500, cycle=0.5, weekend=0.5)
    daily = built(times, values, seasonality=Seasonality.HOUR_OF_DAY)
    assert daily.seasonality == "HourOfDay"
    assert daily.columns[0].hours is not None
    assert daily.columns[0].hours.phi_of_week == 0
    none = built(times, values, seasonality=Seasonality.NONE)
    assert (none.seasonality, none.columns[0].hours) == ("None", None)


def test_what_was_asked_for_is_held_though_no_column_needs_it() -> None:
    profile = built(*rows(28, 1500), seasonality=Seasonality.HOUR_OF_WEEK)
    assert (profile.seasonality, profile.columns[0].hours) == ("HourOfWeek", None)


@pytest.mark.parametrize("rows_an_hour", [30, 300, 60_000])
def test_two_hundred_columns_fit_a_config_map(rows_an_hour: int) -> None:
    times, values = rows(28, 1500, cycle=0.5, weekend=0.5)
    column = built(times, values).columns[0]
    draw = np.random.default_rng(0)
    whole = np.zeros((HOURS_OF_WEEK, len(column.cells)))
    hour = np.arange(HOURS_OF_WEEK)[:, None]
    whole[:, 1:-1] = np.exp(np.sin(2 * np.pi * hour / 24 + np.arange(len(column.cells) - 2)) / 2)
    shares = whole / whole.sum(axis=1, keepdims=True)
    columns = []
    for number in range(200):
        counts = np.array([draw.multinomial(draw.poisson(rows_an_hour), each) for each in shares])
        profile = msgspec.structs.replace(
            column,
            name=f"a-column-with-a-name-of-ordinary-length-{number}",
            rows=int(counts.sum()),
            cells=counts.sum(axis=0).tolist(),
            hours=None,
        )
        hours = HourCells(packed=b"", phi_of_day=1.234, phi_of_week=1.234)
        columns.append(TimedColumn(profile, Seasonality.HOUR_OF_WEEK, counts, hours))
    bare = Profile(rows=columns[0].profile.rows, columns=[each.profile for each in columns])
    room = MAX_PROFILE_BYTES - 48 * 1024 - len(canonical(bare))
    profile_ = msgspec.structs.replace(bare, columns=with_hours(columns, room))
    payload = canonical(profile_)
    assert len(payload) <= MAX_PROFILE_BYTES
    assert all(each.hours is not None for each in load_profile(payload).columns)
    # Shares are known far better than so many rows know them.
    for made, packed in zip(columns[:5], profile_.columns, strict=False):
        assert packed.hours is not None
        assert made.counts is not None
        found = unpack_hours(packed.hours.packed, packed.cells)
        assert np.array_equal(found.rows, made.counts.sum(axis=1))
        truth = made.counts / made.counts.sum(axis=1, keepdims=True)
        wrong = np.abs(np.cumsum(found.shares - truth, axis=1)).max()
        assert wrong <= 0.25 / rows_an_hour**0.5 + 0.004


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"packed": b"nonsense"}, "format"),
        ({"phi_of_day": 0.5}, "phiOfDay: must be at least 1"),
        ({"phi_of_week": float("inf")}, "phiOfWeek|not readable"),
    ],
)
def test_impossible_hours_are_refused(change: dict[str, object], words: str) -> None:
    profile = built(*rows(21, 1500, cycle=0.5))
    column = profile.columns[0]
    assert column.hours is not None
    bad = msgspec.structs.replace(column, hours=msgspec.structs.replace(column.hours, **change))
    with pytest.raises(InvalidProfileError, match=words):
        load_profile(canonical(msgspec.structs.replace(profile, columns=[bad])))


def test_an_unknown_time_zone_is_refused() -> None:
    profile = built(*rows(2, 1500))
    for zone in ("Middle/Earth", "../etc/passwd", "", "x" * 5000):
        with pytest.raises(InvalidProfileError, match=r"timeZone: .* is no time zone"):
            load_profile(canonical(msgspec.structs.replace(profile, timeZone=zone)))


def test_keys_of_newer_versions_are_ignored_and_old_profiles_keep_their_bytes() -> None:
    profile = built(*rows(2, 1500))
    newer = msgspec.json.decode(canonical(profile))
    newer["moons"] = {"full": 1}
    newer["columns"][0]["aura"] = "blue"
    assert load_profile(msgspec.json.encode(newer)) == profile
    assert not {b"hours", b"expectedAlarms", b"performance"} & set(canonical(profile).split(b'"'))
