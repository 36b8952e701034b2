"""The floor: of less than nine tenths of the traffic, observed or decoded, nothing is judged."""

from typing import Any

import pytest

from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.judging.verdict import Outcome
from modelmonitor.core.judging.windows import COVERAGE_FLOOR, Tick, covered_share, in_percent
from modelmonitor.core.wire.pane import Undecodable
from tests.core.monitoring import drift, latencies, pane, requests, rows_pane, run, spec_of, tick
from tests.core.test_evaluation import ROW_METRICS, rows

ABOVE = {"operator": "GreaterThan", "critical": "0.5"}
WIRE_METRICS: list[dict[str, Any]] = [
    {"type": "RequestRate", "threshold": {"operator": "LessThan", "critical": "0.001"}},
    {"type": "ErrorRatio", "threshold": ABOVE},
    {"type": "Latency", "latency": {"quantile": "0.99"}, "threshold": {**ABOVE, "critical": "5"}},
]
ALL_METRICS = [*WIRE_METRICS, *ROW_METRICS]


@pytest.fixture(scope="module")
def profile() -> Profile:
    return build_profile(rows(20_000, seed=0))


def reason(profile: Profile, metric: dict[str, Any], seen: Tick) -> tuple[Outcome, str]:
    verdict = run(spec_of(metric), [seen], profile).verdicts[0]
    return verdict.outcome, verdict.reason


def observed(profile: Profile, copied: int) -> Tick:
    """Return a tick of which `copied` thousandths reached the observer."""
    return tick(
        0,
        rows_pane(profile, 0, rows(), copiedBytes=copied, latency=latencies(at_1=len(rows()["x"]))),
    )


def decoded(profile: Profile, count: int, *, seen: int = 1000, **fields: Any) -> Tick:
    """Return a tick in which `count` of a thousand sampled requests became rows."""
    counts = requests(seen, sampled=1000, decoded=count, **fields)
    return tick(0, rows_pane(profile, 0, rows(), requests=counts, latency=latencies(at_1=seen)))


@pytest.mark.parametrize("metric", ALL_METRICS, ids=lambda metric: metric["type"])
def test_at_the_floor_traffic_is_judged_and_below_it_is_not(
    profile: Profile, metric: dict[str, Any]
) -> None:
    assert reason(profile, metric, observed(profile, 900))[1] != "PartialObservation"
    assert reason(profile, metric, observed(profile, 899)) == (
        Outcome.UNKNOWN,
        "PartialObservation",
    )


@pytest.mark.parametrize("metric", ROW_METRICS, ids=lambda metric: metric["type"])
def test_at_the_floor_rows_are_judged_and_below_it_they_are_not(
    profile: Profile, metric: dict[str, Any]
) -> None:
    assert reason(profile, metric, decoded(profile, 900))[1] != "PartialObservation"
    assert reason(profile, metric, decoded(profile, 899)) == (
        Outcome.UNKNOWN,
        "PartialObservation",
    )


@pytest.mark.parametrize("metric", WIRE_METRICS, ids=lambda metric: metric["type"])
def test_what_happens_on_the_wire_needs_no_body(profile: Profile, metric: dict[str, Any]) -> None:
    assert reason(profile, metric, decoded(profile, 0))[0] is Outcome.NO_BREACH


@pytest.mark.parametrize("metric", ROW_METRICS, ids=lambda metric: metric["type"])
def test_a_request_that_sampling_leaves_out_is_not_undecoded(
    profile: Profile, metric: dict[str, Any]
) -> None:
    thin = decoded(profile, 1000, seen=100_000)
    assert reason(profile, metric, thin)[1] != "PartialObservation"
    assert covered_share(thin) == 1.0


def test_no_evidence_of_drift_is_gathered_below_the_floor(profile: Profile) -> None:
    spec = spec_of(drift())
    blind = run(spec, [observed(profile, 899)], profile).evidence
    told = run(spec, [observed(profile, 900)], profile).evidence
    assert blind.metrics["drift"] != told.metrics["drift"]
    assert blind.metrics["drift"] == run(spec, [tick(0)], profile).evidence.metrics["drift"]


def test_what_was_lost_on_the_way_counts_once_the_worse_of_bytes_and_requests(
    profile: Profile,
) -> None:
    cut = {Undecodable.INCOMPLETE.value: 60}
    few_bytes = decoded(profile, 940, undecodable=cut)
    pane_of = few_bytes.panes[0]
    assert covered_share(few_bytes) == pytest.approx(0.94)
    same = tick(0, rows_pane(profile, 0, rows(), copiedBytes=950, requests=pane_of.requests))
    assert covered_share(same) == pytest.approx(0.94)
    more = tick(0, rows_pane(profile, 0, rows(), copiedBytes=920, requests=pane_of.requests))
    assert covered_share(more) == pytest.approx(0.92)
    other = decoded(profile, 893, undecodable={**cut, "RequestShape": 47})
    assert covered_share(other) == pytest.approx(0.893)


def test_nothing_but_lost_bodies_is_no_coverage(profile: Profile) -> None:
    assert covered_share(decoded(profile, 0, undecodable={"Incomplete": 1000})) == 0.0


def test_a_share_below_the_floor_never_looks_like_it() -> None:
    assert in_percent(0.8999) == "89.9%"
    assert in_percent(COVERAGE_FLOOR) == "90%"
    assert in_percent(0.29) == "29%"
    verdict = run(spec_of(WIRE_METRICS[1]), [tick(0, pane(0, copiedBytes=899))]).verdicts[0]
    assert verdict.message.startswith("89.9% of the traffic was observed, 90% are needed")
