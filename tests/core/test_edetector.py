"""The e-detector: evidence that hardly ever lies, and grows as soon as it may."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from modelmonitor.core.statistics.edetector import (
    AHEAD,
    HEADROOM,
    LARGEST_NULL,
    LEAST_KEPT,
    LEVELS,
    PANE_PARTS,
    STEP,
    Bets,
    Places,
    State,
    advance,
    bets_of,
    by_group,
    gain_of,
    levels_of,
    nothing_seen,
    place_of,
    places_of,
)
from modelmonitor.core.statistics.shares import Floats
from tests.core.monitoring import steady

ALARM = 100.0


@dataclass
class Streams:
    """As many sides with one null each, every one a group of its own."""

    nulls: Floats
    means: bool = False
    alarm: float = 1e9
    number: int = 0
    state: State = field(init=False)

    def __post_init__(self) -> None:
        size = self.nulls.size
        each = np.arange(size)
        self.places: Places = places_of(each, np.ones(size, bool), each, each, size)
        gains = np.tile(PANE_PARTS if self.means else AHEAD, (size, 1))
        self.bets: Bets = bets_of(self.nulls, gains, np.full(size, self.means))
        self.state = nothing_seen(self.places, len(AHEAD))

    def see(self, hits: Floats, rows: float) -> Floats:
        """Return the evidence after one more pane."""
        values = np.full(hits.size, rows)
        gain = gain_of(self.bets, hits, values, np.ones(hits.size))
        limit = levels_of(self.places, np.full(hits.size, self.alarm * HEADROOM), len(AHEAD))
        self.number += 1
        place = place_of(self.number)
        self.state = advance(self.state, gain, self.bets.live, limit, place)
        return by_group(self.state, self.places)


@steady
@given(st.floats(0.01, 0.97), st.sampled_from([0.0, 0.3, 0.9, 1.0]), st.integers(1, 60))
def test_the_mean_of_a_likelihood_ratio_is_at_most_one_under_the_null(
    null: float, part: float, rows: int
) -> None:
    hits = np.arange(rows + 1.0)
    bets = bets_of(np.full(hits.size, null), np.tile(AHEAD, (hits.size, 1)), np.zeros(1, bool))
    gain = gain_of(bets, hits, np.full(hits.size, float(rows)), np.ones(hits.size))
    chance = stats.binom.pmf(hits, rows, part * null)
    assert (chance @ np.exp(STEP * gain) <= 1 + 1e-9).all()


@steady
@given(
    st.floats(0.01, 0.97),
    st.lists(st.integers(0, 20), min_size=2, max_size=6),
    st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6),
)
def test_the_mean_of_a_bet_on_a_pane_is_at_most_one_however_its_rows_depend(
    null: float, hits: list[int], weights: list[float]
) -> None:
    """Any distribution of a pane's share whose mean is the null, or less, will do."""
    share = np.array(hits) / 20
    chance = np.array(weights[: share.size])
    chance /= chance.sum()
    chance *= min(1.0, null / max(float(chance @ share), 1e-12))  # the rest: no hit at all
    share, chance = np.r_[share, 0.0], np.r_[chance, 1 - chance.sum()]
    means = np.ones(share.size, bool)
    bets = bets_of(np.full(share.size, null), np.tile(PANE_PARTS, (share.size, 1)), means)
    gain = gain_of(bets, 20 * share, np.full(share.size, 20.0), np.full(share.size, 7.0))
    assert (chance @ np.exp(STEP * gain) <= 1 + 1e-9).all()


@steady
@given(st.floats(0.0, 60.0), st.integers(0, 10**6))
def test_rounding_to_a_level_keeps_the_mean(logarithm: float, first: int) -> None:
    """Over many ticks, a pane with this gain leaves what it should, within the error of the draw.

    Evidence below the lowest level may be lost, never more.
    """
    ticks, gain = 4000, logarithm - 10
    size = 64
    each = np.zeros((size, 1), np.uint8)
    limit = np.full((size, 1), 255.0)
    kept = [
        LEVELS[advance(each, np.full((size, 1), gain), np.ones(size, bool), limit, place)].mean()
        for place in (place_of(first + number) for number in range(0, ticks, size))
    ]
    wanted = np.exp(STEP * gain)
    error = np.std(kept) / np.sqrt(len(kept)) + 1e-3 * wanted
    assert np.mean(kept) <= wanted + 4 * error
    if wanted >= LEAST_KEPT:
        assert np.mean(kept) >= wanted - 4 * error


@pytest.mark.parametrize("means", [False, True], ids=["rows", "panes"])
@pytest.mark.parametrize("rows", [1, 20, 400])
def test_at_the_edge_of_the_null_evidence_grows_by_at_most_one_a_pane(
    means: bool, rows: int
) -> None:
    draw = np.random.default_rng(11)
    streams, panes = 6000, 40
    watch, evidence = Streams(np.full(streams, 0.3), means=means), np.zeros(streams)
    for _ in range(panes):
        evidence = watch.see(draw.binomial(rows, 0.3, streams).astype(np.float64), rows)
    error = evidence.std() / np.sqrt(streams)
    assert evidence.mean() <= panes + 3 * error
    assert evidence.mean() > 0.2 * panes


