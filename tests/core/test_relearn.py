"""A baseline of panes equals one of the rows that they counted."""

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.core.baseline.production import Period
from modelmonitor.core.baseline.profile import Profile, canonical, digest, load_profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.baseline.relearn import relearned, rows_in
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.pane.history import HOUR, Hour, begin, with_tick
from tests.core.monitoring import counts_of, rows_pane

T0 = 1_700_002_800.0
ROWS = 100
TICKS_AN_HOUR = 12
HOURS = 48
PERIOD = Period(T0, T0 + HOURS * HOUR)
COLOURS = ["red", "green", "blue"]
Table = dict[str, NDArray[np.float64] | list[str]]


def table(rng: np.random.Generator, rows: int, mean: float = 0.0) -> Table:
    return {"x": rng.normal(mean, 1, rows), "colour": rng.choice(COLOURS, size=rows).tolist()}


SKELETON = build_profile(table(np.random.default_rng(1), 2000))
DIGEST = digest(SKELETON)


def recorded(
    mean: Callable[[int], float] = lambda _tick: 0.5, *, seed: int = 2, hours: int = HOURS
) -> tuple[list[Hour], list[Table]]:
    """Return the hours of a stream and its rows, tick by tick."""
    rng = np.random.default_rng(seed)
    recording, done, rows = begin(DIGEST, T0), [], []
    for number in range(hours * TICKS_AN_HOUR):
        rows.append(table(rng, ROWS, mean(number)))
        start = T0 + number * HOUR / TICKS_AN_HOUR
        pane = msgspec.structs.replace(
            rows_pane(SKELETON, 0, rows[-1]), start=start, end=start + 300, interval=300.0
        )
        tick = Tick(
            start=start,
            interval=300.0,
            panes=(pane,),
            expected=1,
            answered=1,
            replicas_wanted=1,
            judged_revision="one",
        )
        recording = with_tick(recording, SKELETON, tick)
        if len(recording.hours) > 1:
            done.append(recording.hours[0])
            recording = msgspec.structs.replace(recording, hours=recording.hours[1:])
    return [*done, *recording.hours], rows


@pytest.fixture(scope="module")
def steady() -> tuple[list[Hour], list[Table]]:
    return recorded()


def test_counts_are_those_of_all_rows_of_the_period(
    steady: tuple[list[Hour], list[Table]],
) -> None:
    hours, rows = steady
    made = relearned(SKELETON, DIGEST, hours, PERIOD)
    every: Table = {
        "x": np.concatenate([np.asarray(each["x"], np.float64) for each in rows]),
        "colour": [str(colour) for each in rows for colour in each["colour"]],
    }
    wanted = counts_of(SKELETON, every)
    for column in made.columns:
        counts = wanted[column.name]
        assert (column.rows, column.missing) == (counts.rows, counts.missing)
        assert column.cells == counts.cells
        assert column.total == pytest.approx(counts.total)
        assert column.squares == pytest.approx(counts.squares)
    assert made.rows == HOURS * TICKS_AN_HOUR * ROWS == rows_in(DIGEST, hours, PERIOD)
    assert (made.firstTime, made.lastTime) == ("2023-11-14T23:00:00Z", "2023-11-16T23:00:00Z")
    assert made.ordered
    assert made.warnings == []


def test_columns_stay_those_of_the_profile_that_panes_were_counted_by(
    steady: tuple[list[Hour], list[Table]],
) -> None:
    made = relearned(SKELETON, DIGEST, steady[0], PERIOD)
    for column, before in zip(made.columns, SKELETON.columns, strict=True):
        same = ("name", "kind", "role", "cuts", "categories", "complete")
        assert [getattr(column, each) for each in same] == [getattr(before, each) for each in same]


def test_the_profile_is_one_that_can_be_loaded_and_says_what_the_order_of_hours_does_not_change(
    steady: tuple[list[Hour], list[Table]],
) -> None:
    hours = steady[0]
    made = relearned(SKELETON, DIGEST, hours, PERIOD)
    assert load_profile(canonical(made)) == made
    assert digest(relearned(SKELETON, DIGEST, hours[::-1], PERIOD)) == digest(made)


