"""Streams: how alarms are counted, and that injected drifts are what they are called."""

import numpy as np
import pytest

from bench.statistics.injected import (
    DRIFT,
    GRADUAL,
    KINDS,
    WAYS,
    WINDOW,
    WINDOWS,
    Data,
    Job,
    drifting,
    score_of,
)
from bench.statistics.streams import agreement


def rows(kind: str, way: str) -> tuple[Data, Data]:
    """Return the rows before the drift begins, and those after it is complete."""
    draw = np.random.default_rng(4)
    y = (draw.random(20_000) < 0.3).astype(np.int64)
    data = Data(x=draw.normal(size=(20_000, 4)) + np.outer(y, [3, 2, 1, 0]), y=y)
    job = Job(name="shuttle", kind=kind, way=way, runs=1)
    x, y = drifting(np.random.default_rng(5), job, data)
    assert y.size == WINDOW * WINDOWS
    begins, late = DRIFT * WINDOW, (DRIFT + GRADUAL) * WINDOW
    return Data(x=x[:begins], y=y[:begins]), Data(x=x[late:], y=y[late:])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_before_the_drift_rows_are_those_of_the_data(kind: str, way: str) -> None:
    before, _ = rows(kind, way)
    assert before.y.mean() == pytest.approx(0.3, abs=0.02)
    assert before.x.mean(axis=0) == pytest.approx([0.9, 0.6, 0.3, 0], abs=0.05)


@pytest.mark.parametrize("way", WAYS)
def test_every_drift_is_what_it_is_called(way: str) -> None:
    _, prior = rows("class prior", way)
    assert prior.y.mean() == pytest.approx(0.6 / 1.3, abs=0.03)
    before, swapped = rows("label swap", way)
    assert swapped.x.mean(axis=0) == pytest.approx(before.x.mean(axis=0), abs=0.08)
    assert swapped.y.mean() == pytest.approx(0.7, abs=0.02)
    _, mixed = rows("feature permutation", way)
    assert mixed.x.mean(axis=0) == pytest.approx([0.6, 0.9, 0.3, 0], abs=0.08)
    _, filtered = rows("feature filtering", way)
    assert filtered.x[:, 0].max() < before.x[:, 0].mean()


def test_an_alarm_before_the_drift_is_wrong_and_none_after_it_is_a_miss() -> None:
    alarms = np.zeros((4, 20), bool)
    alarms[0, 10] = alarms[1, 15] = True
    alarms[2, 3] = True
    found = score_of(alarms, 10)
    assert (found.found, found.false, found.runs) == (2, 1, 4)
    assert found.f1 == pytest.approx(4 / (2 + 1 + 4))
    assert found.time == pytest.approx((0 + 0.5 + 1 + 1) / 4)


def test_episodes_agree_with_marks_that_are_near() -> None:
    near, far = np.array([103, 500]), np.array([300])
    assert agreement(near, np.array([100, 510]), 1000) == pytest.approx(1.0)
    assert agreement(far, np.array([100, 510]), 1000) == 0.0
    assert agreement(near, np.array([100]), 1000) == pytest.approx(2 / 3)
    assert agreement(np.zeros(0, np.int64), np.zeros(0, np.int64), 1000) == 1.0
