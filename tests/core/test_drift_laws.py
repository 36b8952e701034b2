"""What drift evidence promises, tried by simulation of a fleet of equal monitors."""

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnProfile, Envelope, Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.drift.drift_bank import Bank
from modelmonitor.core.drift.drift_counts import Seen
from modelmonitor.core.drift.drift_plan import DriftPlan, plan_of
from modelmonitor.core.drift.drift_state import (
    DriftState,
    Kept,
    begin,
    evidence_of,
    step,
    to_bytes,
    worth_of_rows,
)
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.statistics.shares import Floats
from tests.core.monitoring import drift, spec_of

STREAMS = 200
SPEC = spec_of(drift("0.05", "0.02"))
SHARES = np.array([0.0, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0])


def numeric(**fields: object) -> ColumnProfile:
    """Return a column of which the shares at the cuts are `SHARES`, of very many rows."""
    built = build_profile({"x": np.arange(7.0)}).columns[0]
    cells = (np.diff(SHARES, prepend=0.0, append=1.0) * 10**9).astype(int).tolist()
    changes = {"cuts": np.arange(7.0).tolist(), "cells": cells, "rows": 10**9, **fields}
    return msgspec.structs.replace(built, **changes)


def fleet(column: ColumnProfile, number: int = STREAMS) -> DriftPlan:
    """Return the plan of as many columns as there are streams, each judged as if it were alone."""
    columns = [msgspec.structs.replace(column, name=f"c{place}") for place in range(number)]
    profile = Profile(rows=column.rows, columns=columns, ordered=True)
    metric = SPEC.metrics[0]
    assert metric.drift is not None
    return plan_of(profile, metric.drift, SPEC.drift, 60.0, 1)


