"""Suggested thresholds, and how often a history says that alarms come."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from modelmonitor.api.v1alpha1.spec import DriftBudget, Severity
from modelmonitor.core.acting.alert import Timing
from modelmonitor.core.replay.playback import History
from modelmonitor.core.replay.suggestion import (
    MONTH,
    Span,
    Suggestion,
    alarms_of,
    suggest,
    unexpected,
    uses,
    usual_seconds,
)
from modelmonitor.core.replay.track import Alarm, Phase, Track
from tests.core.monitoring import drift, spec_of, steady

HOUR: Final = 3600.0
WEEK: Final = 168 * HOUR
BUDGET: Final = DriftBudget()


def track_of(
    values: Sequence[float],
    threshold: dict[str, Any],
    *,
    alarms: Sequence[Alarm] = (),
    critical: int = 0,
    type_: str = "Statistic",
) -> Track:
    """Return an hourly track; the first ticks are critical, the others calm."""
    options = (
        {"statistic": {"column": "x", "of": "Mean"}}
        if type_ == "Statistic"
        else {"dataQuality": {"check": "MissingRatio", "columns": {"group": "All"}}}
    )
    spec = spec_of({"type": type_, **options, "threshold": threshold}, interval="1h")
    phases = np.full(len(values), int(Phase.CALM), np.int8)
    phases[:critical] = int(Phase.CRITICAL)
    return Track(
        metric=spec.metrics[0],
        ends=np.arange(1, len(values) + 1, dtype=np.float64) * HOUR,
        values=np.array(values, np.float64),
        phases=phases,
        judged=len(values),
        skipped={},
        reasons={},
        examples={},
        alarms=tuple(alarms),
        strength={},
        moved={},
    )


def history_of(track: Track) -> History:
    return History(
        interval=HOUR,
        first=0.0,
        last=HOUR * track.ticks,
        ticks=track.ticks,
        filled=track.ticks,
        tracks=(track,),
    )


def suggested(track: Track, incidents: Sequence[Span] = ()) -> dict[str, Suggestion]:
    found = suggest(track, history_of(track), BUDGET, incidents)
    return {each.field: each for each in found}


def above(warning: str = "1", critical: str | None = None, **more: str) -> dict[str, Any]:
    bounds = {"warning": warning} | ({"critical": critical} if critical else {})
    return {"operator": "GreaterThan", **bounds, **more}


def spikes(weeks: int, heights: Sequence[float]) -> list[float]:
    """Return calm hours around 1, with one spike a week."""
    values = [1.0] * (168 * weeks)
    for week, height in enumerate(heights):
        values[week * 168 + 80] = height
    return values


def test_a_warning_may_come_as_often_as_the_budget_allows() -> None:
    # Four weeks allow four warnings: five spikes, so that the lowest is exceeded no more.
    values = spikes(4, [3.14, 5.0, 6.0, 7.0])
    values[20] = 9.0

    found = suggested(track_of(values, above()))["warning"]

    assert found.value == "3.2"
    assert found.allowed == 4
    assert found.between == WEEK


def test_a_critical_threshold_is_not_exceeded_by_a_history_shorter_than_its_budget() -> None:
    found = suggested(track_of(spikes(4, [3.1, 5.0, 6.0, 7.01]), above(critical="2")))

    assert found["critical"].value == "7.1"
    assert found["critical"].allowed == 0


def test_time_that_is_known_to_have_been_unusual_is_left_out() -> None:
    values = spikes(4, [3.1, 5.0, 6.0, 7.01])
    incident = Span(HOUR * (3 * 168 + 78), HOUR * (3 * 168 + 82))

    assert suggested(track_of(values, above(critical="2")), [incident])["critical"].value == "6"


def test_what_is_always_exceeded_does_not_pass_for_one_alarm() -> None:
    values = np.linspace(1.0, 2.0, 168 * 10)

    found = suggested(track_of(values.tolist(), above(keepFiringFor="24h")))["warning"]

    # Ten alarms are allowed, each as long as the window in which one odd moment stays: an hour.
    assert (values > float(found.value)).sum() <= 10
    assert found.value == "2"


def test_a_breach_that_does_not_last_is_no_alarm() -> None:
    values = spikes(4, [])
    for hour in (10, 60, 110, 160, 210, 260):
        values[hour] = 5.0

    assert suggested(track_of(values, above(pendingFor="1h")))["warning"].value == "1"
    assert suggested(track_of(values, above()))["warning"].value == "5"


def test_thresholds_from_below_are_suggested_below() -> None:
    values = [10.0 - value for value in spikes(2, [6.55, 8.0])]
    values[20] = 1.5
    below = {"operator": "LessThan", "warning": "1"}

    # Two may go below: the lowest is exceeded by none but them.
    assert suggested(track_of(values, below))["warning"].value == "3.4"


def test_a_range_is_suggested_around_what_was_seen() -> None:
    values = [1.0, *spikes(1, [7.23]), -3.11]
    outside = {"operator": "OutsideRange", "criticalRange": {"low": "0", "high": "1"}}

    assert suggested(track_of(values, outside))["criticalRange"].value == (
        '{low: "-3.2", high: "7.3"}'
    )


def test_thresholds_that_hold_the_bound_itself_are_suggested_beyond_it() -> None:
    threshold = {"operator": "GreaterThanOrEqual", "critical": "1"}

    assert suggested(track_of([2.0, 7.0, 2.0], threshold))["critical"].value == "7.1"


def test_a_ratio_above_one_is_not_suggested() -> None:
    values = [0.0, 1.0, 1.0]
    assert suggested(track_of(values, above("0.5"), type_="DataQuality")) == {}


def shifts(values: Sequence[float], critical: int) -> Track:
    """Return a Drift track whose first ticks are critical."""
    spec = spec_of(drift(critical="0.1", warning="0.05"), interval="1h")
    return replace(track_of(values, above(), critical=critical), metric=spec.metrics[0])


def test_a_tolerance_is_suggested_above_all_that_moved_while_it_alarmed() -> None:
    found = suggested(shifts([0.3, 0.181, 0.25, 0.7, 0.0], critical=3))

    assert {name: each.value for name, each in found.items()} == {
        "critical": "0.31",
        "warning": "0.31",
    }


def test_drift_that_never_alarmed_keeps_its_tolerance() -> None:
    assert suggested(shifts([0.04, 0.9], critical=0)) == {}


def test_no_tolerance_fits_where_a_column_moved_altogether() -> None:
    found = suggested(shifts([1.0, 0.2], critical=2))
    assert [each.value for each in found.values()] == ["", ""]


def test_a_metric_that_never_had_a_value_gets_no_suggestion() -> None:
    assert suggested(track_of([np.nan] * 5, above())) == {}


@steady
@given(
    st.lists(st.floats(0.0, 50.0, allow_subnormal=False), min_size=1, max_size=400),
    st.integers(1, 3),
)
def test_a_suggestion_keeps_to_what_is_allowed(values: list[float], weeks: int) -> None:
    padded = [*values, *[0.0] * (weeks * 168)]
    track = track_of(padded, above(pendingFor="1h", keepFiringFor="2h"))

    found = suggested(track)["warning"]

    beyond = np.array(padded) > float(found.value) * (1 + 1e-9) + 1e-9
    assert alarms_of(beyond, Timing(HOUR, 2 * HOUR), HOUR) <= found.allowed


@pytest.mark.parametrize(
    ("breaches", "timing", "expected"),
    [
        ("..x..x.", Timing(0, 0), 2),
        ("..x..x.", Timing(HOUR, 0), 0),
        (".xx..x.", Timing(HOUR, 0), 1),
        ("..x..x.", Timing(0, 2 * HOUR), 1),
        ("..x...x", Timing(0, 2 * HOUR), 2),
        (".......", Timing(0, 0), 0),
        ("xxxxxxx", Timing(0, 0), 1),
    ],
)
def test_breaches_make_alarms_as_the_state_machine_does(
    breaches: str, timing: Timing, expected: int
) -> None:
    found = alarms_of(np.array([each == "x" for each in breaches]), timing, HOUR)
    assert found == expected


def alarm(began: float, severity: Severity = Severity.WARNING) -> Alarm:
    return Alarm(metric="statistic", began=began, ended=began + HOUR, severity=severity)


def test_alarms_a_month_are_told_with_what_cannot_be_ruled_out() -> None:
    alarms = [alarm(10 * HOUR), alarm(300 * HOUR, Severity.CRITICAL)]
    track = track_of([1.0] * 720, above(critical="2"), alarms=alarms, critical=72)

    critical, warning = uses(track, history_of(track), [])

    assert history_of(track).seconds == MONTH
    assert (critical.severity, critical.alarms, critical.per_month) == (Severity.CRITICAL, 1, 1.0)
    assert (warning.severity, warning.alarms, warning.per_month) == (Severity.WARNING, 2, 2.0)
    assert critical.at_most == pytest.approx(chi2.ppf(0.95, 2 * (1 + 1)) / 2)
    assert warning.share == critical.share == pytest.approx(0.1)
    assert not warning.never
    assert not warning.always


def test_what_never_and_what_always_fires_is_told() -> None:
    never = track_of([1.0] * 10, above("5"))
    always = track_of([9.0] * 10, above(critical="5"), critical=10)

    assert uses(never, history_of(never), [])[0].never
    assert uses(always, history_of(always), [])[0].always


def test_an_incident_explains_alarms_while_it_is_in_the_window() -> None:
    alarms = [alarm(9 * HOUR), alarm(12 * HOUR), alarm(15 * HOUR), alarm(17 * HOUR)]
    track = track_of([1.0] * 20, above(), alarms=alarms)

    left = unexpected(track, history_of(track), [Span(10 * HOUR, 15 * HOUR)])

    assert [each.began for each in left] == [9 * HOUR, 17 * HOUR]


@pytest.mark.parametrize(
    ("incidents", "expected"),
    [
        ([], 100),
        ([(10, 20)], 90),
        ([(-5, 20), (10, 30)], 70),
        ([(90, 200), (300, 400)], 90),
        ([(10, 40), (20, 30)], 70),
    ],
)
def test_usual_time_is_what_no_incident_covers(
    incidents: list[tuple[int, int]], expected: int
) -> None:
    track = track_of([1.0] * 100, above())
    spans = [Span(begin * HOUR, end * HOUR) for begin, end in incidents]

    assert usual_seconds(history_of(track), spans) == expected * HOUR
