"""Request rate, latency and errors: what collectors measured, or why nobody can tell."""

from typing import Any

import pytest

from modelmonitor.core.judging.verdict import Level, Outcome
from modelmonitor.core.judging.windows import COVERAGE_FLOOR
from tests.core.monitoring import judge, latencies, pane, requests, spec_of, tick

RATE = {"type": "RequestRate", "threshold": {"operator": "LessThan", "critical": "1"}}
ERRORS = {"type": "ErrorRatio", "threshold": {"operator": "GreaterThan", "critical": "0.05"}}
LATENCY = {
    "type": "Latency",
    "latency": {"quantile": "0.99"},
    "threshold": {"operator": "GreaterThan", "warning": "0.2", "critical": "0.5"},
}
ANY = [RATE, ERRORS, LATENCY]


def test_rate_is_requests_of_all_replicas_and_revisions_per_second() -> None:
    verdict = judge(
        spec_of(RATE),
        [
            tick(
                0,
                pane(0, boot="a", requests=requests(120)),
                pane(0, boot="b", requests=requests(60), revision="two"),
            )
        ],
    )
    assert verdict.value == pytest.approx(3.0)
    assert verdict.outcome is Outcome.NO_BREACH
    assert verdict.message == "3 requests/s (180 in 1m), threshold < 1 critical"


def test_failures_of_grpc_are_errors() -> None:
    codes = {"grpc-0": 90, "grpc-14": 8, "grpc-5": 2}
    verdict = judge(spec_of(ERRORS), [tick(0, pane(0, requests=requests(100, codes=codes)))])
    assert verdict.value == pytest.approx(0.08)
    assert verdict.level is Level.CRITICAL


def test_time_to_the_first_token_is_a_latency_of_streamed_generations() -> None:
    metric = {**LATENCY, "latency": {"quantile": "0.5", "of": "FirstToken"}}
    counts = latencies(at_0=9)
    streamed = pane(0, latency={**counts, "FirstToken": counts["Response"]})
    assert judge(spec_of(metric), [tick(0, streamed)]).value == pytest.approx(0.99, rel=0.01)
    silent = judge(spec_of(metric), [tick(0, pane(0, latency=counts))])
    assert (silent.reason, silent.message) == ("NoTraffic", "there was no streamed generation")


def test_no_request_is_a_measured_zero_when_collectors_answered() -> None:
    verdict = judge(spec_of(RATE), [tick(0, pane(0, requests=requests(0, codes={})))])
    assert (verdict.outcome, verdict.level) == (Outcome.BREACH, Level.CRITICAL)
    assert verdict.value == 0
    assert not verdict.no_data


@pytest.mark.parametrize("metric", ANY)
def test_no_answer_is_no_data(metric: dict[str, Any]) -> None:
    verdict = judge(spec_of(metric), [tick(0, expected=3, answered=0)])
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason == "CollectorUnreachable"
    assert verdict.no_data
    assert verdict.value is None


@pytest.mark.parametrize("metric", ANY)
def test_no_collector_is_no_data(metric: dict[str, Any]) -> None:
    verdict = judge(spec_of(metric), [tick(0, expected=0, answered=0)])
    assert (verdict.reason, verdict.no_data) == ("NoData", True)


@pytest.mark.parametrize("metric", ANY)
def test_scaled_to_zero_is_unknown_but_not_missing_data(metric: dict[str, Any]) -> None:
    verdict = judge(spec_of(metric), [tick(0, expected=0, answered=0, replicas_wanted=0)])
    assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, "ScaledToZero")
    assert not verdict.no_data


