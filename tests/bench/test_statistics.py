"""The arithmetic of the statistics benchmark: laws, shifts, bounds, and what counts as an alarm."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bench.statistics import poisson
from bench.statistics.arl import BUDGETS, MONTHS, PER_DAY, Onsets, bar, shifted_cells
from bench.statistics.laws import Zipf, plain_laws
from bench.statistics.nulls import Tally, tally
from bench.statistics.ours import Watch, baseline_of, spec_of
from bench.statistics.parallel import Evidence, fleet_of, hits_of
from bench.statistics.rules import Bonferroni, NannyML
from bench.statistics.shifts import all_shifts
from bench.statistics.traffic import LIVE_BEGINS, PANE, Run, Traffic, kinds, wandering
from modelmonitor.api.v1alpha1.metric_options import DriftOptions
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.drift.detection import column_evidence
from modelmonitor.core.drift.drift_plan import plan_of
from modelmonitor.core.judging.verdict import Level

LAWS = [*plain_laws()[:3], *plain_laws()[20:23]]
"""One of each shape, and categories."""
WARNING, CRITICAL = Level.WARNING, Level.CRITICAL


@pytest.fixture(scope="module")
def random() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    return Traffic(name="few columns", laws=LAWS)


@pytest.fixture(scope="module")
def profile(traffic: Traffic) -> Any:
    return baseline_of(np.random.default_rng(6), traffic, 4000)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_cells_have_the_probability_that_rows_fall_into_them(
    random: np.random.Generator, traffic: Traffic, profile: Any, shift: float
) -> None:
    rows = 100_000
    for law, column in zip(traffic.laws, profile.columns, strict=True):
        expected = law.cells(column, np.full(1, shift))[0]
        values = law.rows(random, np.full(rows, shift))
        if column.kind.ordered:
            cells = np.searchsorted(column.cuts, values, side="left")
        else:
            order = {name: place for place, name in enumerate(column.categories)}
            cells = np.array([order.get(str(value), len(order)) for value in values])
        counts = np.bincount(cells, minlength=expected.size)
        assert expected.sum() == pytest.approx(1)
        assert np.all(np.abs(counts / rows - expected) < 6 * np.sqrt(0.25 / rows))


@pytest.mark.parametrize("moved", [0.02, 0.05])
def test_the_hardest_null_moves_every_column_by_exactly_what_is_tolerated(
    traffic: Traffic, profile: Any, moved: float
) -> None:
    for column, before, after in zip(
        profile.columns,
        shifted_cells(traffic, profile, 0.0),
        shifted_cells(traffic, profile, moved),
        strict=True,
    ):
        gaps = after - before
        shares = np.cumsum(gaps) if column.kind.ordered else gaps
        assert np.abs(shares).max() == pytest.approx(moved, abs=1e-9)
        assert after.min() >= 0


def test_mass_of_categories_moves_as_named() -> None:
    law = plain_laws()[22]
    assert isinstance(law, Zipf)
    before = law.shares(np.zeros(1))[0]
    for shift in all_shifts():
        if shift.change is not None:
            after = shift.change(before, shift.height)
            assert after.sum() == pytest.approx(1)
            assert np.abs(after - before).sum() / 2 == pytest.approx(shift.height)


def test_a_ramp_reaches_its_height_and_stays() -> None:
    ramp = next(each for each in all_shifts() if each.ramp)
    heights = [ramp.at(pane) for pane in range(ramp.ramp + 2)]
    assert heights == sorted(heights)
    assert heights[0] > 0
    assert heights[-3:] == [ramp.height] * 3


def test_what_wanders_keeps_its_spread_and_its_memory() -> None:
    values = wandering(np.random.default_rng(7), (4000, 50), 10.0)
    assert values.std() == pytest.approx(1, abs=0.05)
    later = (values[10:] * values[:-10]).mean() / values.var()
    assert later == pytest.approx(np.exp(-1), abs=0.05)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_window_holds_as_many_rows_as_asked(kind: Traffic) -> None:
    few = Traffic(
        name=kind.name,
        laws=kind.laws[:2],
        callers=kind.callers,
        cycle=kind.cycle,
        wander=kind.wander,
        memory=kind.memory,
    )
    random = np.random.default_rng(8)
    profile = baseline_of(random, few, 2000)
    for counts in few.counts(random, profile, Run(begins=LIVE_BEGINS, panes=7, rows=200)):
        assert counts.sum(axis=1).tolist() == [200] * 7
        assert np.all(counts % kind.callers == 0)


@given(events=st.integers(0, 60))
def test_poisson_bounds_are_exact(events: int) -> None:
    most, least = poisson.most(events), poisson.least(events)
    assert stats.poisson.cdf(events, most) == pytest.approx(0.05)
    if events:
        assert stats.poisson.sf(events - 1, least) == pytest.approx(0.05)
    assert least <= events < most


def test_a_page_is_a_verdict_that_begins_or_becomes_worse() -> None:
    levels = [None, WARNING, WARNING, CRITICAL, WARNING, None, CRITICAL, None]
    assert tally(levels, 2.0) == Tally(days=2.0, pages=3, critical=2, windows=5)


def test_an_alarm_counts_again_only_after_its_evidence_has_gone() -> None:
    columns = 2
    level = columns * PER_DAY * BUDGETS[0]
    onsets = Onsets(columns)
    for height in (0.5, 1.0, 0.5, 2.0, 0.001, 1.5):
        onsets.see(np.full((MONTHS, columns), height * level))
    assert onsets.alarms.tolist() == [2 * MONTHS * columns, 0, 0]


def test_the_mean_time_is_told_by_its_lower_bound() -> None:
    none, some = bar("x", 0, 300.0, 30), bar("x", 9, 300.0, 30)
    assert none.ours == pytest.approx(300 / 2.9957, rel=1e-4)
    assert none.holds
    assert some.ours < 300 / 9
    assert not some.holds


def test_a_fleet_gathers_the_evidence_that_the_controller_does(
    random: np.random.Generator, traffic: Traffic, profile: Any
) -> None:
    watch = Watch(spec_of(PANE), profile, LIVE_BEGINS, PANE)
    fleet = fleet_of(profile, 1, PANE, DriftBudget())
    evidence = Evidence(fleet, LIVE_BEGINS)
    cells = [
        law.cells(each, np.full(1, 0.2)) for law, each in zip(LAWS, profile.columns, strict=True)
    ]
    counts = [random.multinomial(500, each, size=(6, 1)) for each in cells]
    for pane, hits in enumerate(hits_of(profile, counts)):
        watch.see([[each[pane, 0] for each in counts]])
        evidence.see(hits, 500.0)
    assert watch.evidence is not None
    metric = watch.spec.metrics[0].drift
    assert isinstance(metric, DriftOptions)
    plan = plan_of(profile, metric, DriftBudget(), PANE, len(LAWS))
    stored = column_evidence(plan, watch.evidence.metrics["inputs"])
    for level, found in evidence.by_level().items():
        assert found[0].tolist() == stored[level].tolist()
        assert found.max() > 1


def test_the_monitors_of_a_fleet_do_not_mix(random: np.random.Generator, profile: Any) -> None:
    fleet = fleet_of(profile, 3, PANE, DriftBudget())
    evidence = Evidence(fleet, LIVE_BEGINS)
    counts = [
        np.stack(
            [
                random.multinomial(1000, law.cells(column, np.full(1, shift))[0], size=5)
                for shift in (0.0, 1.0, 0.0)
            ],
            axis=1,
        )
        for law, column in zip(LAWS, profile.columns, strict=True)
    ]
    for hits in hits_of(profile, counts):
        evidence.see(hits, 1000.0)
    found = evidence.by_level()[WARNING]
    alarmed = (found >= fleet.plan.alarm[WARNING]).any(axis=1)
    assert alarmed.tolist() == [False, True, False]


def test_rules_of_peers_tell_a_shift_from_none(random: np.random.Generator) -> None:
    reference = np.column_stack([random.normal(size=20_000), random.integers(0, 5, 20_000)])
    same = np.column_stack([random.normal(size=500), random.integers(0, 5, 500)])
    other = np.column_stack([random.normal(0.5, size=500), random.integers(0, 3, 500)])
    for rule in (
        Bonferroni(reference, [False, True]),
        NannyML(reference, [False, True], 500),
    ):
        assert rule.alarms(same).tolist() == [False, False]
        assert rule.alarms(other).tolist() == [True, True]


def test_the_ks_rule_has_the_p_values_of_two_samples(random: np.random.Generator) -> None:
    reference = random.normal(size=20_000)
    rule = Bonferroni(reference[:, None], [False])
    for shift in (0.0, 0.05, 0.1):
        values = random.normal(shift, size=1000)
        expected = stats.ks_2samp(reference, values, method="asymp").pvalue
        level = 0.05
        if abs(expected - level) > 0.005:
            assert rule.alarms(values[:, None])[0] == (expected < level)
