"""Periods of production: rolling ones move once a day, fixed ones have to be recorded whole."""

import pytest

from modelmonitor.api.v1alpha1.baseline import Baseline, ProductionBaseline
from modelmonitor.api.v1alpha1.conditions import BaselineReason, VerdictReason
from modelmonitor.core.baseline.comparator import Comparator, Made, Progress, Standing, standing
from modelmonitor.core.baseline.production import DAY, Pending, Period, Unrecorded, period_of
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.pane.history import HOUR, Recording, begin
from modelmonitor.core.times import format_time, parse_time

BEGAN = parse_time("2026-03-02T07:00:00Z")


def production(**fields: str) -> ProductionBaseline:
    return ProductionBaseline.model_validate({"configMap": {"name": "b"}, **fields})


def said(
    declared: ProductionBaseline,
    recording: Recording | None,
    comparator: Comparator | None,
    now: float,
) -> Standing:
    baseline = Baseline.model_validate({"type": "Production", "production": declared.to_wire()})
    return standing(baseline, Progress(recording, comparator), now)


ROLLING = production(period="48h", offset="24h")
FIXED = production(**{"from": "2026-03-03T00:00:00Z", "to": "2026-03-05T00:00:00Z"})


@pytest.mark.parametrize(("hours", "seen"), [(-0.5, 0), (0, 0), (1.5, 1), (71.99, 71)])
def test_a_rolling_period_waits_until_it_and_its_offset_have_passed(
    hours: float, seen: int
) -> None:
    assert period_of(ROLLING, BEGAN, BEGAN + hours * HOUR) == Pending(seen, 72)


def test_a_rolling_period_moves_once_a_day() -> None:
    first = Period(BEGAN, BEGAN + 2 * DAY)
    found = [period_of(ROLLING, BEGAN, BEGAN + hours * HOUR) for hours in (72, 95.9, 96, 1000)]
    assert found == [
        first,
        first,
        Period(BEGAN + DAY, BEGAN + 3 * DAY),
        Period(BEGAN + 38 * DAY, BEGAN + 40 * DAY),
    ]


@pytest.mark.parametrize("hours", [72, 80.3, 96, 333.3])
def test_a_rolling_period_ends_its_offset_ago_or_up_to_a_day_before(hours: float) -> None:
    now = BEGAN + hours * HOUR
    found = period_of(ROLLING, BEGAN, now)
    assert isinstance(found, Period)
    assert found.hours == 48
    assert now - 2 * DAY < found.until <= now - DAY


def test_parts_of_hours_are_rounded_up() -> None:
    found = period_of(production(period="25h30m"), BEGAN, BEGAN + 2 * DAY)
    assert isinstance(found, Period)
    assert found.hours == 26


def test_a_fixed_period_is_used_once_it_is_over() -> None:
    since, until = parse_time("2026-03-03T00:00:00Z"), parse_time("2026-03-05T00:00:00Z")
    assert period_of(FIXED, BEGAN, since - DAY) == Pending(0, 48)
    assert period_of(FIXED, BEGAN, since + 5 * HOUR) == Pending(5, 48)
    assert period_of(FIXED, BEGAN, until) == Period(since, until)
    assert period_of(FIXED, BEGAN, until + 100 * DAY) == Period(since, until)


def test_a_fixed_period_from_before_the_recording_is_refused() -> None:
    began = parse_time("2026-03-03T01:00:00Z")
    found = period_of(FIXED, began, began)
    assert isinstance(found, Unrecorded)
    refused = said(FIXED, begin("d", began), None, began)
    assert refused.reason is BaselineReason.PERIOD_NOT_RECORDED
    assert format_time(began) in refused.message
    assert refused.refusal.reason is VerdictReason.BASELINE_NOT_READY


def test_progress_is_said_in_hours() -> None:
    learning = said(ROLLING, begin("d", BEGAN), None, BEGAN + 61 * HOUR)
    assert (learning.reason, learning.message) == (
        BaselineReason.LEARNING,
        "61 h of 72 h have been seen",
    )
    assert learning.refusal.reason is VerdictReason.WARMING_UP
    assert said(ROLLING, None, None, BEGAN).reason is BaselineReason.LEARNING


def test_a_period_with_too_few_rows_is_still_learning() -> None:
    made = Made(period=Period(BEGAN, BEGAN + 2 * DAY), rows=17)
    learning = said(ROLLING, begin("d", BEGAN), Comparator(made, None), BEGAN + 3 * DAY)
    assert learning.reason is BaselineReason.LEARNING
    assert "had 17 rows, 1000 are needed" in learning.message


def test_hours_without_rows_are_told() -> None:
    made = Made(period=Period(BEGAN, BEGAN + 2 * DAY), rows=5000, digest="sha256:" + "a" * 64)
    profile = Profile(rows=5000, columns=[], warnings=["only 40 of 48 hours had rows", "other"])
    loaded = said(ROLLING, begin("d", BEGAN), Comparator(made, profile), BEGAN + 3 * DAY)
    assert loaded.reason is BaselineReason.LOADED
    assert loaded.message == (
        "sha256:aaaaaaaaaaaa from 5000 rows of 2026-03-02T07:00:00Z to 2026-03-04T07:00:00Z; "
        "only 40 of 48 hours had rows"
    )