def test_rows_that_are_all_equal_within_a_pane_cannot_deceive_bets_on_panes() -> None:
    draw = np.random.default_rng(13)
    streams, panes = 4000, 40
    rows, on_panes = Streams(np.full(streams, 0.3)), Streams(np.full(streams, 0.3), means=True)
    believed = doubted = np.zeros(streams)
    for _ in range(panes):
        hits = 100 * (draw.random(streams) < 0.3).astype(np.float64)
        believed, doubted = rows.see(hits, 100), on_panes.see(hits, 100)
    assert np.median(believed) > 1e4
    assert doubted.mean() <= panes + 3 * doubted.std() / np.sqrt(streams)


def test_alarms_come_as_rarely_as_the_level_says() -> None:
    draw = np.random.default_rng(12)
    streams, panes = 4000, 50
    watch, alarmed = Streams(np.full(streams, 0.3), alarm=ALARM), np.zeros(streams, bool)
    for _ in range(panes):
        alarmed |= watch.see(draw.binomial(30, 0.3, streams).astype(np.float64), 30) >= ALARM
    assert alarmed.mean() <= panes / ALARM


@pytest.mark.parametrize(("truth", "most"), [(0.9, 1), (0.5, 3), (0.38, 15)])
def test_a_shift_is_found_the_sooner_the_larger_it_is(truth: float, most: int) -> None:
    watch = Streams(np.array([0.3]))
    evidence = [watch.see(np.array([200 * truth]), 200)[0] for _ in range(most)]
    assert evidence[-1] >= 1e6


def test_a_pane_of_dependent_rows_is_worth_one_bet() -> None:
    watch = Streams(np.array([0.3]), means=True)
    evidence = [watch.see(np.array([200 * 0.5]), 200)[0] for _ in range(60)]
    assert evidence[0] < 2
    assert evidence[5] < 100
    assert evidence[-1] > 1e9


def test_within_the_null_evidence_is_forgotten() -> None:
    watch, evidence = Streams(np.full(100, 0.3)), np.zeros(100)
    for _ in range(10):
        evidence = watch.see(np.full(100, 40.0), 200)
    assert (watch.state == 0).mean() > 0.9
    assert evidence.max() < 1


def test_a_small_shift_is_not_lost_in_rounding() -> None:
    """A growth far below one level a pane adds up all the same."""
    watch, evidence = Streams(np.full(50, 0.3)), np.zeros(50)
    for _ in range(1500):
        evidence = watch.see(np.full(50, 5 * 0.34), 5)
    assert np.median(evidence) > 1000


def test_however_long_a_shift_lasts_evidence_stays_near_the_alarm() -> None:
    watch, evidence = Streams(np.array([0.3]), alarm=ALARM), np.zeros(1)
    for _ in range(1000):
        evidence = watch.see(np.array([200.0]), 200)
    assert ALARM <= evidence[0] <= ALARM * HEADROOM * len(AHEAD)


def test_a_side_that_cannot_be_left_bets_nothing_and_forgets_nothing() -> None:
    watch = Streams(np.array([0.3]))
    before = watch.see(np.array([100.0]), 200)
    watch.bets = bets_of(np.array([LARGEST_NULL + 0.01]), np.array([AHEAD]), np.zeros(1, bool))
    assert watch.see(np.array([200.0]), 200) == before


def test_groups_without_sides_have_no_evidence() -> None:
    both, ones = np.array([0, 1]), np.ones(2, bool)
    places = places_of(both, ones, np.array([1, 1]), np.array([1, 1]), 3)
    assert by_group(np.full((2, 3), 8, np.uint8), places).tolist() == [0.0, LEVELS[8], 0.0]


def test_nothing_to_watch_is_no_error() -> None:
    assert Streams(np.zeros(0)).see(np.zeros(0), 0.0).size == 0


def test_streams_side_by_side_do_as_each_alone() -> None:
    draw = np.random.default_rng(5)
    hits = draw.binomial(200, 0.4, (3, 2)).astype(np.float64)
    bets = bets_of(np.array([0.3, 0.35]), np.tile(AHEAD, (2, 1)), np.array([False, True]))
    together = gain_of(bets, hits, np.full((3, 2), 200.0), np.ones((3, 2)))
    for place in range(3):
        alone = gain_of(bets, hits[place], np.full(2, 200.0), np.ones(2))
        assert np.array_equal(alone, together[place])


def test_draws_begin_anywhere() -> None:
    places = {place_of(number) for number in range(1000)}
    assert len(places) > 980
    assert all(0 <= place < 65_536 for place in places)
