"""Joint moments: counted like plain arithmetic, added up in any order, and bounded."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelmonitor.core.baseline.moments_builder import MomentDataError, columns_view, embedding_view
from modelmonitor.core.counting.moment_views import MomentView, Projection
from modelmonitor.core.counting.moments import (
    LARGEST,
    MomentCounter,
    MomentProfile,
    is_of,
    problem_of,
    sum_moments,
    unpacked,
)
from modelmonitor.core.statistics.joint import (
    correlation_change,
    correlations,
    discrepancy,
    moments_of,
    principal_components,
    reconstruction_error,
)
from modelmonitor.core.wire.pane import MomentCounts
from tests.core.monitoring import steady

NAMES = ["a", "b", "c"]
Floats = NDArray[np.float64]


def rows_of(seed: int, n: int, rho: float = 0.6, tail: int = 0) -> Floats:
    """Return rows of three columns, the first two correlated; with a tail: Student's t."""
    draw = np.random.default_rng(seed)
    covariance = np.array([[1, rho, 0], [rho, 1, 0], [0, 0, 1]])
    rows = draw.multivariate_normal(np.zeros(3), covariance, n)
    if tail:
        rows /= np.sqrt(draw.chisquare(tail, (n, 1)) / tail)
    return rows * [1, 10, 0.1] + [5, -3, 0]


def profile_of(rows: Floats) -> MomentProfile:
    return columns_view(NAMES, list(rows.T))


def counted(profile: MomentProfile, rows: Floats) -> MomentCounts:
    counter = MomentCounter(profile.view, NAMES)
    counter.add(list(rows.T), len(rows))
    return counter.counts()


PROFILE = profile_of(rows_of(0, 20_000))


def test_correlations_are_those_of_the_rows() -> None:
    rows = rows_of(1, 5000)
    found = correlations(moments_of(counted(PROFILE, rows)))
    assert found == pytest.approx(np.corrcoef(rows.T), abs=1e-6)


@steady
@given(st.lists(st.integers(0, 400), max_size=4), st.randoms())
def test_counts_add_up_in_any_order(cuts: list[int], random: Any) -> None:
    rows = rows_of(2, 400)
    parts = [counted(PROFILE, each) for each in np.split(rows, sorted(cuts))]
    random.shuffle(parts)
    whole, together = counted(PROFILE, rows), sum_moments(parts)
    assert (together.rows, together.skipped) == (whole.rows, whole.skipped)
    for name in ("sums", "products", "fourths"):
        found, expected = unpacked(getattr(together, name)), unpacked(getattr(whole, name))
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert together.errors == pytest.approx(whole.errors)


def test_rows_without_a_number_are_skipped_whatever_they_hold() -> None:
    counter = MomentCounter(PROFILE.view, ["b", "x", "a", "c"])
    counter.add([[1, 2, None, "x", math.inf, 1], [0] * 6, [1, math.nan, 1, 1, 1, 1], [0, 0, 0]], 6)
    assert (counter.counts().rows, counter.counts().skipped) == (1, 5)


def test_one_outlier_counts_as_eight_deviations() -> None:
    rows = np.vstack([rows_of(3, 100), [[1e300, -1e300, 0]]])
    found = unpacked(counted(PROFILE, rows).sums) - unpacked(counted(PROFILE, rows[:-1]).sums)
    assert found[:2] == pytest.approx([LARGEST, -LARGEST])


@pytest.mark.parametrize("tail", [0, 5])
@pytest.mark.parametrize("n", [200, 2000])
def test_the_interval_of_a_correlation_change_holds_the_truth(n: int, tail: int) -> None:
    profile = profile_of(rows_of(4, 20_000, tail=tail))
    before, columns = moments_of(profile.counts), np.arange(3, dtype=np.int64)
    hit, noisy, runs = 0, 0, 200
    for seed in range(runs):
        for rho in (0.6, 0.3):
            now = counted(profile, rows_of(100 + seed, n, rho, tail))
            found = correlation_change(before, moments_of(now), columns)
            assert found is not None
            estimate = found[0]
            hit += estimate.low <= 0.6 - rho + 1e-9 and 0.6 - rho <= estimate.high
            noisy += rho == 0.6 and estimate.value > estimate.noise
    assert hit >= 0.95 * 2 * runs
    assert noisy <= 0.08 * runs


def test_the_pair_that_changed_is_named() -> None:
    now = counted(PROFILE, rows_of(5, 5000, rho=-0.2))
    found = correlation_change(
        moments_of(PROFILE.counts), moments_of(now), np.arange(3, dtype=np.int64)
    )
    assert found is not None
    estimate, pairs = found
    assert pairs[0][1:] == (0, 1)
    assert estimate.value == pytest.approx(0.8, abs=0.05)
    assert estimate.low > 0.7


def test_components_explain_what_they_say() -> None:
    covariance = np.diag([5.0, 3.0, 1.0, 1.0])
    components = principal_components(covariance)
    assert np.abs(components) == pytest.approx(np.eye(4)[:2])