def counts(draw: np.random.Generator, shares: Floats, rows: int, batch: int = 1) -> Seen:
    """Return a pane of every stream, whose rows come in batches of equal ones."""
    chances = np.diff(shares, prepend=0.0, append=1.0)
    cells = batch * draw.multinomial(rows // batch, chances, STREAMS)
    hits = np.concatenate([np.zeros((STREAMS, 1)), np.cumsum(cells, axis=1)[:, :-1]], axis=1)
    return Seen(hits.ravel(), cells.sum(axis=1).astype(np.float64))


def as_far_as_tolerated(tolerance: float) -> Floats:
    """Return shares that all moved by the tolerance, as far as there is room."""
    moved = SHARES + tolerance
    moved[[0, -1]] = 0.0, 1.0
    return moved


@pytest.mark.parametrize("rows", [20, 200, 2000])
@pytest.mark.parametrize("level", list(Level))
def test_evidence_grows_by_at_most_one_a_tick_at_the_edge_of_what_is_tolerated(
    level: Level, rows: int
) -> None:
    draw = np.random.default_rng(rows)
    plan = fleet(numeric())
    shares = as_far_as_tolerated(plan.tolerance[level])
    state, ticks = begin(plan), 60
    for number in range(ticks):
        pods = {f"p{place}": counts(draw, shares, rows // 4) for place in range(4)}
        now = sum(pods.values(), Seen(np.zeros(plan.pooled.size), np.zeros(STREAMS)))
        state = step(plan, state, now, pods, number * 60.0, 60.0)
    found = evidence_of(plan, state)[level]
    assert found.mean() <= ticks + 3 * found.std() / np.sqrt(STREAMS)
    assert found.mean() > 0.2


@pytest.mark.parametrize("batch", [1, 50])
def test_rows_in_batches_are_believed_as_their_panes_are(batch: int) -> None:
    draw = np.random.default_rng(7)
    known = Envelope(seconds=60.0, phi=50.0, low=[0.0] * 7, high=[1.0] * 7)
    plan = fleet(numeric(phi=50.0, envelopes=[known]))
    assert plan.bank.means.any()
    shares = as_far_as_tolerated(0.02)
    state, ticks = begin(plan), 60
    for number in range(ticks):
        state = step(plan, state, counts(draw, shares, 1000, batch), {}, number * 60.0, 60.0)
    found = evidence_of(plan, state)[Level.WARNING]
    assert found.mean() <= ticks + 3 * found.std() / np.sqrt(STREAMS)


def test_panes_that_depend_on_each_other_are_never_bet_on_one_by_one() -> None:
    known = Envelope(seconds=60.0, phi=50.0, low=[0.0] * 7, high=[1.0] * 7)
    assert not fleet(numeric(phi=500.0, envelopes=[known]), 1).bank.means.any()
    assert not fleet(numeric(phi=50.0), 1).bank.means.any()
    assert not fleet(numeric(phi=5.0, envelopes=[known]), 1).bank.means.any()


def test_the_weights_of_a_columns_detectors_add_up_to_one() -> None:
    known = Envelope(seconds=60.0, phi=4.0, low=[0.0] * 7, high=[1.0] * 7)
    for column in (numeric(), numeric(phi=40.0, envelopes=[known])):
        plan = fleet(column, 3)
        own = plan.bank.by_level(np.ones(plan.bank.places.groups))
        each = plan.replica_bank.by_level(np.ones(plan.replica_bank.places.groups))
        for level in plan.tolerance:
            assert own[level] + 8 * each[level] == pytest.approx(1.0)


@pytest.mark.parametrize("beyond", [0.008, 0.07], ids=["at the edge", "beyond"])
def test_an_alert_does_not_come_and_go_while_its_shift_is_there(beyond: float) -> None:
    """Evidence of a share near the edge does, by chance; the marks stay."""
    draw = np.random.default_rng(3)
    plan = fleet(numeric())
    shares = as_far_as_tolerated(0.02 + beyond)
    state, ended = begin(plan), 0
    for number in range(150):
        before = marked(state)
        state = step(plan, state, counts(draw, shares, 1000), {}, number * 60.0, 60.0)
        ended += int((before & ~marked(state)).sum())
    assert marked(state).mean() > 0.95
    assert ended <= 0.03 * STREAMS


def marked(state: DriftState) -> NDArray[np.bool_]:
    """Return which streams have an alarm that is not yet over."""
    places = fleet(numeric()).bank.places
    found: NDArray[np.bool_] = np.bincount(places.owner, state.columns.calm, STREAMS) > 0
    return found


def test_a_shift_that_is_over_is_given_up_however_long_it_lasted() -> None:
    draw = np.random.default_rng(4)
    plan = fleet(numeric())
    state = begin(plan)
    for number in range(70):
        shares = as_far_as_tolerated(0.15) if number < 40 else SHARES
        state = step(plan, state, counts(draw, shares, 1000), {}, number * 60.0, 60.0)
    found = evidence_of(plan, state)[Level.WARNING]
    assert (found < plan.alarm[Level.WARNING] / 100).mean() > 0.99
    assert marked(state).mean() < 0.01


def test_what_is_remembered_is_bounded_even_if_all_of_it_is_noise() -> None:
    """25 columns, of which five have categories, all severities, and as many replicas as can be."""
    draw = np.random.default_rng(0)
    table: dict[str, Any] = {f"n{place}": draw.standard_normal(5000) for place in range(20)}
    for levels in (3, 5, 10, 50, 200):
        table[f"c{levels}"] = [f"k{place % levels}" for place in range(5000)]
    metric = SPEC.metrics[0]
    assert metric.drift is not None
    plan = plan_of(build_profile(table), metric.drift, SPEC.drift, 60.0, 25)

    def noise(bank: Bank) -> Kept:
        sides = bank.places.size
        state = draw.integers(0, 255, bank.ahead.shape).astype(np.uint8)
        return Kept(state, draw.integers(0, 255, sides).astype(np.uint8))

    pods = {f"{place:036}": noise(plan.replica_bank) for place in range(8)}
    stored = to_bytes(DriftState(noise(plan.bank), pods))
    assert sum(len(payload) for payload in stored.values()) <= 16 * 1024


def test_equal_ticks_make_equal_evidence() -> None:
    plan = fleet(numeric())
    states = [begin(plan), begin(plan)]
    for number in range(5):
        now = counts(np.random.default_rng(number), SHARES, 100)
        states = [step(plan, each, now, {}, number * 60.0, 60.0) for each in states]
    assert np.array_equal(states[0].columns.state, states[1].columns.state)


def sparse(phi: float, within: float) -> DriftPlan:
    """Return the plan of a column known from one row a second, judged by the minute."""
    envelope = Envelope(seconds=60.0, phi=within, low=[0.0] * 7, high=[1.0] * 7)
    column = numeric(phi=phi, envelopes=[envelope], rows=3600)
    profile = Profile(
        rows=3600,
        columns=[column],
        ordered=True,
        firstTime="2026-01-01T00:00:00Z",
        lastTime="2026-01-01T01:00:00Z",
    )
    metric = SPEC.metrics[0]
    assert metric.drift is not None
    return plan_of(profile, metric.drift, SPEC.drift, 60.0, 1)


@pytest.mark.parametrize(
    ("phi", "within", "worth"),
    [
        (5.0, 5.0, 5.0),  # callers: as many rows each, however many callers there are
        (5.0, 1.0, 1 + 4 * 10),  # weather: ten times as many rows tell of the same
        (5.0, 3.0, 3 + 2 * 10),
    ],
)
def test_only_what_wanders_grows_with_the_rate_of_rows(
    phi: float, within: float, worth: float
) -> None:
    found = worth_of_rows(sparse(phi, within), np.array([phi]), np.array([[600.0]]))
    assert found == pytest.approx(worth)


def test_what_live_panes_show_is_the_least_that_is_believed() -> None:
    plan = sparse(1.0, 1.0)
    assert plan.telling.size, "one row a second does not tell of ten"
    known = worth_of_rows(plan.with_phi(np.array([7.0])), np.ones(1), np.array([[600.0]]))
    assert known == pytest.approx(7.0)
