"""Windows: how far a metric looks back, and when that is far enough."""

from typing import Any

import pytest

from modelmonitor.core.judging.evaluation import lookback
from modelmonitor.core.judging.verdict import Outcome
from modelmonitor.core.judging.windows import Tick
from tests.core.monitoring import drift, judge, pane, requests, spec_of, tick


def errors(**fields: Any) -> dict[str, Any]:
    threshold = {"operator": "GreaterThan", "critical": "0.5"} | fields.pop("threshold", {})
    return {"type": "ErrorRatio", "threshold": threshold, **fields}


def ticks(*counts: int) -> list[Tick]:
    return [
        tick(number, pane(number, requests=requests(count, codes={"200": count})))
        for number, count in enumerate(counts)
    ]


def test_without_window_one_tick_is_looked_at() -> None:
    verdict = judge(spec_of(errors()), ticks(100, 7))
    assert (verdict.samples, verdict.window) == (7, 60.0)


def test_a_window_holds_its_ticks_and_no_more() -> None:
    verdict = judge(spec_of(errors(window="3m")), ticks(1000, 1, 2, 4))
    assert (verdict.samples, verdict.window) == (7, 180.0)


def test_a_window_that_is_not_full_is_unknown() -> None:
    verdict = judge(spec_of(errors(window="5m")), ticks(100, 100, 100))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNKNOWN, "WarmingUp")
    assert not verdict.no_data


def test_a_window_is_full_with_its_last_tick() -> None:
    full = judge(spec_of(errors(window="5m")), ticks(1, 1, 1, 1, 1))
    assert (full.outcome, full.samples) == (Outcome.NO_BREACH, 5)


def test_min_samples_without_window_takes_as_few_ticks_as_reach_it() -> None:
    verdict = judge(spec_of(errors(threshold={"minSamples": 10})), ticks(50, 4, 5, 3))
    assert (verdict.samples, verdict.window) == (12, 180.0)


def test_min_samples_that_never_come_are_too_few_after_an_hour() -> None:
    spec = spec_of(errors(threshold={"minSamples": 1000}))
    early = judge(spec, ticks(*[1] * 59))
    late = judge(spec, ticks(*[1] * 60))
    assert early.reason == "WarmingUp"
    assert (late.reason, late.samples) == ("TooFewSamples", 60)
    assert late.outcome is Outcome.UNKNOWN


def test_a_window_with_too_few_samples_is_unknown() -> None:
    verdict = judge(spec_of(errors(window="2m", threshold={"minSamples": 10})), ticks(99, 1, 2))
    assert (verdict.reason, verdict.samples) == ("TooFewSamples", 3)
    assert verdict.message == "3 requests in 2m, 10 are needed"


def test_one_silent_tick_does_not_blind_a_long_window() -> None:
    history = ticks(*[10] * 30)
    history[15] = tick(15, expected=1, answered=0)
    assert judge(spec_of(errors(window="30m")), history).outcome is Outcome.NO_BREACH
    assert judge(spec_of(errors(window="2m")), history[:16]).reason == "PartialObservation"


def mean(**more: Any) -> dict[str, Any]:
    return {
        "type": "Statistic",
        "statistic": {"column": "x", "of": "Mean"},
        "threshold": {"operator": "GreaterThan", "critical": "1"},
        **more,
    }


def stale(seconds: str) -> dict[str, Any]:
    return {
        "type": "DataQuality",
        "dataQuality": {"check": "Staleness"},
        "threshold": {"operator": "GreaterThan", "critical": seconds},
    }


@pytest.mark.parametrize(
    ("metrics", "seconds"),
    [
        ([errors()], 60.0),
        ([errors(window="24h"), errors(window="5m")], 86_400.0),
        ([errors(threshold={"minSamples": 2})], 3600.0),
        ([drift()], 3600.0),
        ([mean(window="2h", compare={"to": "PreviousPeriod"})], 4 * 3600.0),
        ([mean(window="2h", compare={"to": "PreviousPeriod", "offset": "20h"})], 22 * 3600.0),
        ([mean(window="2h", compare={"to": "Baseline"})], 2 * 3600.0),
        ([stale("900")], 900.0 + 2 * 60.0),
    ],
    ids=[
        "one tick",
        "longest window",
        "minSamples",
        "drift",
        "the period before",
        "an earlier period",
        "the baseline",
        "staleness",
    ],
)
def test_lookback_is_what_the_longest_metric_needs(
    metrics: list[dict[str, Any]], seconds: float
) -> None:
    named = [{**metric, "name": f"m{number}"} for number, metric in enumerate(metrics)]
    assert lookback(spec_of(*named)) == seconds


@pytest.mark.parametrize("order", [[], [1, 0], [0, 0]], ids=["none", "backwards", "twice"])
def test_ticks_come_in_order_each_once(order: list[int]) -> None:
    with pytest.raises(ValueError, match="oldest first"):
        judge(spec_of(errors()), [tick(number) for number in order])
