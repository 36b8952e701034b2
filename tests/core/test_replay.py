"""Replays: what the operator would have said, silences included."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pytest

from modelmonitor.api.v1alpha1.metrics import MetricType
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec, Severity
from modelmonitor.controller.reconcile.baseline import Loaded
from modelmonitor.controller.reconcile.judging import TickFacts, fresh, judge, take_in
from modelmonitor.controller.reconcile.revision import RevisionChoice
from modelmonitor.core.acting.alert import AlertRecord
from modelmonitor.core.baseline.profile import Profile, digest
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.replay.playback import (
    MOST_TICKS,
    REVISION,
    History,
    Replay,
    TooLongError,
    empty_pane,
    tellable,
)
from modelmonitor.core.replay.track import Alarm, Phase, Track
from modelmonitor.core.wire.pane import Pane
from tests.core.monitoring import EPOCH, INTERVAL, drift, rows_pane, spec_of

ROWS: Final = 300
COLUMNS: Final = ("temp", "wind")
FIRST: Final = round(EPOCH / INTERVAL)
MISSING: Final[dict[str, Any]] = {
    "type": "DataQuality",
    "dataQuality": {"check": "MissingRatio", "columns": {"group": "All"}},
    "threshold": {
        "operator": "GreaterThan",
        "warning": "0.1",
        "critical": "0.5",
        "pendingFor": "1m",
        "keepFiringFor": "2m",
    },
}
RATE: Final[dict[str, Any]] = {
    "type": "RequestRate",
    "threshold": {"operator": "LessThan", "warning": "1", "pendingFor": "4m"},
    "noDataPolicy": "Alert",
}


@pytest.fixture(scope="module")
def profile() -> Profile:
    draw = np.random.default_rng(7)
    return build_profile({name: draw.normal(size=20_000) for name in COLUMNS})


def rows(number: int, *, moved: float = 0.0, missing: float = 0.0) -> dict[str, Any]:
    draw = np.random.default_rng(1000 + number)
    found = {name: draw.normal(moved, size=ROWS) for name in COLUMNS}
    found["wind"][: int(missing * ROWS)] = np.nan
    return found


def pane_of(profile: Profile, number: int, **change: float) -> Pane:
    return rows_pane(profile, number, rows(number, **change), revision=REVISION)


def silent(profile: Profile, number: int) -> Pane:
    return empty_pane(EPOCH + number * INTERVAL, INTERVAL, digest(profile), FIRST + number + 1)


def replayed(spec: ModelMonitorSpec, profile: Profile, panes: Iterable[Pane]) -> History:
    replay = Replay(spec, profile, digest(profile))
    for pane in panes:
        replay.add(pane)
    return replay.history()


def told_by_the_controller(
    spec: ModelMonitorSpec, profile: Profile, panes: Iterable[Pane]
) -> list[tuple[Verdict, AlertRecord]]:
    """Return every verdict and record of the first metric, as the controller comes to them."""
    memory, found = fresh(INTERVAL, EPOCH), []
    for pane in panes:
        take_in(memory, [pane])
        facts = TickFacts(
            start=pane.start,
            interval=INTERVAL,
            expected=1,
            answered=1,
            replicas_wanted=1,
            choice=RevisionChoice(judged=REVISION),
        )
        (step,) = judge(memory, spec, Loaded(profile, digest(profile)), facts)
        found.append((step.verdict, step.record))
    return found


@pytest.mark.parametrize("metric", [drift(warning="0.02", critical="0.1"), MISSING])
def test_a_replay_says_of_every_tick_what_the_controller_would(
    metric: dict[str, Any], profile: Profile
) -> None:
    spec = spec_of(metric)
    changes: list[dict[str, float]] = [{}] * 20 + [{"moved": 0.6, "missing": 0.7}] * 15 + [{}] * 40
    panes = [pane_of(profile, number, **change) for number, change in enumerate(changes)]

    (track,) = replayed(spec, profile, panes).tracks

    steps = told_by_the_controller(spec, profile, panes)
    firing = [record.state.value in {"Firing", "Recovering"} for _, record in steps]
    assert any(firing)
    assert not all(firing)
    assert (track.phases >= int(Phase.WARNING)).tolist() == firing
    values = [np.nan if verdict.value is None else verdict.value for verdict, _ in steps]
    np.testing.assert_array_equal(track.values, values)
    judged = [verdict.outcome.value != "Unknown" for verdict, _ in steps]
    assert track.judged == sum(judged)


def test_an_alarm_tells_when_it_began_and_ended_how_bad_it_was_and_which_column(
    profile: Profile,
) -> None:
    missing = [0.0] * 5 + [0.2] * 2 + [0.8] * 4 + [0.0] * 10
    panes = [pane_of(profile, number, missing=share) for number, share in enumerate(missing)]

    (track,) = replayed(spec_of(MISSING), profile, panes).tracks

    # In breach from tick 5 on, for a minute with tick 6; safe from tick 11 on, for two with 13.
    (alarm,) = track.alarms
    assert alarm.began == EPOCH + 7 * INTERVAL
    assert alarm.ended == EPOCH + 14 * INTERVAL
    assert alarm.severity is Severity.CRITICAL
    assert alarm.value == pytest.approx(0.8)
    assert [finding.column for finding in alarm.columns] == ["wind"]
    assert "wind 80.00%" in alarm.message


def test_an_alarm_that_is_not_over_has_no_end(profile: Profile) -> None:
    panes = [pane_of(profile, number, missing=0.8) for number in range(4)]

    (track,) = replayed(spec_of(MISSING), profile, panes).tracks

    assert [alarm.ended for alarm in track.alarms] == [None]


def essence(track: Track) -> tuple[tuple[Alarm, ...], int, int, dict[str, int]]:
    return track.alarms, track.ticks, track.judged, dict(track.reasons)


@pytest.mark.parametrize("silence", [3, 70, 200, 900])
@pytest.mark.parametrize("metric", [drift(critical="0.05"), MISSING, RATE])
def test_of_a_silence_the_same_is_said_whether_its_ticks_are_judged_or_counted(
    metric: dict[str, Any], silence: int, profile: Profile
) -> None:
    spec = spec_of(metric)
    before = [pane_of(profile, number, missing=0.8) for number in range(8)]
    after = [pane_of(profile, 8 + silence + number) for number in range(8)]
    between = [silent(profile, 8 + number) for number in range(silence)]

    counted = replayed(spec, profile, [*before, *after])
    judged = replayed(spec, profile, [*before, *between, *after])

    assert counted.ticks == judged.ticks == 16 + silence
    assert essence(counted.tracks[0]) == essence(judged.tracks[0])
    assert counted.tracks[0].share(Phase.UNKNOWN) == judged.tracks[0].share(Phase.UNKNOWN)
    np.testing.assert_array_equal(counted.tracks[0].values[-8:], judged.tracks[0].values[-8:])


def test_of_a_year_of_silence_only_the_beginning_is_judged(profile: Profile) -> None:
    year = 365 * 24 * 60
    panes = [pane_of(profile, 0), pane_of(profile, year)]

    history = replayed(spec_of(MISSING), profile, panes)

    assert history.ticks == year + 1
    assert history.filled == 2
    (track,) = history.tracks
    assert track.ends.size < 100
    assert track.ticks == year + 1
    assert sum(track.reasons.values()) + track.judged == year + 1


def test_evidence_of_drift_is_told_as_part_of_what_alarms(profile: Profile) -> None:
    spec = spec_of(drift(warning="0.02", critical="0.1"))
    panes = [pane_of(profile, number, moved=0.8 * (number >= 10)) for number in range(20)]

    (track,) = replayed(spec, profile, panes).tracks

    assert set(track.strength) == {"Warning", "Critical"}
    for level, phase in (("Critical", Phase.CRITICAL), ("Warning", Phase.WARNING)):
        above = next(each for name, each in track.strength.items() if name.value == level) >= 1
        judged = track.phases > int(Phase.UNKNOWN)
        assert not np.any(above[:10])
        assert np.all((track.phases >= int(phase))[judged & above])
    assert list(track.moved) == ["temp", "wind"] or list(track.moved) == ["wind", "temp"]
    assert all(shares[-1] > 0.2 for shares in track.moved.values())


def test_panes_come_in_the_order_of_time(profile: Profile) -> None:
    replay = Replay(spec_of(MISSING), profile, digest(profile))
    replay.add(pane_of(profile, 3))
    with pytest.raises(ValueError, match="in the order of time"):
        replay.add(pane_of(profile, 3))


def test_times_that_nobody_means_are_refused(profile: Profile) -> None:
    replay = Replay(spec_of(MISSING), profile, digest(profile))
    replay.add(pane_of(profile, 0))
    with pytest.raises(TooLongError, match=r"more than 5,000,000 ticks of 60 s"):
        replay.add(pane_of(profile, MOST_TICKS + 1))


def test_metrics_that_rows_cannot_tell_are_left_out_and_named() -> None:
    latency = {
        "type": "Latency",
        "latency": {"quantile": "0.9"},
        "threshold": {"operator": "GreaterThan", "warning": "1"},
    }
    spec = spec_of(latency, RATE, MISSING)

    kept, left = tellable(spec)

    assert [metric.name for metric in kept.metrics] == ["dataquality"]
    assert [each.metric.name for each in left] == ["latency", "requestrate"]
    assert all("rows do not say" in each.why for each in left)

    kept, left = tellable(spec, known=[MetricType.REQUEST_RATE])
    assert [metric.name for metric in kept.metrics] == ["requestrate", "dataquality"]
    assert [each.metric.name for each in left] == ["latency"]
