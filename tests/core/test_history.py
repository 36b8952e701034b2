"""The history: what panes counted by the hour, whatever order late ones come in."""

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.core.baseline.profile import (
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    Profile,
    digest,
)
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.pane.history import (
    HOUR,
    MOST_CELLS,
    MOST_ORIGINS,
    OPEN_FOR,
    Hour,
    Recording,
    begin,
    closed,
    rows_before,
    unrecordable,
    with_late_pane,
    with_tick,
    without,
)
from modelmonitor.core.wire.pane import ColumnCounts, Pane
from tests.core.monitoring import requests, rows_pane, steady

T0 = 1_700_002_800.0
"""A full hour."""
RNG = np.random.default_rng(5)
PROFILE = build_profile(
    {"x": RNG.normal(size=400), "colour": RNG.choice(["red", "green"], size=400).tolist()}
)
DIGEST = digest(PROFILE)


def pane(time: float, rows: int = 50, *, seed: int = 0, seq: int = 1, **fields: object) -> Pane:
    rng = np.random.default_rng(seed)
    table = {
        "x": rng.normal(0.3, 1, rows),
        "colour": rng.choice(["red", "green", "blue"], size=rows).tolist(),
    }
    found = rows_pane(PROFILE, 0, table, seq=seq, **fields)
    return msgspec.structs.replace(found, start=time, end=time + 60)


def tick(*panes: Pane, revision: str = "one") -> Tick:
    return Tick(
        start=panes[0].start,
        interval=60.0,
        panes=panes,
        expected=1,
        answered=1,
        replicas_wanted=1,
        judged_revision=revision,
    )


def cells(recording: Recording) -> dict[float, dict[str, list[int]]]:
    return {
        hour.start: {name: each.cells for name, each in origin.columns.items()}
        for hour in recording.hours
        for origin in hour.origins
    }


def late(recording: Recording, each: Pane, judged_until: float = T0 + HOUR) -> Recording:
    return with_late_pane(recording, PROFILE, each, revision="one", judged_until=judged_until)


def test_an_hour_holds_the_sum_of_its_panes() -> None:
    panes = [pane(T0 + 60 * number, seed=number) for number in range(3)]
    recording = begin(DIGEST, T0)
    for each in panes:
        recording = with_tick(recording, PROFILE, tick(each))
    (hour,) = recording.hours
    (origin,) = hour.origins
    assert (origin.revision, origin.digest, origin.interval) == ("one", DIGEST, 60.0)
    for name, column in origin.columns.items():
        wanted = [each.columns[name] for each in panes]
        assert column.cells == np.sum([each.cells for each in wanted], axis=0).tolist()
        assert column.rows == 150
        assert column.missing == sum(each.missing for each in wanted)
        assert column.total == sum(each.total for each in wanted)


def test_hours_begin_where_the_clock_says() -> None:
    recording = begin(DIGEST, T0)
    for time in (T0, T0 + HOUR - 60, T0 + HOUR):
        recording = with_tick(recording, PROFILE, tick(pane(time)))
    assert [hour.start for hour in recording.hours] == [T0, T0 + HOUR]
    assert [hour.origins[0].columns["x"].rows for hour in recording.hours] == [100, 50]


def test_an_hour_that_was_running_when_recording_began_is_left_out() -> None:
    recording = begin(DIGEST, T0 + 60)
    assert recording.began == T0 + HOUR
    recording = with_tick(recording, PROFILE, tick(pane(T0 + 120)))
    assert recording.hours == []
    assert late(recording, pane(T0 + 120)) == recording


@steady
@given(st.permutations(range(4)), st.integers(0, 4))
def test_counts_do_not_depend_on_which_panes_are_late_or_in_which_order(
    order: list[int], punctual: int
) -> None:
    panes = [pane(T0, 20 + number, seed=number, boot=f"b{number}") for number in range(4)]
    whole = with_tick(begin(DIGEST, T0), PROFILE, tick(*panes))
    recording = begin(DIGEST, T0)
    if punctual:
        recording = with_tick(recording, PROFILE, tick(*[panes[n] for n in order[:punctual]]))
    for number in order[punctual:]:
        recording = late(recording, panes[number])
    assert cells(recording) == cells(whole)


