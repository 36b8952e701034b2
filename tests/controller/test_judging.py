"""Ticks: which are due, where late and early panes go, and intervals that floats cannot divide."""

import pytest

from modelmonitor.controller.reconcile.judging import (
    TickFacts,
    due_ticks,
    fresh,
    judge,
    on_grid,
    restored,
    take_in,
)
from modelmonitor.controller.reconcile.revision import RevisionChoice
from modelmonitor.core.wire.pane import ColumnCounts
from tests.controller.test_journal import entry, judged, pane
from tests.controller.world import monitor_spec, spec


def facts(start: float, interval: float = 60.0) -> TickFacts:
    return TickFacts(
        start=start,
        interval=interval,
        expected=1,
        answered=1,
        replicas_wanted=1,
        choice=RevisionChoice(judged="r1"),
    )


def test_the_tick_in_which_a_monitor_is_first_seen_is_its_first() -> None:
    memory = fresh(60.0, 130.0)
    assert due_ticks(memory, 179.0, 3600.0) == []
    assert due_ticks(memory, 180.0, 3600.0) == [120.0]
    assert due_ticks(memory, 300.0, 3600.0) == [120.0, 180.0, 240.0]


def test_after_a_long_outage_only_the_last_ticks_are_judged() -> None:
    memory = fresh(60.0, 0.0)
    assert due_ticks(memory, 7200.0, 180.0) == [7020.0, 7080.0, 7140.0]


@pytest.mark.parametrize("interval", [5.0, 5.1, 7.3, 60.0, 333.333])
def test_ticks_follow_each_other_without_gap_or_repetition(interval: float) -> None:
    memory = fresh(interval, 1_800_000_000.0)
    parsed = monitor_spec(spec())
    begin, starts = memory.judged_until, []
    now = 1_800_000_000.0
    for _ in range(200):
        now += interval * 0.7
        for start in due_ticks(memory, now, 3600.0):
            memory.ticks.clear()
            judge(memory, parsed, None, facts(start, interval))
            starts.append(start)
    numbers = [round(start / interval) for start in starts]
    assert numbers == list(range(round(begin / interval), round(begin / interval) + len(numbers)))
    assert len(numbers) >= 139


def test_panes_of_a_collector_that_computes_its_starts_otherwise_meet_their_tick() -> None:
    interval = 5.1
    memory = fresh(interval, 1_800_000_000.0)
    start = memory.judged_until
    take_in(memory, [pane(start=start + 1e-7, end=start + 1, interval=interval)])
    assert list(memory.early) == [on_grid(start, interval)]


def test_late_panes_enter_windows_and_are_counted() -> None:
    memory = fresh(60.0, 0.0)
    judge(memory, monitor_spec(spec()), None, facts(0.0))
    take_in(memory, [pane(start=0.0), pane(seq=2, start=60.0)])
    assert memory.late == 1
    assert len(memory.ticks[0].panes) == 1
    assert [each.seq for each in memory.early[60.0]] == [2]


def test_panes_of_another_interval_are_left_out() -> None:
    memory = fresh(60.0, 0.0)
    take_in(memory, [pane(start=0.0, interval=30.0, end=30.0)])
    assert memory.early == {}


def test_sketches_are_not_kept_in_windows() -> None:
    memory = fresh(60.0, 0.0)
    take_in(memory, [pane(start=0.0, columns={"x": ColumnCounts(rows=3, sketch=b"KLL")})])
    (kept,) = memory.early[0.0]
    assert kept.columns["x"] == ColumnCounts(rows=3)


def test_a_restored_memory_has_its_windows_and_its_early_panes() -> None:
    early = entry(60)
    memory = restored(judged(120), [entry(0), early, entry(60)])
    assert [tick.start for tick in memory.ticks] == [0.0, 60.0]
    later = restored(judged(60), [entry(0), early])
    assert list(later.early) == [60.0]