def test_rows_off_the_components_are_rebuilt_badly() -> None:
    same = reconstruction_error(PROFILE.counts, counted(PROFILE, rows_of(6, 3000)), 1.0)
    other = reconstruction_error(PROFILE.counts, counted(PROFILE, rows_of(6, 3000, -0.6)), 1.0)
    assert same is not None
    assert other is not None
    assert same.low < 1 < same.high
    assert same.value < same.noise
    assert other.low > 1.5


def test_the_error_is_that_of_the_rows() -> None:
    rows = rows_of(7, 500)
    scaled = (rows - PROFILE.view.centre) / PROFILE.view.scale
    components = np.array(PROFILE.view.components).reshape(-1, 3)
    expected = ((scaled - scaled @ components.T @ components) ** 2).sum()
    assert counted(PROFILE, rows).errors == pytest.approx(expected)


def embeddings(seed: int, n: int, shift: float = 0.0) -> list[list[float]]:
    rows = np.random.default_rng(seed).normal(size=(n, 32))
    rows[:, 0] += shift
    found: list[list[float]] = rows.tolist()
    return found


EMBEDDED = embedding_view("vector", embeddings(0, 5000))


def embedded(rows: list[Any]) -> MomentCounts:
    counter = MomentCounter(EMBEDDED.view, ["vector"])
    counter.add([rows], len(rows))
    return counter.counts()


def test_embeddings_that_moved_are_at_a_distance_and_others_are_not() -> None:
    before = moments_of(EMBEDDED.counts)
    same = [discrepancy(before, moments_of(embedded(embeddings(s, 500)))) for s in range(1, 101)]
    moved = discrepancy(before, moments_of(embedded(embeddings(7, 500, shift=3))))
    assert sum(each.value > each.noise for each in same) <= 10
    assert sum(each.low > 0 for each in same) <= 5
    assert moved.low > 0.05


def test_random_features_are_the_same_everywhere_for_ever() -> None:
    view = MomentView(
        name="v", columns=["v"], projection=Projection(dimensions=2, features=2, bandwidth=2.0)
    )
    counter = MomentCounter(view, ["v"])
    counter.add([[[1.0, -1.0]]], 1)
    assert unpacked(counter.counts().sums) == pytest.approx(
        [0.6313487470676639, 0.8539026761636695], abs=1e-9
    )


@pytest.mark.parametrize(
    "value", [None, "text", [1.0], ["a"] * 32, [math.nan] * 32, [[1.0]] * 32, {"a": 1}, 10**400]
)
def test_what_is_no_embedding_is_skipped(value: Any) -> None:
    found = embedded([value, embeddings(1, 1)[0]])
    assert (found.rows, found.skipped) == (1, 1)


def test_rows_that_cannot_be_learned_from_are_told() -> None:
    with pytest.raises(MomentDataError, match="two numeric inputs"):
        columns_view(["a", "b"], [np.ones(5), np.arange(5.0)])
    with pytest.raises(MomentDataError, match="more than 64"):
        columns_view(list(map(str, range(65))), list(np.random.default_rng(1).normal(size=(65, 9))))
    with pytest.raises(MomentDataError, match="no embedding"):
        embedding_view("v", [[1.0], [1.0, 2.0]])
    with pytest.raises(MomentDataError, match="all the same"):
        embedding_view("v", [[1.0, 2.0]] * 10)
    with pytest.raises(MomentDataError, match="something but numbers"):
        embedding_view("v", [["a"], ["b"]])


def test_profiles_of_both_kinds_are_sound() -> None:
    assert problem_of(PROFILE, NAMES) == ""
    assert problem_of(EMBEDDED, ["vector"]) == ""
    assert problem_of(PROFILE, ["a", "b"]) != ""


@pytest.mark.parametrize(
    "fields",
    [
        {"columns": []},
        {"columns": ["a", "b"]},
        {"scale": [1.0, 0.0, 1.0]},
        {"centre": [0.0]},
        {"components": [1.0]},
        {"components": [0.0] * 12},
        {"centre": [math.nan, 0.0, 0.0]},
        {"projection": Projection(dimensions=5, features=3)},
    ],
)
def test_views_that_make_no_sense_are_refused(fields: dict[str, Any]) -> None:
    view = msgspec.structs.replace(PROFILE.view, **fields)
    assert problem_of(MomentProfile(view=view, counts=PROFILE.counts), NAMES) != ""


@pytest.mark.parametrize(
    "fields",
    [
        {"sums": b""},
        {"products": b"12345678"},
        {"fourths": np.full(3, np.nan).tobytes()},
        {"rows": -1},
        {"errors": math.inf},
    ],
)
def test_counts_that_are_none_are_left_out(fields: dict[str, Any]) -> None:
    assert is_of(PROFILE.view, PROFILE.counts)
    assert not is_of(PROFILE.view, msgspec.structs.replace(PROFILE.counts, **fields))