def test_late_panes_widen_no_extremes() -> None:
    recording = with_tick(begin(DIGEST, T0), PROFILE, tick(pane(T0, 500)))
    before = recording.hours[0].origins[0].columns["x"].ticks
    after = late(recording, pane(T0, 1)).hours[0].origins[0].columns["x"].ticks
    assert (after.low, after.high) == (before.low, before.high)
    assert after.squared == before.squared + 1


def test_only_the_judged_revision_counted_by_the_baseline_enters() -> None:
    empty = begin(DIGEST, T0)
    others = [
        pane(T0, revision="two"),
        pane(T0, baselineDigest="sha256:other"),
        pane(T0, columns={"x": ColumnCounts(rows=5, cells=[5])}),
    ]
    for each in others:
        assert with_tick(empty, PROFILE, tick(each)) == empty
        assert late(empty, each) == empty


def test_panes_that_saw_too_little_of_their_traffic_are_left_out() -> None:
    empty = begin(DIGEST, T0)
    dropped = pane(T0, copiedBytes=800)
    unread = pane(T0, requests=requests(100, decoded=80))
    assert with_tick(empty, PROFILE, tick(dropped)) == empty
    assert with_tick(empty, PROFILE, tick(unread)) == empty
    found = with_tick(empty, PROFILE, tick(dropped, pane(T0, boot="good")))
    assert found.hours[0].origins[0].columns["x"].rows == 50


def test_an_hour_takes_late_panes_until_it_is_closed_and_none_after() -> None:
    recording = with_tick(begin(DIGEST, T0), PROFILE, tick(pane(T0)))
    end = T0 + HOUR + OPEN_FOR
    assert closed(recording, end - 60) == []
    assert late(recording, pane(T0), end - 60) != recording
    assert late(recording, pane(T0), end) == recording
    assert closed(recording, end) == recording.hours
    assert without(recording, closed(recording, end)).hours == []


def test_rows_are_those_of_the_fullest_column_and_of_whole_hours_where_asked() -> None:
    recording = begin(DIGEST, T0)
    for time in (T0, T0 + 60, T0 + HOUR):
        recording = with_tick(recording, PROFILE, tick(pane(time)))
    assert recording.rows == 150
    assert rows_before(recording, T0 + HOUR) == 100
    assert rows_before(recording, T0 + 2 * HOUR) == 150
    assert rows_before(without(recording, recording.hours[:1]), T0 + HOUR) == 100


def test_revisions_are_told_apart_and_few() -> None:
    recording = begin(DIGEST, T0)
    for number in range(MOST_ORIGINS + 2):
        name = f"r{number}"
        recording = with_tick(recording, PROFILE, tick(pane(T0, revision=name), revision=name))
    assert [each.revision for each in recording.hours[0].origins] == [
        f"r{number}" for number in range(MOST_ORIGINS)
    ]


def test_an_hour_survives_being_stored() -> None:
    recording = with_tick(begin(DIGEST, T0), PROFILE, tick(pane(T0)))
    stored = msgspec.msgpack.encode(recording)
    assert msgspec.msgpack.decode(stored, type=Recording) == recording


def test_what_an_hour_takes_is_bounded() -> None:
    biggest = 2.0**48
    column = ColumnProfile(
        name="c",
        kind=ColumnKind.CATEGORICAL,
        role=ColumnRole.INPUT,
        categories=[str(number) for number in range(1023)],
        cells=[1] * 1024,
    )
    profile = Profile(rows=1, columns=[column])
    assert not unrecordable(profile)
    counts = ColumnCounts(rows=int(biggest), cells=[int(biggest) // 1024] * 1024)
    full = pane(T0, columns={"c": counts}, baselineDigest="d")
    recording = with_tick(begin("d", T0), profile, tick(full))
    assert len(msgspec.msgpack.encode(recording.hours[0])) < 32 * 1024
    wide = msgspec.structs.replace(profile, columns=[column] * (MOST_CELLS // 1024 + 1))
    assert str(MOST_CELLS) in unrecordable(wide)


def test_hours_are_equal_if_their_panes_are() -> None:
    once, again = (
        with_tick(begin(DIGEST, T0), PROFILE, tick(pane(T0), pane(T0, boot="b"))) for _ in range(2)
    )
    assert once == again
    assert isinstance(once.hours[0], Hour)