@pytest.mark.parametrize(
    "blind",
    [
        tick(0, pane(0), expected=2, answered=1),
        tick(0, pane(0, copiedBytes=899)),
        tick(0, pane(0, observerGapSeconds=6.1)),
        tick(0, pane(0, copiedBytes=950, observerGapSeconds=5.0)),
    ],
    ids=["a collector is silent", "bytes were dropped", "no observer", "a little of both"],
)
@pytest.mark.parametrize("metric", ANY)
def test_below_the_coverage_floor_nothing_is_judged(metric: dict[str, Any], blind: Any) -> None:
    verdict = judge(spec_of(metric), [blind])
    assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, "PartialObservation")
    assert f"{COVERAGE_FLOOR:.0%} are needed" in verdict.message


def test_undecodable_bodies_do_not_matter_to_software_metrics() -> None:
    mute = pane(0, requests=requests(100, decoded=0, undecodable={"shape": 100}))
    assert judge(spec_of(ERRORS), [tick(0, mute)]).outcome is Outcome.NO_BREACH


def test_error_ratio_counts_codes_and_lost_connections() -> None:
    broken = requests(200, codes={"200": 180, "500": 10, "404": 6, "none": 4})
    verdict = judge(spec_of(ERRORS), [tick(0, pane(0, requests=broken))])
    assert verdict.value == pytest.approx(14 / 200)
    assert verdict.level is Level.CRITICAL
    assert verdict.message == "14 of 200 requests failed (7.00%), in breach of > 0.05 critical"


def test_error_codes_can_be_declared() -> None:
    metric = {**ERRORS, "errorRatio": {"statusCodes": ["404"]}}
    broken = requests(100, codes={"500": 50, "404": 50})
    assert judge(spec_of(metric), [tick(0, pane(0, requests=broken))]).value == 0.5


@pytest.mark.parametrize("metric", [ERRORS, LATENCY])
def test_without_requests_ratios_and_quantiles_have_no_data(metric: dict[str, Any]) -> None:
    verdict = judge(spec_of(metric), [tick(0, pane(0, requests=requests(0, codes={})))])
    assert (verdict.reason, verdict.no_data) == ("NoTraffic", True)


def test_latency_is_the_quantile_over_all_replicas() -> None:
    slow = pane(0, boot="b", latency=latencies(at_20=3))
    verdict = judge(spec_of(LATENCY), [tick(0, pane(0, latency=latencies(at_0=97)), slow)])
    assert verdict.value == pytest.approx(1.02**20, rel=0.011)
    assert verdict.level is Level.CRITICAL
    assert verdict.samples == 100


def test_latency_to_the_first_byte_is_counted_apart() -> None:
    metric = {**LATENCY, "latency": {"quantile": "0.99", "of": "FirstByte"}}
    both = {**latencies(at_20=100), "FirstByte": latencies(at_1=100)["Response"]}
    verdict = judge(spec_of(metric), [tick(0, pane(0, latency=both))])
    assert verdict.value == pytest.approx(1.02, rel=0.011)


def test_recover_at_holds_an_alert_though_nothing_is_breached() -> None:
    limits = {"operator": "GreaterThan", "critical": "0.5", "recoverAt": "0.1"}
    metric = {**ERRORS, "threshold": limits}
    broken = requests(100, codes={"200": 80, "500": 20})
    verdict = judge(spec_of(metric), [tick(0, pane(0, requests=broken))])
    assert (verdict.outcome, verdict.recovered) == (Outcome.NO_BREACH, False)
    assert verdict.reason == "NotRecovered"


def test_a_pane_that_is_there_twice_counts_once() -> None:
    one = pane(0, requests=requests(60))
    assert judge(spec_of(RATE), [tick(0, one, one)]).value == pytest.approx(1.0)


def test_a_pane_with_impossible_numbers_is_not_believed() -> None:
    lie = pane(0, boot="b", latency=latencies(at_1000000000=5), requests=requests(10**30))
    verdict = judge(spec_of(RATE), [tick(0, pane(0, requests=requests(120)), lie)])
    assert verdict.value == pytest.approx(2.0)


def test_a_rate_whose_window_is_not_full_is_unknown() -> None:
    verdict = judge(spec_of({**RATE, "window": "5m"}), [tick(0, pane(0))])
    assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, "WarmingUp")
