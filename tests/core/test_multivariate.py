"""Multivariate metrics: from panes to verdicts."""

from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.core.baseline.moments_builder import columns_view, embedding_view
from modelmonitor.core.baseline.profile import Profile, canonical, digest, load_profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.counting.moments import MomentCounter, MomentProfile
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from modelmonitor.core.wire.pane import Pane
from tests.core.monitoring import counts_of, judge, pane, requests, spec_of, tick

NAMES = ["a", "b", "c"]


def table(seed: int, n: int, rho: float) -> dict[str, np.ndarray[Any, Any]]:
    draw = np.random.default_rng(seed)
    covariance = np.array([[1, rho, 0], [rho, 1, 0], [0, 0, 1]])
    return dict(zip(NAMES, draw.multivariate_normal(np.zeros(3), covariance, n).T, strict=True))


def profile_of(moments: list[MomentProfile]) -> Profile:
    profile = build_profile(table(0, 5000, 0.6))
    return load_profile(canonical(msgspec.structs.replace(profile, moments=moments)))


ROWS = profile_of([columns_view(NAMES, list(table(0, 5000, 0.6).values()))])


def pane_of(profile: Profile, number: int, rows: dict[str, Any], **more: Any) -> Pane:
    count = len(rows["a"])
    counter = MomentCounter(profile.moments[0].view, NAMES)
    counter.add([rows[name] for name in NAMES], count)
    fields: dict[str, Any] = {
        "baselineDigest": digest(profile),
        "columns": counts_of(profile, rows),
        "requests": requests(count),
        "moments": {"columns": counter.counts()},
    }
    return pane(number, **{**fields, **more})


def metric(statistic: str, **options: Any) -> dict[str, Any]:
    return {
        "type": "Multivariate",
        "multivariate": {"statistic": statistic, **options},
        "threshold": {"operator": "GreaterThan", "critical": "0.3", "minSamples": 100},
    }


def verdict(profile: Profile, rows: dict[str, Any], metric: dict[str, Any], **more: Any) -> Verdict:
    return judge(spec_of(metric), [tick(0, pane_of(profile, 0, rows, **more))], profile)


def test_a_correlation_that_broke_is_critical_and_named() -> None:
    found = verdict(ROWS, table(1, 2000, -0.3), metric("CorrelationChange"))
    assert (found.outcome, found.level) == (Outcome.BREACH, Level.CRITICAL)
    assert found.findings[0].column == "a × b"
    assert "most of a × b" in found.message
    assert found.samples == 2000


def test_nothing_is_said_of_rows_like_the_baselines() -> None:
    found = verdict(ROWS, table(1, 2000, 0.6), metric("CorrelationChange"))
    assert found.outcome is Outcome.NO_BREACH


def test_few_rows_cannot_tell() -> None:
    found = verdict(ROWS, table(1, 120, 0.4), metric("CorrelationChange"))
    assert found.reason == "IntervalStraddlesThreshold"


def test_only_the_named_columns_are_looked_at() -> None:
    options = {"columns": {"names": ["b", "c"]}}
    found = verdict(ROWS, table(1, 2000, -0.3), metric("CorrelationChange", **options))
    assert found.outcome is Outcome.NO_BREACH


@pytest.mark.parametrize(("rho", "outcome"), [(0.6, Outcome.NO_BREACH), (-0.6, Outcome.BREACH)])
def test_rows_off_the_usual_plane_are_rebuilt_worse(rho: float, outcome: Outcome) -> None:
    wanted = metric("ReconstructionError")
    wanted["threshold"]["critical"] = "1.3"
    found = verdict(ROWS, table(1, 2000, rho), wanted)
    assert found.outcome is outcome


def test_rows_with_holes_do_not_stand_for_all() -> None:
    rows = table(1, 2000, 0.6)
    rows["b"][:1500] = np.nan
    found = verdict(ROWS, rows, metric("CorrelationChange"))
    assert found.reason == "PartialObservation"
    assert "1500 of 2000 rows" in found.message


def test_columns_that_stopped_varying_are_told() -> None:
    rows = {name: np.full(500, 1.0) for name in NAMES}
    assert verdict(ROWS, rows, metric("CorrelationChange")).reason == "ColumnKindUnsupported"


def test_a_baseline_without_joint_moments_names_the_option() -> None:
    for wanted, option in (
        (metric("CorrelationChange"), "--correlations"),
        (metric("EmbeddingDistance", column="vector"), "--embedding vector"),
    ):
        found = judge(spec_of(wanted), [tick(0, pane(0))], profile_of([]))
        assert found.reason == "ColumnNotInBaseline"
        assert option in found.message


def test_panes_that_do_not_count_the_view_are_no_rows() -> None:
    found = verdict(ROWS, table(1, 2000, 0.6), metric("CorrelationChange"), moments={})
    assert (found.outcome, found.samples) == (Outcome.UNKNOWN, 0)


def test_a_pane_of_another_width_is_left_out() -> None:
    wrong = columns_view(["a", "b"], list(table(2, 100, 0.1).values())[:2]).counts
    found = verdict(
        ROWS, table(1, 2000, 0.6), metric("CorrelationChange"), moments={"columns": wrong}
    )
    assert (found.outcome, found.samples) == (Outcome.UNKNOWN, 0)


def test_an_embedding_that_moved_is_found() -> None:
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(5000, 16))
    rows = {name: np.zeros(5000) for name in NAMES}
    profile = build_profile({**rows, "vector": ["x"] * 5000})
    profile = msgspec.structs.replace(profile, moments=[embedding_view("vector", list(vectors))])
    for shift, outcome in ((0.0, Outcome.NO_BREACH), (2.0, Outcome.BREACH)):
        counter = MomentCounter(profile.moments[0].view, ["vector"])
        counter.add([list(draw.normal(size=(1000, 16)) + shift)], 1000)
        wanted = metric("EmbeddingDistance", column="vector")
        wanted["threshold"]["critical"] = "0.2"
        now = pane(
            0,
            baselineDigest=digest(profile),
            requests=requests(1000),
            moments={"vector": counter.counts()},
        )
        assert judge(spec_of(wanted), [tick(0, now)], profile).outcome is outcome
