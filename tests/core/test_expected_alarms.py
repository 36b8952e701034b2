"""Alarms to expect: every part of a baseline held against the others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.core.baseline.expected_alarms import expected_alarms, interval_of
from modelmonitor.core.baseline.profile import ExpectedAlarms
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.baseline.profile_columns import ColumnRole
from modelmonitor.core.baseline.seasons import hours_of_week
from tests.core.monitoring import Table

Floats = NDArray[np.float64]

MONDAY = 1_357_516_800.0
DAY = 86_400.0


def times_of(days: float, rows: int, seed: int = 0) -> Floats:
    return MONDAY + np.sort(np.random.default_rng(seed).random(rows)) * days * DAY


def found_in(table: Table, times: Floats) -> ExpectedAlarms | None:
    return expected_alarms(build_profile(table, times=times), table, times)


def test_independent_rows_do_not_alarm() -> None:
    times = times_of(28, 10_000)
    draw = np.random.default_rng(1)
    table = {"x": draw.standard_normal(times.size), "y": draw.choice(["a", "b"], times.size)}
    found = found_in({"x": table["x"], "y": table["y"].tolist()}, times)
    assert found is not None
    assert (found.critical, found.warning, found.columns) == (0, 0, [])
    assert found.days == pytest.approx(28, abs=0.1)


def test_a_daily_cycle_does_not_alarm_where_hours_are_compared_with() -> None:
    times = times_of(28, 30_000)
    values = np.random.default_rng(2).standard_normal(times.size)
    values += np.sin(hours_of_week(times, "UTC") * np.pi / 12)
    found = found_in({"x": values}, times)
    assert found is not None
    assert found.critical + found.warning <= 0.5


def test_a_week_unlike_the_others_alarms_and_is_named() -> None:
    times = times_of(28, 30_000)
    draw = np.random.default_rng(3)
    steady, odd = draw.standard_normal((2, times.size))
    odd[times >= MONDAY + 21 * DAY] += 5
    # The rows' dependence explains a part of it; so much is beyond what blocks ever showed.
    found = found_in({"steady": steady, "odd": odd}, times)
    assert found is not None
    assert found.critical > 0
    assert found.columns == ["odd"]


def test_short_baselines_are_cut_into_days() -> None:
    times = times_of(6, 10_000)
    values = np.random.default_rng(4).standard_normal(times.size)
    found = found_in({"x": values}, times)
    assert found is not None
    assert found.days == pytest.approx(6, abs=0.1)


def test_too_short_ones_say_nothing() -> None:
    times = times_of(2, 5000)
    assert found_in({"x": np.random.default_rng(5).standard_normal(times.size)}, times) is None


def test_rows_may_come_in_any_order_and_as_lists() -> None:
    times = times_of(7, 4000)
    draw = np.random.default_rng(6)
    values, names = draw.standard_normal(times.size), draw.choice(["a", "b"], times.size)
    order = draw.permutation(times.size)
    output = OutputColumn(column="y", role=ColumnRole.LABEL)
    table: Table = {"x": values, "y": names.tolist()}
    mixed: Table = {"x": values[order], "y": names[order].tolist()}
    profile = build_profile(table, outputs=[output], times=times)
    assert expected_alarms(profile, table, times) == expected_alarms(profile, mixed, times[order])


def test_ticks_are_as_long_as_times_can_tell() -> None:
    assert interval_of(np.arange(MONDAY, MONDAY + 4 * DAY, 3600.0)) == 3600
    assert interval_of(times_of(1, 50_000)) == 60
    assert interval_of(times_of(60, 50_000)) == 3600