def test_independent_rows_are_worth_themselves(steady: tuple[list[Hour], list[Table]]) -> None:
    made = relearned(SKELETON, DIGEST, steady[0], PERIOD)
    assert [column.phi for column in made.columns] == [1.0, 1.0]


def test_rows_that_wander_from_tick_to_tick_are_worth_less() -> None:
    hours, _ = recorded(lambda number: 0.8 * (number % 2))
    x, colour = relearned(SKELETON, DIGEST, hours, PERIOD).columns
    assert x.phi > 5
    assert colour.phi == 1


def test_rows_that_wander_from_hour_to_hour_are_worth_even_less() -> None:
    hours, _ = recorded(lambda number: 0.8 * (number // TICKS_AN_HOUR % 2))
    x, colour = relearned(SKELETON, DIGEST, hours, PERIOD).columns
    assert x.phi > 50
    assert colour.phi == 1


def test_the_envelope_holds_what_every_tick_showed(
    steady: tuple[list[Hour], list[Table]],
) -> None:
    hours, rows = steady
    (envelope,) = relearned(SKELETON, DIGEST, hours, PERIOD).columns[0].envelopes
    assert envelope.seconds == 300
    assert envelope.phi == pytest.approx(1, abs=0.2)
    cuts = np.array(SKELETON.columns[0].cuts)
    parts = np.array([(np.asarray(each["x"])[:, None] <= cuts).mean(axis=0) for each in rows])
    low, high = parts.min(axis=0), parts.max(axis=0)
    assert np.all(np.array(envelope.low) <= low + 1e-12)
    assert np.all(np.array(envelope.low) > low - 0.0011)
    assert np.all(np.array(envelope.high) >= high - 1e-12)
    assert np.all(np.array(envelope.high) < high + 0.0011)


def test_ticks_of_two_lengths_have_no_envelope(steady: tuple[list[Hour], list[Table]]) -> None:
    first, *others = steady[0]
    (origin,) = first.origins
    changed = msgspec.structs.replace(
        first, origins=[msgspec.structs.replace(origin, interval=60.0)]
    )
    made = relearned(SKELETON, DIGEST, [changed, *others], PERIOD)
    assert [column.envelopes for column in made.columns] == [[], []]
    assert made.columns[0].phi == pytest.approx(1, abs=0.2)


def test_hours_outside_the_period_and_of_other_baselines_are_left_out(
    steady: tuple[list[Hour], list[Table]],
) -> None:
    hours = steady[0]
    half = Period(T0 + 10 * HOUR, T0 + 20 * HOUR)
    assert relearned(SKELETON, DIGEST, hours, half).rows == 10 * TICKS_AN_HOUR * ROWS
    assert rows_in("sha256:other", hours, PERIOD) == 0


def test_a_period_with_gaps_says_so(steady: tuple[list[Hour], list[Table]]) -> None:
    made = relearned(SKELETON, DIGEST, steady[0][5:], PERIOD)
    assert made.warnings == ["only 43 of 48 hours of the period had rows"]


def test_a_column_that_was_silent_has_no_shares_and_says_so() -> None:
    hours, _ = recorded(hours=1)
    made = relearned(SKELETON, DIGEST, hours, Period(T0 + 2 * HOUR, PERIOD.until))
    assert load_profile(canonical(made)) == made
    assert [column.rows for column in made.columns] == [0, 0]
    assert all("no values" in column.warnings[0] for column in made.columns)


def test_what_panes_do_not_tell_stays_of_the_profile() -> None:
    named: Profile = msgspec.structs.replace(SKELETON, timeZone="Europe/Berlin")
    hours, _ = recorded(hours=1)
    assert relearned(named, DIGEST, hours, PERIOD).timeZone == "Europe/Berlin"
