"""When panes begin and end, on clocks that are set by hand."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.core.wire.configuration import CollectorConfiguration, configuration_digest
from modelmonitor.core.wire.pane import Pane
from tests.collector.harness import configuration_for, numeric

WALL = 1_800_000_000.0


@dataclass
class HandClock:
    """Wall and monotonic time, in step until somebody sets the wall clock."""

    now: float = 1000.0
    offset: float = WALL - 1000.0

    def wall(self) -> float:
        return self.now + self.offset

    def monotonic(self) -> float:
        return self.now


@dataclass
class Kept:
    clock: HandClock = field(default_factory=HandClock)
    panes: list[Pane] = field(default_factory=list)

    def book(
        self, configuration: CollectorConfiguration | None = None, *, replaces: bool = False
    ) -> PaneBook:
        return PaneBook(
            identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
            clock=self.clock,
            closed=self.panes.append,
            configuration=configuration,
            replaces=replaces,
        )


TEN = configuration_for(interval=10.0)


@given(
    interval=st.sampled_from([1.0, 5.0, 7.0, 60.0, 3600.0]),
    steps=st.lists(st.floats(0.0, 200.0), min_size=1, max_size=30),
    start=st.floats(0.0, 5000.0),
)
def test_panes_are_multiples_of_the_interval_without_a_hole(
    interval: float, steps: list[float], start: float
) -> None:
    kept = Kept(HandClock(now=1000.0 + start))
    book = kept.book(configuration_for(interval=interval))
    for step in steps:
        kept.clock.now += step
        book.advance(kept.clock.now)
    assert [pane.seq for pane in kept.panes] == list(range(1, len(kept.panes) + 1))
    assert all(pane.start % interval == 0.0 for pane in kept.panes)
    assert all(pane.end == pane.start + interval for pane in kept.panes)
    for before, after in zip(kept.panes, kept.panes[1:], strict=False):
        assert after.start == before.end


def test_a_pane_ends_when_the_records_have_passed_its_end() -> None:
    kept = Kept()
    book = kept.book(TEN)
    book.advance(1009.9)
    assert kept.panes == []
    book.advance(1010.0)
    assert [(pane.start, pane.end) for pane in kept.panes] == [(WALL, WALL + 10.0)]


def test_a_silence_longer_than_retention_is_not_filled() -> None:
    kept = Kept()
    book = kept.book(TEN)
    kept.clock.now += 100_000.0
    book.advance(kept.clock.now)
    assert len(kept.panes) == 1
    book.advance(kept.clock.now + 10.0)
    assert kept.panes[-1].start == WALL + 100_000.0


def test_a_wall_clock_that_is_set_back_a_little_gives_no_interval_twice() -> None:
    kept = Kept()
    book = kept.book(TEN)
    kept.clock.offset -= 3.0
    for _ in range(60):
        kept.clock.now += 1.0
        book.advance(kept.clock.now)
    starts = [pane.start for pane in kept.panes]
    assert starts == [WALL + 10.0 * index for index in range(len(starts))]
    assert len(starts) >= 5


def test_a_wall_clock_that_is_set_forward_is_followed() -> None:
    kept = Kept()
    book = kept.book(TEN)
    kept.clock.offset += 95.0
    for _ in range(30):
        kept.clock.now += 1.0
        book.advance(kept.clock.now)
    assert [pane.start - WALL for pane in kept.panes] == [0.0, 100.0, 110.0]


def test_a_new_baseline_waits_for_the_next_pane() -> None:
    kept = Kept()
    book = kept.book(TEN)
    other = configuration_for(numeric("a", 0.0), interval=10.0)
    book.apply(other, 1004.0)
    waiting = [book.pending]
    assert book.digest == configuration_digest(TEN)
    book.advance(1010.0)
    waiting.append(book.pending)
    assert waiting == [other, None]
    assert book.digest == configuration_digest(other)
    book.advance(1020.0)
    assert [pane.configDigest for pane in kept.panes] == [
        configuration_digest(TEN),
        configuration_digest(other),
    ]
    assert [pane.baselineDigest for pane in kept.panes] == ["", "sha256:baseline"]
    assert [pane.observerGapSeconds for pane in kept.panes] == [0.0, 0.0]


def test_a_change_that_is_taken_back_changes_nothing() -> None:
    kept = Kept()
    book = kept.book(TEN)
    book.apply(configuration_for(numeric("a", 0.0), interval=10.0), 1004.0)
    book.apply(TEN, 1005.0)
    assert book.pending is None
    book.advance(1010.0)
    assert book.digest == configuration_digest(TEN)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, TEN),
        (TEN, configuration_for(interval=20.0)),
        (TEN, configuration_for(interval=10.0, suspended=True)),
    ],
)
def test_what_cannot_wait_ends_the_pane_and_admits_the_gap(
    before: CollectorConfiguration | None, after: CollectorConfiguration
) -> None:
    kept = Kept()
    book = kept.book(before)
    book.tally.forwarded = 7
    kept.clock.now = 1004.0
    book.apply(after, 1004.0)
    assert book.digest == configuration_digest(after)
    (cut,) = kept.panes
    assert (cut.start, cut.end, cut.forwardedBytes) == (WALL, WALL + 4.0, 7)
    kept.clock.now = 1000.0 + after.interval
    book.advance(kept.clock.now)
    whole = kept.panes[1]
    assert (whole.start, whole.end) == (WALL, WALL + after.interval)
    assert whole.observerGapSeconds == 4.0
    assert whole.forwardedBytes == 0


def test_an_observer_that_replaces_another_admits_what_was_lost() -> None:
    kept = Kept(HandClock(now=1006.5))
    book = kept.book(TEN, replaces=True)
    book.advance(1020.0)
    assert [pane.observerGapSeconds for pane in kept.panes] == [6.5, 0.0]


def test_the_last_pane_is_final_and_nothing_follows() -> None:
    kept = Kept()
    book = kept.book(TEN)
    book.end(1003.0)
    book.end(1004.0)
    book.advance(1100.0)
    (final,) = kept.panes
    assert final.final
    assert (final.start, final.end) == (WALL, WALL + 3.0)
    assert book.ended


def test_bytes_of_connections_that_are_not_http_count_as_dropped() -> None:
    kept = Kept()
    book = kept.book(TEN)
    book.tally.forwarded, book.tally.copied, book.tally.dropped = 100, 90, 10
    book.tally.unreadable = 30
    book.end(1003.0)
    pane = kept.panes[0]
    assert (pane.forwardedBytes, pane.copiedBytes, pane.droppedBytes) == (100, 60, 40)
