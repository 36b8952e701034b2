"""Evaluation: which rows are judged, and what keeps them from being judged."""

from typing import Any

import numpy as np
import pytest

from modelmonitor.core.baseline.profile import Profile, digest
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.judging.evaluation import evaluate
from modelmonitor.core.judging.verdict import Outcome
from tests.core.monitoring import (
    Table,
    drift,
    judge,
    pane,
    requests,
    rows_pane,
    run,
    spec_of,
    tick,
)

MISSING = {
    "type": "DataQuality",
    "dataQuality": {"check": "MissingRatio", "columns": {"group": "Inputs"}},
    "threshold": {"operator": "GreaterThan", "critical": "0.5"},
}
PSI = {
    "type": "Distance",
    "distance": {"column": "x", "statistic": "PSI"},
    "threshold": {"operator": "GreaterThan", "critical": "0.25"},
}
ROW_METRICS = [MISSING, PSI, drift()]


@pytest.fixture(scope="module")
def profile() -> Profile:
    return build_profile({"x": np.random.default_rng(0).standard_normal(20_000)})


def rows(size: int = 1000, seed: int = 1, shift: float = 0.0) -> Table:
    return {"x": np.random.default_rng(seed).standard_normal(size) + shift}


@pytest.mark.parametrize("metric", ROW_METRICS)
def test_good_rows_are_judged(profile: Profile, metric: dict[str, Any]) -> None:
    found = judge(spec_of(metric), [tick(0, rows_pane(profile, 0, rows()))], profile)
    assert found.outcome is Outcome.NO_BREACH
    assert found.samples == 1000


@pytest.mark.parametrize("metric", ROW_METRICS)
@pytest.mark.parametrize(
    ("fields", "reason", "no_data"),
    [
        ({"baselineDigest": "sha256:other"}, "WarmingUp", False),
        ({"revision": "two"}, "MixedRevisions", False),
        ({"copiedBytes": 800}, "PartialObservation", False),
        ({"requests": requests(100, decoded=80)}, "PartialObservation", False),
        (
            {"requests": requests(9, decoded=0, undecodable={"shape": 9})},
            "BodiesUndecodable",
            True,
        ),
        ({"requests": requests(0), "columns": {}}, "NoTraffic", True),
    ],
    ids=["old baseline", "other revision", "unseen", "undecoded", "undecodable", "no traffic"],
)
def test_rows_that_cannot_be_judged(
    profile: Profile, metric: dict[str, Any], fields: dict[str, Any], reason: str, no_data: bool
) -> None:
    one = tick(0, rows_pane(profile, 0, rows(), **fields))
    found = judge(spec_of(metric), [one], profile)
    assert (found.outcome, found.reason, found.no_data) == (Outcome.UNKNOWN, reason, no_data)


@pytest.mark.parametrize("metric", ROW_METRICS)
def test_without_baseline_rows_cannot_be_judged(metric: dict[str, Any]) -> None:
    found = judge(spec_of(metric), [tick(0, pane(0))], None)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "BaselineNotReady")


@pytest.mark.parametrize("metric", ROW_METRICS)
def test_collectors_of_two_baselines_are_unknown(profile: Profile, metric: dict[str, Any]) -> None:
    new, old = rows_pane(profile, 0, rows(), boot="a"), pane(0, boot="b", baselineDigest="old")
    found = judge(spec_of(metric), [tick(0, new, old)], profile)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "MixedBaselines")
    assert found.message == "1 of 2 collectors count by this baseline"


def test_undecodable_bodies_are_named_by_their_most_frequent_cause(profile: Profile) -> None:
    mute = requests(9, decoded=0, undecodable={"RequestShape": 7, "RequestNotJSON": 2})
    found = judge(
        spec_of(MISSING), [tick(0, rows_pane(profile, 0, rows(), requests=mute))], profile
    )
    assert found.message == "none of 9 requests could be decoded, mostly because of: RequestShape"


def test_a_cause_that_no_collector_of_ours_names_is_not_repeated(profile: Profile) -> None:
    mute = requests(9, decoded=0, undecodable={"<script>": 9})
    found = judge(
        spec_of(MISSING), [tick(0, rows_pane(profile, 0, rows(), requests=mute))], profile
    )
    assert found.message == "none of 9 requests could be decoded, mostly because of: Other"


def test_only_the_judged_revision_speaks_of_rows(profile: Profile) -> None:
    judged = rows_pane(profile, 0, rows(), boot="a")
    canary = rows_pane(profile, 0, rows(shift=9), boot="b", revision="two")
    found = judge(spec_of(PSI), [tick(0, judged, canary)], profile)
    assert (found.outcome, found.samples) == (Outcome.NO_BREACH, 1000)


def test_rows_of_an_older_revision_fill_no_window(profile: Profile) -> None:
    metric = {**PSI, "window": "3m"}
    history = [
        tick(0, rows_pane(profile, 0, rows(), revision="zero")),
        *(tick(number, rows_pane(profile, number, rows())) for number in (1, 2)),
    ]
    assert judge(spec_of(metric), history, profile).reason == "WarmingUp"
    history.append(tick(3, rows_pane(profile, 3, rows())))
    full = judge(spec_of(metric), history, profile)
    assert (full.outcome, full.samples) == (Outcome.NO_BREACH, 3000)


