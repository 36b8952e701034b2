"""What follows the clock is compared with the same hours, and the verdict says with which."""

import re
from typing import Any

import numpy as np
import pytest

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.baseline.seasons import Basis
from modelmonitor.core.drift.drift_plan import plan_of
from modelmonitor.core.judging.verdict import Outcome
from tests.core.monitoring import drift, rows_pane, spec_of, tick
from tests.core.test_drift import Monitor

HOUR, DAY = 3600.0, 86_400.0
MONDAY = 1_699_833_600.0
"""A Monday, 0:00 UTC."""


def season(times: Any) -> Any:
    """Return the mean at some times: a wave over the day, higher from day to day of the week."""
    since = np.asarray(times) - MONDAY
    height = 0.5 + 0.5 * (since // DAY % 7)
    return height * np.sin(2 * np.pi * since / DAY)


def baseline(weeks: int, seed: int = 0) -> Profile:
    draw = np.random.default_rng(seed)
    times = MONDAY - weeks * 7 * DAY + np.sort(draw.random(weeks * 40_000)) * weeks * 7 * DAY
    return build_profile({"x": season(times) + draw.standard_normal(times.size)}, times=times)


@pytest.fixture(scope="module")
def weeks() -> Profile:
    return baseline(4)


def of_season(seasonality: str, *metrics: Any) -> ModelMonitorSpec:
    return spec_of(
        *(metrics or (drift("0.1"),)),
        interval="1h",
        baseline={
            "type": "ConfigMap",
            "configMap": {"name": "baseline"},
            "seasonality": seasonality,
        },
    )


class Days(Monitor):
    """A monitor with a tick an hour, from Monday on."""

    def hour(self, moved: float = 0.0, size: int = 400) -> Any:
        number = len(self.ticks)
        start = MONDAY + number * HOUR
        mean = season(start + self.draw.random(size) * HOUR) + moved
        made = rows_pane(
            self.profile,
            number,
            {"x": mean + self.draw.standard_normal(size)},
            start=start,
            end=start + HOUR,
            interval=HOUR,
        )
        return self.judge(tick(number, made, start=start, interval=HOUR))


def fired(monitor: Days, hours: int, moved: float = 0.0) -> int:
    return sum(monitor.hour(moved).outcome is Outcome.BREACH for _ in range(hours))


def test_a_week_like_the_others_is_no_drift_by_the_hour(weeks: Profile) -> None:
    assert fired(Days(weeks, spec=of_season("HourOfWeek")), 200) == 0


def test_the_shift_of_an_hour_is_found_against_its_own_hours(weeks: Profile) -> None:
    monitor = Days(weeks, spec=of_season("HourOfWeek"))
    assert fired(monitor, 30) == 0
    assert fired(monitor, 6, moved=1.0) >= 4


def test_the_verdict_names_the_hours_it_compares_with(weeks: Profile) -> None:
    week, day = Days(weeks, spec=of_season("HourOfWeek")), Days(weeks, spec=of_season("HourOfDay"))
    pooled = Days(weeks, spec=of_season("None"))
    assert "; compared with the same hour of the week" in week.hour().message
    assert "; compared with the same hour of the day" in day.hour().message
    assert "compared with" not in pooled.hour().message


def test_the_verdict_says_when_it_falls_back() -> None:
    draw = np.random.default_rng(0)
    built = build_profile({"x": draw.standard_normal(20_000)})
    found = Days(built, spec=of_season("HourOfWeek")).hour()
    assert (
        "; compared with all hours: of the same hour of the week the baseline has too few rows"
        in found.message
    )


def test_evidence_goes_on_from_one_hour_to_the_next(weeks: Profile) -> None:
    metric = of_season("HourOfWeek").metrics[0]
    assert metric.drift is not None
    budget = of_season("HourOfWeek").drift
    plan = plan_of(weeks, metric.drift, budget, HOUR, 1, Seasonality.HOUR_OF_WEEK)
    six, noon = plan.at(MONDAY + 6 * HOUR), plan.at(MONDAY + 12 * HOUR)
    assert six.basis == noon.basis == (Basis.HOUR_OF_WEEK,)
    assert np.abs(six.base - noon.base).max() > 0.2
    assert six.bets.rise.shape == noon.bets.rise.shape == plan.bank.ahead.shape
    assert plan.at(MONDAY + 6 * HOUR) is six


def test_more_comparators_are_each_believed_a_little_less(weeks: Profile) -> None:
    metric = of_season("None").metrics[0]
    assert metric.drift is not None
    levels = [
        plan_of(weeks, metric.drift, of_season("None").drift, HOUR, 1, each).level
        for each in (Seasonality.NONE, Seasonality.HOUR_OF_DAY, Seasonality.HOUR_OF_WEEK)
    ]
    assert levels == pytest.approx([0.05, 0.05 / 24, 0.05 / 168])


def test_what_the_clock_explains_is_not_learned_as_dependence(weeks: Profile) -> None:
    by_hour = Days(weeks, spec=of_season("HourOfWeek"))
    said = [by_hour.hour() for _ in range(128)][-1]
    pooled = Days(weeks, spec=of_season("None"))
    pooled_said = [pooled.hour() for _ in range(128)][-1]
    assert learned_of(said.message) <= 4
    assert learned_of(pooled_said.message) > 20
    hours = (by_hour.hour(1.0).outcome for _ in range(6))
    assert Outcome.BREACH in hours


def learned_of(message: str) -> int:
    """Return how many rows a message says are worth one independent row."""
    found = re.search(r"up to (\d+) rows were worth one", message)
    return int(found[1]) if found else 1
