"""Verdicts on distances: of every statistic, at every hour, and in words."""

from typing import Any, Final

import numpy as np
import pytest

from modelmonitor.api.v1alpha1.metric_options import DistanceStatistic
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import Clocked, build_profile
from modelmonitor.core.judging.distances import OF_CELLS, OF_ORDER, OF_SCALE
from modelmonitor.core.judging.verdict import Outcome, Verdict
from tests.core.monitoring import EPOCH, INTERVAL, judge, rows_pane, spec_of, tick

DAY: Final = 86_400.0
BASELINE: Final = {"type": "ConfigMap", "configMap": {"name": "baseline"}}


def metric(statistic: str, critical: str = "0.3", **more: Any) -> dict[str, Any]:
    return {
        "type": "Distance",
        "distance": {"column": "x", "statistic": statistic},
        "threshold": {"operator": "GreaterThan", "critical": critical},
        **more,
    }


def verdict(profile: Profile, statistic: str, values: Any, **more: Any) -> Verdict:
    one = tick(0, rows_pane(profile, 0, {"x": values}))
    return judge(spec_of(metric(statistic, **more)), [one], profile)


@pytest.fixture(scope="module")
def numbers() -> Profile:
    return build_profile({"x": np.random.default_rng(0).standard_normal(20_000)})


@pytest.fixture(scope="module")
def categories() -> Profile:
    return build_profile({"x": ["a", "b", "c", "d"] * 2000})


def test_every_statistic_of_the_api_is_measured() -> None:
    assert set(OF_CELLS) | set(OF_ORDER) == set(DistanceStatistic)
    assert not set(OF_CELLS) & set(OF_ORDER)


@pytest.mark.parametrize("statistic", list(DistanceStatistic))
def test_every_statistic_grows_with_the_shift_and_is_sure_of_a_large_one(
    numbers: Profile, statistic: str
) -> None:
    draw = np.random.default_rng(1).standard_normal(4000)
    found = [verdict(numbers, statistic, draw + shift) for shift in (0.0, 0.5, 1.5, 4.0)]
    values = [each.value or 0.0 for each in found]
    assert values == sorted(values)
    assert found[-1].outcome is Outcome.BREACH
    assert found[0].outcome is not Outcome.BREACH


@pytest.mark.parametrize("statistic", list(OF_CELLS))
def test_statistics_of_cells_judge_categories(categories: Profile, statistic: str) -> None:
    same = verdict(categories, statistic, ["a", "b", "c", "d"] * 1000)
    other = verdict(categories, statistic, ["e", "e", "e", "d"] * 1000)
    assert (same.outcome, other.outcome) == (Outcome.NO_BREACH, Outcome.BREACH)


@pytest.mark.parametrize("statistic", list(OF_ORDER))
def test_statistics_of_order_refuse_categories(categories: Profile, statistic: str) -> None:
    found = verdict(categories, statistic, ["a"] * 500)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "ColumnKindUnsupported")
    assert "categorical" in found.message


@pytest.mark.parametrize("statistic", sorted(OF_SCALE))
def test_a_column_of_one_value_has_no_scale(statistic: str) -> None:
    found = verdict(build_profile({"x": np.full(5000, 7.0)}), statistic, np.full(500, 7.0))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "ColumnKindUnsupported")
    assert "KolmogorovSmirnov" in found.message


def test_messages_of_tests_say_their_p_value(categories: Profile) -> None:
    found = verdict(categories, "ChiSquare", ["a", "a", "b", "c", "d"] * 400)
    assert "(chi-square " in found.message
    assert "df 3, p " in found.message
    assert "(G " in verdict(categories, "GTest", ["a", "a", "b", "c", "d"] * 400).message


@pytest.mark.parametrize("statistic", sorted(OF_SCALE))
def test_values_beyond_the_baseline_count_as_its_ends(numbers: Profile, statistic: str) -> None:
    draw = np.random.default_rng(2).standard_normal(4000)
    far = draw.copy()
    far[:400] = 1e9
    near = draw.copy()
    near[:400] = 10.0
    found, other = verdict(numbers, statistic, far), verdict(numbers, statistic, near)
    assert found.value == other.value
    assert "10% beyond the baseline's range" in found.message
    assert "beyond" not in verdict(numbers, statistic, np.clip(draw, -2, 2)).message


def test_the_time_of_day_is_no_distance() -> None:
    draw = np.random.default_rng(3)
    times = EPOCH - 28 * DAY + np.sort(draw.random(120_000)) * 28 * DAY
    wave = 3 * np.sin(2 * np.pi * times / DAY)
    built = build_profile(
        {"x": wave + draw.standard_normal(times.size)}, times=times, clock=Clocked()
    )
    assert built.seasonality == "HourOfDay"
    now = 3 * np.sin(2 * np.pi * EPOCH / DAY) + draw.standard_normal(3000)
    one = tick(0, rows_pane(built, 0, {"x": now}))
    pooled = judge(spec_of(metric("TotalVariation")), [one], built)
    hourly = judge(
        spec_of(metric("TotalVariation"), baseline={**BASELINE, "seasonality": "HourOfDay"}),
        [one],
        built,
    )
    assert pooled.outcome is Outcome.BREACH
    assert hourly.outcome is Outcome.NO_BREACH
    assert "the same hours of the day" in hourly.message
    assert (hourly.value or 0.0) < (pooled.value or 0.0) / 3


def test_a_window_of_several_hours_is_compared_with_their_mixture() -> None:
    draw = np.random.default_rng(4)
    times = EPOCH - 28 * DAY + np.sort(draw.random(120_000)) * 28 * DAY

    def values(at: Any) -> Any:
        wave = 3 * np.sin(2 * np.pi * np.asarray(at) / DAY)
        return wave + draw.standard_normal(np.shape(at))

    built = build_profile({"x": values(times)}, times=times)
    ticks = [
        tick(
            number, rows_pane(built, number, {"x": values(np.full(60, EPOCH + number * INTERVAL))})
        )
        for number in range(180)
    ]
    spec = spec_of(
        metric("TotalVariation", window="3h"), baseline={**BASELINE, "seasonality": "HourOfDay"}
    )
    found = judge(spec, ticks, built)
    assert found.outcome is Outcome.NO_BREACH
    assert found.samples == 180 * 60