def test_a_distance_in_breach_says_how_sure_it_is(profile: Profile) -> None:
    found = judge(spec_of(PSI), [tick(0, rows_pane(profile, 0, rows(shift=1)))], profile)
    assert found.outcome is Outcome.BREACH
    assert "95 % interval" in found.message
    assert "by chance up to" in found.message
    assert found.findings[0].column == "x"


def test_a_distance_that_could_be_either_is_unknown(profile: Profile) -> None:
    found = judge(spec_of(PSI), [tick(0, rows_pane(profile, 0, rows(100, shift=0.5)))], profile)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "IntervalStraddlesThreshold")
    assert found.value is not None
    assert not found.no_data


@pytest.mark.parametrize("statistic", ["PSI", "JensenShannon", "KolmogorovSmirnov"])
def test_every_distance_grows_with_the_shift(profile: Profile, statistic: str) -> None:
    metric = {**PSI, "distance": {"column": "x", "statistic": statistic}}
    values = []
    for shift in (0.0, 0.3, 1.0, 3.0):
        found = judge(spec_of(metric), [tick(0, rows_pane(profile, 0, rows(shift=shift)))], profile)
        values.append(found.value)
    assert values == sorted(values, key=lambda value: value or 0.0)
    assert values[0] is not None
    assert values[-1] is not None
    assert values[-1] > 0.5 > values[0]


def test_kolmogorov_smirnov_needs_an_order() -> None:
    built = build_profile({"x": ["a", "b"] * 1000})
    metric = {**PSI, "distance": {"column": "x", "statistic": "KolmogorovSmirnov"}}
    found = judge(spec_of(metric), [tick(0, rows_pane(built, 0, {"x": ["a"] * 500}))], built)
    assert (found.reason, "categorical" in found.message) == ("ColumnKindUnsupported", True)


def test_a_distance_of_categories(profile: Profile) -> None:
    built = build_profile({"x": ["a", "b", "c", "d"] * 1000})
    metric = {**PSI, "distance": {"column": "x", "statistic": "JensenShannon"}}
    replaced = {"x": ["a", "b", "c", "e"] * 1000}
    found = judge(spec_of(metric), [tick(0, rows_pane(built, 0, replaced))], built)
    assert found.value == pytest.approx(0.5)


def test_a_distance_without_values_has_no_data(profile: Profile) -> None:
    found = judge(spec_of(PSI), [tick(0, rows_pane(profile, 0, {"x": [None] * 50}))], profile)
    assert (found.reason, found.no_data) == ("TooFewSamples", True)


@pytest.mark.parametrize("metric", ROW_METRICS)
def test_a_column_that_the_baseline_lacks_is_unknown(
    profile: Profile, metric: dict[str, Any]
) -> None:
    named: dict[str, Any] = {"columns": {"names": ["z"]}}
    options: dict[str, dict[str, Any]] = {
        "DataQuality": {"dataQuality": {"check": "MissingRatio", **named}},
        "Distance": {"distance": {"column": "z", "statistic": "PSI"}},
        "Drift": {"drift": {"tolerance": {"critical": "0.05"}, **named}},
    }
    spec = spec_of({**metric, **options[metric["type"]]})
    found = judge(spec, [tick(0, rows_pane(profile, 0, rows()))], profile)
    assert found.reason == "ColumnNotInBaseline"


def test_every_metric_gets_a_verdict_in_the_order_of_the_spec(profile: Profile) -> None:
    traffic = {"type": "RequestRate", "threshold": {"operator": "LessThan", "critical": "1"}}
    spec = spec_of(*ROW_METRICS, traffic)
    found = run(spec, [tick(0, rows_pane(profile, 0, rows()))], profile)
    assert [each.metric for each in found.verdicts] == [each.name for each in spec.metrics]
    assert all(len(each.threshold) <= 64 for each in found.verdicts)
    assert all(len(each.message) <= 1024 for each in found.verdicts)


def test_coverage_is_what_was_observed_and_decoded(profile: Profile) -> None:
    half = rows_pane(profile, 0, rows(), copiedBytes=500, requests=requests(10, decoded=8))
    assert run(spec_of(MISSING), [tick(0, half)], profile).coverage == pytest.approx(0.4)


def test_evaluation_forgets_metrics_that_are_gone(profile: Profile) -> None:
    ticks = [tick(0, rows_pane(profile, 0, rows()))]
    before = run(spec_of({**drift(), "name": "old"}), ticks, profile).evidence
    after = run(spec_of({**drift(), "name": "new"}), ticks, profile, before).evidence
    assert set(after.metrics) == {"new"}


def test_equal_input_gives_equal_output(profile: Profile) -> None:
    spec = spec_of(*ROW_METRICS)
    ticks = [tick(number, rows_pane(profile, number, rows(seed=number))) for number in range(5)]
    assert evaluate(spec, profile, digest(profile), ticks) == evaluate(
        spec, profile, digest(profile), [*ticks]
    )
